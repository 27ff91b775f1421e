from .builder import build_dataset as build_dataset
from .conversion import convert_dataset as convert_dataset
from .examples import Fields as Fields
from .examples import Source as Source
from .plan import Plan as Plan
