"""A method in its own forecasts, for weeks: the cycle, its run, its record and tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
