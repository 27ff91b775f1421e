"""A data set is made: a plan, a source of fields, and the builder that writes shards of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
