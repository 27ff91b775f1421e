"""Regridding: laws of means, constants and gaps, against direct computation and another library."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import Regridder, interpolation_weights, unify_poles
from dambench_hub.errors import GridError

COARSE = Grid(13, 24)


def with_poles(rows, columns):
    return 90 - 180 * np.arange(rows) / (rows - 1), 360 * np.arange(columns) / columns


def half_offset(rows, columns):
    step = 180 / rows
    return 90 - step / 2 - step * np.arange(rows), (np.arange(columns) + 0.5) * 360 / columns


def areas(latitude):
    """Share of the sphere of each row of cells, with edges half-way and at the poles."""
    edges = np.concatenate([[90], (latitude[1:] + latitude[:-1]) / 2, [-90]])
    return -np.diff(np.sin(np.deg2rad(edges))) / 2


def mean(field, latitude):
    return (areas(latitude)[:, None] * field.astype(float)).sum() / field.shape[1]


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(250, 10, shape).astype("f4")


SOURCES = {
    "0.25 degrees": with_poles(721, 1440),
    "with poles": with_poles(73, 144),
    "half a cell off": half_offset(36, 72),
    "as gauges": half_offset(360, 720),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_area_mean_is_conserved(name):
    latitude, longitude = SOURCES[name]
    fields = random((2, len(latitude), len(longitude)))
    regrid = Regridder(latitude, longitude, COARSE)
    assert regrid.method == "conservative"
    for field, coarse in zip(fields, regrid(fields), strict=True):
        assert mean(coarse, COARSE.latitude) == pytest.approx(mean(field, latitude), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 216543.77, -1e-30, 1013.25])
@pytest.mark.parametrize("grid", [COARSE, Grid(145, 288)], ids=["coarser", "finer"])
def test_constants_are_exact(value, grid):
    regrid = Regridder(*with_poles(73, 144), grid)
    constant = np.full((1, 73, 144), value, "f4")
    np.testing.assert_array_equal(regrid(constant), np.float32(value))
    np.testing.assert_allclose(regrid.masked(constant), np.float32(value), rtol=1e-6)


def test_weights_from_quarter_to_one_and_a_half_degrees():
    """Seven points, the outer two by half; around the world, too."""
    impulse = np.zeros((721, 1440), "f4")
    impulse[:, :] = np.eye(1440)[3]  # the seam between the columns at 0 and 1.5 degrees
    row = Regridder(*with_poles(721, 1440), Grid(121, 240))(impulse)[60]
    np.testing.assert_allclose(row[:2], 1 / 12, rtol=1e-6)
    assert not row[2:].any()
    impulse[:, :] = np.eye(1440)[1438]
    row = Regridder(*with_poles(721, 1440), Grid(121, 240))(impulse)[60]
    np.testing.assert_allclose(row[0], 1 / 6, rtol=1e-6)


def test_against_overlaps_cell_by_cell():
    """The definition, in plain loops and float64."""
    (latitude, longitude), grid = with_poles(10, 14), Grid(5, 6)
    field = random((10, 14)).astype(float)

    def edges(points):
        return np.concatenate([[90], (points[1:] + points[:-1]) / 2, [-90]])

    def overlap(a, b, c, d):
        return max(0.0, min(b, d) - max(a, c))

    south, ours = np.sin(np.deg2rad(edges(latitude))), np.sin(np.deg2rad(edges(grid.latitude)))
    expected = np.zeros(grid.shape)
    for y in range(5):
        for x in range(6):
            total = weight = 0.0
            for i in range(10):
                for j in range(14):
                    across = overlap(ours[y + 1], ours[y], south[i + 1], south[i])
                    around = sum(
                        overlap(60 * x - 30, 60 * x + 30, w - 180 / 14, w + 180 / 14)
                        for w in (longitude[j] - 360, longitude[j], longitude[j] + 360)
                    )
                    total += across * around * field[i, j]
                    weight += across * around
            expected[y, x] = total / weight
    coarse = Regridder(latitude, longitude, grid)(field)
    np.testing.assert_allclose(coarse, expected, rtol=1e-6)


def test_against_xarray_regrid():
    """Another library, on a smooth field; away from its pole rows, which it weighs otherwise."""
    pytest.importorskip("xarray_regrid")
    latitude, longitude = with_poles(181, 360)
    phi, lam = np.deg2rad(latitude)[:, None], np.deg2rad(longitude)
    field = (40 * np.cos(phi) ** 2 * np.cos(3 * lam) + 10 * np.sin(2 * phi)).astype("f4")
    source = xr.DataArray(field, {"latitude": latitude, "longitude": longitude})
    grid = Grid(31, 60)
    target = xr.Dataset(coords={"latitude": grid.latitude, "longitude": grid.longitude})
    theirs = source.sortby("latitude").regrid.conservative(target, latitude_coord="latitude")
    ours = Regridder(latitude, longitude, grid)(field)
    theirs = theirs.sel(latitude=grid.latitude[2:-2]).values
    np.testing.assert_allclose(ours[2:-2], theirs, atol=2e-2)


def test_both_directions_of_latitude_give_the_same():
    latitude, longitude = half_offset(36, 72)
    field = random((36, 72))
    down = Regridder(latitude, longitude, COARSE)(field)
    up = Regridder(latitude[::-1], longitude, COARSE)(field[::-1])
    np.testing.assert_allclose(up, down, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 35), st.integers(0, 71))
def test_a_gap_stays_in_the_cells_it_touches(y, x):
    latitude, longitude = half_offset(36, 72)
    field = random((36, 72))
    holed = field.copy()
    holed[y, x] = np.nan
    impulse = np.zeros_like(field)
    impulse[y, x] = 1
    regrid = Regridder(latitude, longitude, COARSE)
    touched = regrid(impulse) > 1e-6
    whole, gaps, strict = regrid(field), regrid.masked(holed), regrid.masked(holed, coverage=1)
    np.testing.assert_allclose(gaps[~touched], whole[~touched], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(strict), touched)


def test_cells_are_kept_by_the_share_that_was_measured():
    """Two source cells lie in a target cell; half of it measured is just enough."""
    field = np.full((13, 48), np.nan, "f4")
    field[6, 0], field[6, 3:5] = 7, (1, 3)
    regrid = Regridder(COARSE.latitude, 7.5 * (np.arange(48) + 0.5), COARSE)
    row = regrid.masked(field)[6]
    np.testing.assert_allclose(row[[0, 2]], [7, 2])
    assert np.isnan(np.delete(row, [0, 2])).all()
    assert np.isnan(regrid.masked(field)[[5, 7]]).all()
    assert np.isnan(regrid.masked(field, coverage=0.6)[6, 0])


def test_rain_is_never_invented():
    field = np.full((360, 720), np.nan, "f4")
    assert np.isnan(Regridder(*half_offset(360, 720), COARSE).masked(field)).all()


def test_finer_grids_are_interpolated_linearly():
    latitude, longitude = with_poles(73, 144)
    regrid = Regridder(latitude, longitude, Grid(121, 240))
    assert regrid.method == "bilinear"
    linear = np.broadcast_to(latitude[:, None], (73, 144))
    expected = np.broadcast_to(Grid(121, 240).latitude[:, None], (121, 240))
    np.testing.assert_allclose(regrid(linear), expected, atol=1e-4)
    east = np.broadcast_to(np.minimum(longitude, 360 - longitude), (73, 144))
    ours = Grid(121, 240).longitude
    inside = np.abs(ours - 180) > 2.5
    np.testing.assert_allclose(
        regrid(east)[60, inside], np.minimum(ours, 360 - ours)[inside], atol=1e-4
    )


def test_the_same_grid_is_left_alone():
    field = random(COARSE.shape)
    regrid = Regridder(COARSE.latitude, COARSE.longitude, COARSE)
    assert regrid.method == "none"
    np.testing.assert_array_equal(regrid(field), field)


def test_a_scalar_has_one_value_at_a_pole():
    field = random((3, *COARSE.shape))
    before = field.copy()
    unify_poles(field)
    for row in (0, -1):
        np.testing.assert_allclose(
            field[:, row], before[:, row].mean(axis=1, keepdims=True).repeat(24, 1), rtol=1e-6
        )
    np.testing.assert_array_equal(field[:, 1:-1], before[:, 1:-1])
    field[0, 0, :20] = np.nan
    unify_poles(field)
    assert np.isfinite(field).all()


def test_a_wind_at_a_pole_is_one_vector():
    """Its components turn with the meridian, so their magnitude is the same on all of them."""
    wind = random((2, *COARSE.shape))
    wind[0, 0] = 3 * np.cos(np.deg2rad(COARSE.longitude)) + 4 * np.sin(np.deg2rad(COARSE.longitude))
    exact = wind[0, 0].copy()
    unify_poles(wind, vector=True)
    np.testing.assert_allclose(wind[0, 0], exact, atol=1e-5)
    assert wind[1, 0].mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (np.linspace(60, -60, 31), np.arange(0, 360, 4.0)),
        (np.linspace(90, -90, 31), np.arange(0, 180, 4.0)),
        (np.linspace(90, -90, 31), np.array([0, 10, 30, 60.0])),
        (np.array([90, -90, 0.0]), np.arange(0, 360, 4.0)),
    ],
    ids=["no poles", "half the world", "uneven", "unsorted"],
)
def test_less_than_the_globe_is_refused(latitude, longitude):
    with pytest.raises(GridError, match=r"wanted|needs"):
        Regridder(latitude, longitude, COARSE)


def test_fields_of_another_shape_are_refused():
    with pytest.raises(GridError, match="got"):
        Regridder(*with_poles(73, 144), COARSE)(np.zeros((72, 144)))


def test_interpolation_weights_add_to_one():
    weights = interpolation_weights(np.array([80, 20, -70.0]), np.array([90, 50, 0, -90.0]))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[1], [0.5, 0.5, 0])
    np.testing.assert_allclose(weights[[0, -1]], [[1, 0, 0], [0, 0, 1]])
