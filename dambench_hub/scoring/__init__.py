"""A prediction against its data set: scores, what they depend on, and how sure they are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
