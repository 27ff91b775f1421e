"""Methods and tables of observations behind the interfaces of NVIDIA's earth2studio.

Written against earth2studio 0.19.0, whose interfaces are protocols, so it need not be installed:
`AssimilationModel` of `earth2studio/models/da/base.py`, `DataFrameSource` of
`earth2studio/data/base.py`, names and columns of `earth2studio/lexicon/base.py`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
