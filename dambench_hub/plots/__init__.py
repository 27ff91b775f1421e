"""Pictures of a prediction: maps of its errors, errors by channel, and power spectra."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
