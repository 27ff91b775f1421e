"""Reading a data set: samples, batches, xarray; and whether a gain is the modalities' own."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
