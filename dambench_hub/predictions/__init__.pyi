from .header import Header as Header
from .reader import Prediction as Prediction
from .reader import open_prediction as open_prediction
from .validation import validate as validate
from .writer import write_predictions as write_predictions
