"""Assimilation methods, one a file, found by name; their networks' modules are in `layers`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
