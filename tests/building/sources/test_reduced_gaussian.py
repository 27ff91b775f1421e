"""Forecasts on reduced Gaussian grids: read, and brought to a grid with poles."""

from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.sources.reduced_gaussian import GaussianField, read_gaussian_field
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError

SHIPPED = Path(__file__).parents[3] / "builders" / "synop" / "t2m_forecast_20181120.grib"
TIME = np.datetime64("2018-11-20T12", "h")


def field(of, counts=(8, 12, 16, 12, 8), latitude=(72.0, 36.0, 0.0, -36.0, -72.0)):
    """A field with the values of a function of latitude and longitude, in degrees."""
    rows = tuple(
        np.array([of(north, 360 * n / count) for n in range(count)], float)
        for north, count in zip(latitude, counts, strict=True)
    )
    return GaussianField("2t", "K", TIME - 48, TIME, np.array(latitude), rows)


def test_the_shipped_forecast():
    found = read_gaussian_field(SHIPPED)
    assert (found.name, found.units, found.lead_hours) == ("2t", "K", 48)
    assert (found.init_time, found.valid_time) == (TIME - 48, TIME)
    assert len(found.rows) == 320 and sum(map(len, found.rows)) == 108_160
    assert found.latitude[0] == pytest.approx(89.57009) and found.latitude[-1] < -89
    on_grid = found.on(Grid(361, 720))
    assert on_grid.dtype == np.float32 and on_grid.shape == (361, 720)
    low, high = min(map(np.min, found.rows)), max(map(np.max, found.rows))
    assert low <= on_grid.min() and on_grid.max() <= high
    assert on_grid[:, 0].argmin() > 300 and 295 < on_grid[180].mean() < 302  # cold south, warm line


def test_constants_stay():
    np.testing.assert_array_equal(field(lambda *place: 280.0).on(Grid(33, 64)), np.float32(280))


def test_what_is_linear_in_latitude_is_exact_between_the_rows():
    grid = Grid(33, 64)
    inside = np.abs(grid.latitude) <= 72
    on_grid = field(lambda north, east: 250 + north).on(grid)
    np.testing.assert_allclose(on_grid[inside], (250 + grid.latitude)[inside, None] + np.zeros(64))
    np.testing.assert_array_equal(on_grid[[0, -1]], [[322.0] * 64, [178.0] * 64])  # of 72 degrees


def test_points_of_a_row_keep_their_values_and_the_row_is_closed():
    on_grid = field(lambda north, east: np.cos(np.deg2rad(east))).on(Grid(21, 16))
    np.testing.assert_allclose(on_grid[10], np.cos(np.deg2rad(22.5 * np.arange(16))), atol=1e-7)
    between = field(lambda north, east: east).on(Grid(21, 32))[10]
    assert between[31] == pytest.approx((337.5 + 0) / 2)  # between the last point and the first


def shortened(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: b"", "holds no GRIB message"),
        (lambda raw: b"no grib at all", "holds no GRIB message"),
        (lambda raw: raw[: len(raw) // 2], "cannot be read|damaged|no GRIB message"),
        (lambda raw: raw + raw, "several messages"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path, change, said):
    path = shortened(tmp_path / "forecast.grib", change(SHIPPED.read_bytes()))
    with pytest.raises(BuildError, match=said):
        read_gaussian_field(path)
    with pytest.raises(BuildError, match="cannot be read"):
        read_gaussian_field(tmp_path / "absent.grib")


@pytest.mark.parametrize("change", [{"bitmapPresent": 1}, {"jScansPositively": 1}])
def test_missing_values_and_other_orders_are_refused(tmp_path, change):
    import eccodes

    with SHIPPED.open("rb") as file:
        message = eccodes.codes_grib_new_from_file(file)
    for key, value in change.items():
        eccodes.codes_set(message, key, value)
    path = tmp_path / "changed.grib"
    with path.open("wb") as file:
        eccodes.codes_write(message, file)
    with pytest.raises(BuildError, match="missing, or are not in rows eastward from the north"):
        read_gaussian_field(path)


def test_another_grid_is_named(tmp_path):
    import eccodes

    message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
    path = tmp_path / "regular.grib"
    with path.open("wb") as file:
        eccodes.codes_write(message, file)
    with pytest.raises(BuildError, match="grid of type regular_ll"):
        read_gaussian_field(path)
