"""Reading a data set: samples, batches, xarray; and controls that replace its modalities."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
