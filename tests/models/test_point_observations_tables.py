"""Methods that take tables through H: on grid points they do what they do with the grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from models.test_multi_modal import HOSTS, made
from models.test_point_observations import FITTED, fitted

from dambench_hub.coordinates.places import distance_km, on_unit_sphere
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.data.superobserved import superobserved
from dambench_hub.estimation.localisation import HALF_WIDTH
from dambench_hub.models.point_observations import point_observations
from dambench_hub.models.registry import method_class
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.table import ObservationTable

__all__ = ["fitted"]
CLASSICAL = [name for name in FITTED if name != "background"]
LEARNED = ["vae_var", "sda"]


@pytest.fixture(params=[*CLASSICAL, *LEARNED])
def method(request, fitted, small_world):
    if request.param in CLASSICAL:
        return fitted(request.param)
    return made(method_class(request.param), small_world, **HOSTS[request.param]).eval()


@pytest.fixture
def batch(small_world):
    return small_world.batch(size=2, first=60, density=0.15).without_reference()


def table_of(channels, latitude, longitude, value, error_std, time, shift=1.0):
    """All channels, (C, P), at P places; `shift` is a factor of the pressures."""
    parsed = parse_channels(channels)
    rows = len(latitude)
    pressure = [100.0 * shift * c.level if c.level else np.nan for c in parsed]
    return ObservationTable.from_columns(
        time=time,
        latitude=np.tile(latitude, len(parsed)),
        longitude=np.tile(longitude, len(parsed)),
        pressure=np.repeat(pressure, rows),
        variable=np.repeat([c.variable.name for c in parsed], rows),
        value=np.ravel(value),
        error_std=np.repeat(error_std, rows),
        station=np.tile([f"S{n}" for n in range(rows)], len(parsed)),
        report=np.repeat(["temp" if c.level else "synop" for c in parsed], rows),
    )


def at_grid_points(batch):
    """What the batch has at grid points, as tables."""
    row, column = np.divmod(batch.observation_index, batch.grid.longitudes)
    places = batch.grid.latitude[row], batch.grid.longitude[column]
    std = batch.observation_error_std
    return tuple(
        table_of(batch.channels, *(part[n] for part in places), values, std, batch.time[n])
        for n, values in enumerate(batch.observation_values)
    )


def between_grid_points(batch, rng, rows=25, shift=1.0):
    """Others, as far from the background as its errors are, one row in two twice as wrong."""
    std = batch.observation_error_std
    tables = []
    for time, background in zip(batch.time, batch.background, strict=True):
        latitude, longitude = rng.uniform(-90, 90, rows), rng.uniform(0, 360, rows)
        value = np.zeros((len(std), rows))
        table = table_of(batch.channels, latitude, longitude, value, std, time, shift)
        seen = PointInterpolation(batch.channels, batch.grid, table)(background)
        departure = 4 * np.repeat(std, rows) * rng.normal(size=len(table))
        wrong = table.error_std * rng.choice([1, 2], len(table))
        tables.append(table.replace(value=seen + departure, error_std=wrong))
    return tuple(tables)


def analysed(method, batch):
    return np.asarray(method.assimilate(batch, torch.Generator().manual_seed(1)).mean)


def without_observations(batch):
    index, values = batch.observation_index, batch.observation_values
    return replace(batch, observation_index=index[:, :0], observation_values=values[..., :0])


def assert_near(came, wanted, small_world, atol=5e-3):
    """In background errors; networks that know nothing make analyses that are thousands off."""
    scale = small_world.statistics.background_error_std[:, None, None]
    background = small_world.batch(size=2, first=60).background
    size = max(1, abs((wanted - background) / scale).max() / 10)
    np.testing.assert_allclose(came / scale, wanted / scale, rtol=0, atol=atol * size)


def test_rows_at_grid_points_are_observations_there(method, batch, small_world):
    """What else stands on the grid is then not looked at."""
    came = analysed(method, replace(without_observations(batch), reports=at_grid_points(batch)))
    assert_near(came, analysed(method, batch), small_world)


def test_the_order_of_rows_does_not_matter(method, batch, small_world, rng):
    tables = between_grid_points(batch, rng)
    mixed = tuple(
        ObservationTable.from_pandas(table.to_pandas().sample(frac=1, random_state=1))
        for table in tables
    )
    assert not np.array_equal(mixed[0].value, tables[0].value)
    came, wanted = (analysed(method, replace(batch, reports=each)) for each in (mixed, tables))
    assert_near(came, wanted, small_world)
    assert abs(came - batch.background).max() > 0


def test_samples_are_analysed_each_by_itself(method, batch, small_world, rng):
    tables = between_grid_points(batch, rng)[0], between_grid_points(batch, rng, rows=7)[1]
    alone = [
        analysed(method, replace(small_world.batch(size=1, first=60 + n), reports=(table,)))
        for n, table in enumerate(tables)
    ]
    came = analysed(method, replace(batch, reports=tables))
    assert_near(came, np.concatenate(alone), small_world, atol=1e-4)


def test_without_a_row_nothing_is_observed(method, batch, small_world, rng):
    """Nor with rows of which the state says nothing, or that are of no use."""
    wanted = analysed(method, without_observations(batch))
    empty = 2 * (ObservationTable.empty(),)
    tables = between_grid_points(batch, rng)
    elsewhere = tuple(t.where(np.isnan(t.pressure)) for t in tables)
    elsewhere = tuple(
        t.replace(variable=np.full(len(t), "precipitation"), value=np.ones(len(t)))
        for t in elsewhere
    )
    useless = tuple(t.replace(error_std=1e6 * t.error_std) for t in tables)
    for reports, atol in ((empty, 1e-6), (elsewhere, 1e-6), (useless, 1e-2)):
        came = analysed(method, replace(batch, reports=reports))
        assert_near(came, wanted, small_world, atol)


@pytest.mark.parametrize("shift", [1.0, 0.8], ids=["on levels", "between levels"])
@pytest.mark.parametrize("name", ["optimal_interpolation", "var3d", "var3d spectral"])
def test_it_is_the_best_linear_analysis(name, shift, fitted, batch, small_world, rng):
    """x^b + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b) by matrices; between levels two of z500 are mixed."""
    method, shape = fitted(name), batch.background.shape[1:]
    batch = replace(batch, reports=between_grid_points(batch, rng, shift=shift))
    B = method.covariance(np.eye(np.prod(shape)).reshape(-1, *shape))
    B = B.reshape(len(B), -1).astype(np.float64)
    wanted = []
    for table, background in zip(batch.reports, batch.background - method.bias, strict=True):
        H = PointInterpolation(batch.channels, batch.grid, table)
        assert H.seen.all() == (shift == 1.0) and H.seen.any()
        matrix = H.matrix.toarray()[H.seen]
        R = np.diag(table.error_std[H.seen].astype(np.float64) ** 2)
        innovation = (table.value - H(background))[H.seen]
        weights = np.linalg.solve(matrix @ B @ matrix.T + R, innovation)
        wanted.append(background + (B @ matrix.T @ weights).reshape(shape))
    atol = 5e-2 if name == "var3d spectral" else 2e-3
    assert_near(analysed(method, batch), np.stack(wanted), small_world, atol)


def test_a_draw_of_the_posterior_has_its_spread(fitted, batch, rng):
    """Where observations are exact, members of 3D-Var agree with them."""
    method = fitted("var3d")
    tables = tuple(
        t.replace(error_std=t.error_std / 100) for t in between_grid_points(batch, rng, rows=5)
    )
    drawing = type(method)(
        method.channels, method.covariance, method.bias, method.departures, members=4
    )
    analysis = drawing.assimilate(replace(batch, reports=tables))
    for members, table in zip(analysis.members, tables, strict=True):
        departure = PointInterpolation(batch.channels, batch.grid, table)(members) - table.value
        assert abs(departure / (100 * table.error_std)).max() < 1


@pytest.mark.parametrize("name", ["letkf", "enkf", "particle_filter"])
def test_a_station_reaches_as_far_as_it_is_near(name, fitted, batch):
    """From where it stands, half way between grid points, and not from one of these."""
    ensemble = type(fitted(name))(fitted(name).climatology, members=10, localisation_km=2600)
    std, time = batch.observation_error_std, batch.time[0]
    place = [11.25], [11.25]
    values = batch.background[0].mean(axis=(1, 2))[:, None]
    table = table_of(batch.channels, *place, values, std, time)
    came, wanted = (
        np.asarray(ensemble.assimilate(replace(batch, reports=2 * (one,))).mean)[0]
        for one in (table, ObservationTable.empty())
    )
    changed = (came != wanted).any(axis=0).ravel()
    away = distance_km(batch.grid.unit_vectors(), on_unit_sphere(*np.array(place)))
    reach = 2 * HALF_WIDTH * 2600
    assert changed[away < 0.95 * reach].all() and not changed[away >= reach].any()
    assert (away >= reach).any()


def test_places_are_those_of_the_stations(batch, rng):
    reports = between_grid_points(batch, rng, rows=4)
    points, place = point_observations(replace(batch, reports=reports), 1).places()
    assert points.shape == (4, 3) and place.shape == (len(reports[1]), 1)
    up = np.sin(np.deg2rad(reports[1].latitude))
    np.testing.assert_allclose(points[place[:, 0], 2], up, atol=1e-12)


def test_temperatures_are_compared_at_the_height_of_the_station(method, batch):
    """Stations that stand higher, where the lapse rate makes it colder, say the same."""
    tables = at_grid_points(batch)
    higher = tuple(
        table.replace(
            elevation=np.full(len(table), 1_000.0),
            value=table.value - np.where(table.is_of("variable", "t2m"), 6.5, 0.0),
        )
        for table in tables
    )
    ground = np.zeros(batch.grid.shape, np.float32)
    sea = analysed(method, replace(batch, reports=tables))
    hill = analysed(method, replace(batch, reports=higher, elevation=ground))
    assert "t2m" in batch.channels
    np.testing.assert_allclose(hill, sea, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("name", ["conv_cnp", "adas"])
def test_networks_that_want_grids_get_means_of_reports(name, small_world, batch, rng):
    """Where reports are all there is; a method sees what it would be given as a task's means."""
    method = made(method_class(name), small_world, **HOSTS[name]).eval()
    points = np.zeros((2, 0), np.int32), np.zeros((2, len(batch.channels), 0), np.float32)
    reports = between_grid_points(batch, rng)
    alone = replace(
        batch, reports=reports, observation_index=points[0], observation_values=points[1]
    )
    np.testing.assert_array_equal(analysed(method, alone), analysed(method, superobserved(alone)))
    far = tuple(table.replace(value=table.value + 5 * table.error_std) for table in reports)
    assert np.any(analysed(method, replace(alone, reports=far)) != analysed(method, alone))
