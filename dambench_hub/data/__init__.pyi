from .batch import Analysis as Analysis
from .batch import Batch as Batch
from .batch import as_numpy as as_numpy
from .dataset import Data as Data
from .dataset import load_data as load_data
from .sampling import sample_order as sample_order
