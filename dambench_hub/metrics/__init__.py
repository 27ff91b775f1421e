"""The scores: `Scorer`, fed batch by batch. Numpy only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
