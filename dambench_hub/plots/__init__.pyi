from .ablations import AblationPanel as AblationPanel
from .ablations import plot_ablations as plot_ablations
from .backgrounds import plot_backgrounds as plot_backgrounds
from .cycles import plot_cycles as plot_cycles
from .figures import plot_prediction as plot_prediction
from .stations import plot_stations as plot_stations
