from .scorer import SCORER_VERSION as SCORER_VERSION
from .scorer import Scorer as Scorer
from .scorer import as_array as as_array
