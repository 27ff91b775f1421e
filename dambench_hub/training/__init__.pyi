from .config import TrainConfig as TrainConfig
from .config import read_config as read_config
from .loop import train as train
