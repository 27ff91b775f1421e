from .evaluation import Result as Result
from .evaluation import score as score
