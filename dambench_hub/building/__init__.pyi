from .builder import Fields as Fields
from .builder import Source as Source
from .builder import build_dataset as build_dataset
from .conversion import convert_dataset as convert_dataset
from .plan import Plan as Plan
