import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.observations.window import Window
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture(scope="session")
def stations(tmp_path_factory):
    """A data set of t2m with tables of observations."""
    folder = tmp_path_factory.mktemp("stations") / "data"
    write_tiny_dataset(folder, channels=("t2m",), modalities=(), reports_window=Window(-6.0, 6.0))
    return load_data(folder)
