"""The scores, fed batch by batch: `Scorer`, and beside it what asks one thing each. Numpy only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
