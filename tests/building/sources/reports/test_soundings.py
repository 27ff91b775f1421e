import numpy as np
import pytest

from dambench_hub.building.sources.reports.reading import Header
from dambench_hub.building.sources.reports.soundings import sounding_reports
from dambench_hub.coordinates.constants import GRAVITY


def test_levels_have_the_variables_of_the_state():
    header = Header(
        station=np.array(["a", "a"]),
        time=np.full(2, np.datetime64("2020-01-01T00", "ms")),
        latitude=np.zeros(2),
        longitude=np.ones(2),
        elevation=np.full(2, 500.0),
    )
    measured = {
        "temperature": np.array([280.0, 250.0]),
        "dew_point": np.array([280.0, np.nan]),
        "direction": np.array([90.0, 180.0]),
        "speed": np.array([2.0, 4.0]),
        "geopotential": GRAVITY * np.array([495.0, 400.0]),
    }
    reports = sounding_reports(header, np.array([95_000.0, 50_000.0]), measured)
    assert set(reports.values) == {"t", "u", "v", "q", "z"}
    np.testing.assert_allclose(reports.values["u"], [-2, 0], atol=1e-12)
    np.testing.assert_allclose(reports.values["v"], [0, 4], atol=1e-12)
    assert reports.values["z"][0] == pytest.approx(GRAVITY * 495)  # within what heights differ by
    assert np.isnan(reports.values["z"][1]) and np.isnan(reports.values["q"][1])
