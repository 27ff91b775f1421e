"""The operator of tables: exact where it can be, and silent where the state says nothing."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ChannelError, DataError
from dambench_hub.observations.point_interpolation import Coverage, PointInterpolation
from dambench_hub.observations.table import ObservationTable

GRID = Grid(17, 32)
CHANNELS = ("t850", "u10", "z500", "t2m", "t500", "t300", "u500", "q700")
ELSEWHERE = {"latitude": 10.0, "longitude": 20.0}


def table_of(variable, pressure=np.nan, **columns):
    given = {"value": 1.0, "error_std": 1.0, "station": "A", "report": "temp"} | ELSEWHERE
    return ObservationTable.from_columns(
        time=np.datetime64("2020-01-01"), variable=variable, pressure=pressure, **given | columns
    )


def scattered(rows, rng):
    variable = rng.choice(["t", "u10", "t2m", "z", "ps", "q"], rows)
    on_levels = np.isin(variable, ["t", "z", "q"])
    return table_of(
        variable,
        np.where(on_levels, np.exp(rng.uniform(np.log(2e4), np.log(1e5), rows)), np.nan),
        latitude=rng.uniform(-90, 90, rows),
        longitude=rng.uniform(0, 360, rows),
    )


@pytest.fixture
def H(rng):
    return PointInterpolation(CHANNELS, GRID, scattered(300, rng))


def test_weights_are_those_of_a_mean(H):
    sums = H.matrix.sum(axis=1)
    np.testing.assert_allclose(sums, H.seen)
    assert np.all(H.weight >= 0) and 0 < H.seen.sum() < len(H.seen)
    assert np.diff(H.matrix.indptr).max() <= 8
    np.testing.assert_array_equal(np.diff(H.matrix.indptr) == 0, ~H.seen)


def test_matrix_and_arrays_are_the_operator(H, rng):
    x = rng.normal(size=H.state_shape)
    np.testing.assert_allclose(H.matrix @ x.ravel(), H(x))
    np.testing.assert_allclose((x.ravel()[H.index] * H.weight).sum(axis=1), H(x), atol=1e-12)


def test_grid_points_give_their_values_and_no_other_counts(rng):
    x = rng.normal(size=(len(CHANNELS), *GRID.shape))
    rows, columns = np.divmod(rng.permutation(GRID.size)[:50], GRID.longitudes)
    where = {"latitude": GRID.latitude[rows], "longitude": GRID.longitude[columns]}
    for variable, pressure, channel in (("t2m", np.nan, 3), ("t", 50_000, 4), ("q", 70_000, 7)):
        H = PointInterpolation(CHANNELS, GRID, table_of(variable, pressure, **where))
        np.testing.assert_array_equal(H(x), x[channel, rows, columns])
        with_gaps = np.full_like(x, np.nan)
        with_gaps[channel, rows, columns] = x[channel, rows, columns]
        np.testing.assert_array_equal(H(with_gaps), x[channel, rows, columns])


def test_exact_for_fields_linear_in_latitude_and_in_ln_p(rng):
    table = scattered(300, rng)
    H = PointInterpolation(CHANNELS, GRID, table)
    level = dict(zip(CHANNELS, [850, None, 500, None, 500, 300, 500, 700], strict=True))
    x = np.stack(
        [
            np.tile(2 * GRID.latitude[:, None], GRID.longitudes) + 30 * np.log(100 * (p or 0.01))
            for p in level.values()
        ]
    )
    wanted = 2 * table.latitude + np.where(
        np.isnan(table.pressure), 0, 30 * np.log(table.pressure, dtype=float)
    )
    np.testing.assert_allclose(H(x)[H.seen], wanted[H.seen], rtol=1e-12, atol=1e-10)


def test_nothing_is_extrapolated():
    pressure = [20_000, 29_999, 30_000, 40_000, 85_000, 85_001, 100_000]
    H = PointInterpolation(CHANNELS, GRID, table_of("t", pressure))
    np.testing.assert_array_equal(H.seen, [False, False, True, True, True, False, False])
    assert set(H.coverage[~H.seen]) == {Coverage.BEYOND_LEVELS}
    # A variable of one level is seen there only.
    H = PointInterpolation(CHANNELS, GRID, table_of("q", [69_000, 70_000, 71_000]))
    np.testing.assert_array_equal(H.seen, [False, True, False])


def test_variables_without_a_channel_are_not_seen():
    table = table_of(["v10", "t2m", "ps", "precipitation", "v"], [np.nan] * 4 + [50_000])
    H = PointInterpolation(CHANNELS, GRID, table)
    np.testing.assert_array_equal(H.seen, [False, True, False, False, False])
    assert H.counts == {"seen": 1, "no_channel": 4}


def test_what_lies_in_the_ground_is_not_seen():
    elevation = np.full(GRID.shape, 3_000.0)  # 701 hPa
    table = table_of(["t", "t", "t2m"], [69_900, 70_500, np.nan])
    H = PointInterpolation(CHANNELS, GRID, table, elevation)
    assert list(H.coverage) == [Coverage.SEEN, Coverage.BELOW_GROUND, Coverage.SEEN]
    assert PointInterpolation(CHANNELS, GRID, table).seen.all()
    with pytest.raises(DataError, match="on its grid 17x32"):
        PointInterpolation(CHANNELS, GRID, table, elevation[:-1])


def test_what_is_not_seen_is_nothing_whatever_is_there(H, rng):
    x, y = rng.normal(size=H.state_shape), rng.normal(size=H.observation_shape)
    assert np.all(H(x)[~H.seen] == 0)
    told = H.adjoint(np.where(H.seen, y, np.nan))
    np.testing.assert_array_equal(told, H.adjoint(np.where(H.seen, y, 0)))


def test_rows_that_are_not_seen_can_be_dropped(H, rng):
    x = rng.normal(size=H.state_shape)
    without = PointInterpolation(CHANNELS, GRID, H.table.where(H.seen))
    assert without.seen.all() and len(without.seen) == H.counts["seen"]
    np.testing.assert_array_equal(without(x), H(x)[H.seen])


def test_the_order_of_rows_changes_nothing(H, rng):
    x, order = rng.normal(size=H.state_shape), rng.permutation(len(H.table))
    frame = H.table.to_pandas().iloc[order]
    other = PointInterpolation(CHANNELS, GRID, ObservationTable.from_pandas(frame))
    np.testing.assert_array_equal(other(x), H(x)[order])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_stays(H, dtype, rng):
    x = rng.normal(size=(2, *H.state_shape))
    seen = H(x.astype(dtype))
    assert seen.dtype == H.adjoint(seen).dtype == dtype
    np.testing.assert_allclose(seen, H(x), atol=20 * np.finfo(dtype).eps)


def test_values_lie_between_those_of_the_state(H, rng):
    x = rng.normal(size=(3, *H.state_shape))
    seen = H(x)[:, H.seen]
    assert seen.min() >= x.min() and seen.max() <= x.max()


def test_no_rows_are_no_observations(rng):
    H = PointInterpolation(CHANNELS, GRID, ObservationTable.empty())
    x = rng.normal(size=(2, *H.state_shape))
    assert H(x).shape == (2, 0) and H.counts == {} and H.offset.shape == (0,)
    np.testing.assert_array_equal(H.adjoint(np.zeros((2, 0))), np.zeros_like(x))


def test_the_offset_is_there_where_the_ground_is_known():
    table = table_of(["t2m", "u10"], elevation=100.0)
    H = PointInterpolation(CHANNELS, GRID, table, np.full(GRID.shape, 300.0))
    np.testing.assert_allclose(H.offset, [1.3, 0])
    np.testing.assert_array_equal(PointInterpolation(CHANNELS, GRID, table).offset, 0)


def test_unknown_channels_and_wrong_shapes_are_refused():
    with pytest.raises(ChannelError, match="Unknown channel 't2n'"):
        PointInterpolation(("t2n",), GRID, table_of("t2m"))
    H = PointInterpolation(CHANNELS, GRID, table_of("t2m"))
    with pytest.raises(DataError, match="state"):
        H(np.zeros((2, *GRID.shape)))
