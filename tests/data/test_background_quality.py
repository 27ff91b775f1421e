"""The figures of backgrounds, of a made-up ensemble as wrong as its background."""

import numpy as np
import pytest

from dambench_hub.data import load_data
from dambench_hub.data.background_quality import background_quality
from dambench_hub.errors import DataError
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quality") / "dambench"
    write_tiny_dataset(folder, ensemble_size=6, ensemble_splits=("test",))
    return load_data(folder)


def test_figures_are_those_of_the_arrays(data):
    quality = background_quality(data, "test")
    days = range(data.size("test"))
    error = np.stack([data.background("test", n) - data.reference("test", n) for n in days])
    members = np.stack([data.members("test", n)["background_members"] for n in days])
    std = data.statistics.std[:, None, None]
    np.testing.assert_allclose(quality.mse, ((error / std) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(
        quality.rms_error, np.sqrt((error.astype("f8") ** 2).mean(axis=0)), rtol=1e-4
    )
    variance = members.var(axis=1, ddof=1, dtype="f8").mean(axis=0)
    np.testing.assert_allclose(quality.rms_spread, np.sqrt(variance), rtol=1e-4)
    assert quality.drift == pytest.approx(quality.mse[-1] / quality.mse[0] - 1)
    assert all(0.5 < ratio < 2 for ratio in quality.spread_error.values())


def test_error_power_is_that_of_the_difference(data):
    """At a degree where the error is all of the background, or none, the ratio says so."""
    quality = background_quality(data, "test", truncation=3)
    for powers in quality.error_power.values():
        assert len(powers) == 3
        assert all(power is None or 0 < power < 4 for power in powers)
    assert quality.points_per_degree_of_freedom == data.manifest.observations.points(data.grid) / 16


def test_json_has_means_and_ranges(data):
    found = background_quality(data, "test").to_dict()
    assert found["days"] == 5 and found["split"] == "test"
    for name in ("spread_error", "correlation", "bias_share"):
        assert found[name]["min"] <= found[name]["mean"] <= found[name]["max"]


def test_a_split_without_an_ensemble_is_refused(data):
    with pytest.raises(DataError, match="no ensemble; test has one"):
        background_quality(data, "train")
