from .figures import plot_prediction as plot_prediction
