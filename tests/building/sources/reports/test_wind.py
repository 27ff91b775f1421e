import numpy as np

from dambench_hub.building.sources.reports.wind import wind_components


def test_components_keep_the_speed_and_point_away_from_where_it_blows():
    direction = np.linspace(0, 355, 72)
    u, v = wind_components(direction, np.full(72, 7.0))
    np.testing.assert_allclose(np.hypot(u, v), 7.0)
    np.testing.assert_allclose(np.rad2deg(np.arctan2(-u, -v)) % 360, direction, atol=1e-9)


def test_a_calm_needs_no_direction_and_a_wind_does():
    u, v = wind_components(np.array([np.nan, np.nan, 999.0]), np.array([0.0, 3.0, 3.0]))
    assert u[0] == 0 and v[0] == 0
    assert np.isnan([u[1:], v[1:]]).all()


def test_an_unknown_speed_is_unknown():
    assert np.isnan(wind_components(np.array([90.0]), np.array([np.nan]))).all()
