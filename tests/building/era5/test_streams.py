"""What a recipe brings in from the archives, here small ones in memory on a finer grid."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.era5 import streams
from dambench_hub.building.era5.recipe import Recipe
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import Regridder, unify_poles
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, STANDARD_LEVELS, VARIABLES
from dambench_hub.errors import BuildError

FINE, COARSE = Grid(17, 32), Grid(9, 16)
TYPICAL = {"z": 5e4, "q": 1e-4, "u": 5, "v": 0, "t": 250, "u10": 1, "v10": 0, "t2m": 280}
SPLITS = {
    "train": ("2021-01-01", "2021-01-06"),
    "validation": ("2021-01-07", "2021-01-12"),
    "test": ("2021-01-13", "2021-01-18"),
}
RECIPE = {"source": "wb2", "grid": "9x16", "splits": SPLITS}


def archive(first="2020-12-25", days=30, hours=6, seed=0, **attributes):
    """All 69 channels every six hours, as an opened archive has them."""
    times = np.datetime64(first, "ns") + np.timedelta64(hours, "h") * np.arange(24 * days // hours)
    rng = np.random.default_rng(seed)
    axes = {
        "time": times,
        "level": list(STANDARD_LEVELS),
        "latitude": FINE.latitude,
        "longitude": FINE.longitude,
    }
    fields = {}
    for name, variable in VARIABLES.items():
        dims = tuple(axes) if variable.on_levels else ("time", "latitude", "longitude")
        shape = [len(axes[dim]) for dim in dims]
        mean = TYPICAL.get(name, 101000.0)
        if name == "z":
            mean = 9.80665 * 7000 * np.log(1013 / np.array(STANDARD_LEVELS))[:, None, None]
        noise = rng.random(shape) * (1e-4 if name == "q" else 1)
        fields[name] = (dims, (mean + noise).astype("f4"))
    fields["geopotential_at_surface"] = (
        ("latitude", "longitude"),
        9.80665 * 100 * rng.random(FINE.shape).astype("f4"),
    )
    sentences = dict.fromkeys(["title", "source", "licence", "attribution", "citation"], "words")
    return xr.Dataset(fields, axes, {**sentences, **attributes})


@pytest.fixture
def opened(monkeypatch):
    """The archives that recipes find, by what they are opened for."""
    found = {"analyses": archive(), "forecasts": archive(seed=1, commercial=False)}
    days = np.datetime64("2020-12-20", "ns") + np.timedelta64(1, "D") * np.arange(40)
    rain = np.random.default_rng(2).random((40, *FINE.shape)).astype("f4")
    rain[:, :, 20:] = np.nan
    attributes = {"product": "cpc_precipitation", "title": "rain", "coverage": "Nothing else."}
    found["rain"] = xr.DataArray(
        rain,
        {"time": days, "latitude": FINE.latitude, "longitude": FINE.longitude},
        ("time", "latitude", "longitude"),
        "precipitation",
        {**found["analyses"].attrs, **attributes},
    )
    monkeypatch.setattr(streams, "open_analyses", lambda source, path: found["analyses"])
    monkeypatch.setattr(streams, "_open_hosted", lambda path, lead: found["forecasts"])
    monkeypatch.setattr(streams, "open_product", lambda modality, path: found["rain"])
    return found


def on_grid(dataset, time, channels=STANDARD_CHANNELS):
    """The state, regridded channel by channel."""
    regrid, fields = Regridder(FINE.latitude, FINE.longitude, COARSE), []
    for channel in channels:
        name = channel.rstrip("0123456789") if channel not in VARIABLES else channel
        field = dataset[name].sel(time=time)
        if "level" in field.dims:
            field = field.sel(level=int(channel[len(name) :]))
        fields.append(unify_poles(regrid(field.values), name in ("u", "v", "u10", "v10")))
    return np.stack(fields)


def test_states_are_regridded_and_their_poles_are_one_place(opened):
    recipe = Recipe(**RECIPE)
    times = streams.usable(recipe)
    found = streams.streams(recipe, times)
    assert set(found) == {"states"}
    stream = found["states"]
    valid = np.concatenate(list(times.values()))
    np.testing.assert_array_equal(stream.times, np.union1d(valid, valid - np.timedelta64(24, "h")))
    for time, state in stream.read(stream.times[:3]):
        np.testing.assert_allclose(state, on_grid(opened["analyses"], time), rtol=1e-6)
        temperature = state[STANDARD_CHANNELS.index("t500"), 0]
        assert np.all(temperature == temperature[0])
    assert streams.regrid_methods(recipe) == {"reference": "conservative"}


def test_channels_come_in_the_order_of_the_recipe(opened):
    channels = ("t850", "u10", "z500", "t500")
    recipe = Recipe(**RECIPE, channels=channels)
    stream = streams.streams(recipe, streams.usable(recipe))["states"]
    ((time, state),) = stream.read(stream.times[:1])
    np.testing.assert_allclose(state, on_grid(opened["analyses"], time, channels), rtol=1e-6)


def test_forecasts_are_by_valid_time(opened):
    recipe = Recipe(**RECIPE, background="forecast", background_path="pangu")
    times = streams.usable(recipe)
    found = streams.streams(recipe, times)
    valid = np.concatenate(list(times.values()))
    np.testing.assert_array_equal(found["states"].times, valid)
    np.testing.assert_array_equal(found["backgrounds"].times, valid)
    ((time, state),) = found["backgrounds"].read(valid[:1])
    np.testing.assert_allclose(state, on_grid(opened["forecasts"], time), rtol=1e-6)
    assert streams.archives(recipe, times)["background"]["commercial"] is False


def test_fengwu_starts_from_the_archives_states(opened, monkeypatch):
    def forecast(previous, current, hours):
        assert hours == 24
        return 0.25 * previous + 0.75 * current

    model = SimpleNamespace(grid=FINE, forecast=forecast, attributes={"title": "FengWu"})
    monkeypatch.setattr(streams, "_open_model", lambda folder: model)
    recipe = Recipe(**RECIPE, background="fengwu", background_path="folder")
    times = streams.usable(recipe)
    stream = streams.streams(recipe, times)["backgrounds"]
    ((time, state),) = stream.read(stream.times[:1])
    earlier = [time - np.timedelta64(hours, "h") for hours in (30, 24)]
    previous, current = (on_grid(opened["analyses"], moment) for moment in earlier)
    np.testing.assert_allclose(state, 0.25 * previous + 0.75 * current, rtol=1e-4, atol=1e-5)
    assert streams.archives(recipe, times)["background"] == {"title": "FengWu"}


def test_one_more_step_before_the_split_for_a_model_of_two_states(opened):
    recipe = Recipe(**RECIPE, cadence="6h")
    fengwu = Recipe(**RECIPE, cadence="6h", background="fengwu", background_path="folder")
    begin = np.datetime64("2021-01-07T00", "h")
    assert streams.usable(recipe)["validation"][0] == begin + 24
    assert streams.usable(fengwu)["validation"][0] == begin + 30


def test_rain_is_that_of_the_day_before(opened):
    recipe = Recipe(**RECIPE, precipitation="folder")
    times = streams.usable(recipe)
    stream = streams.streams(recipe, times)["precipitation"]
    ((day, field),) = stream.read(stream.times[:1])
    assert day == times["train"][0] - np.timedelta64(24, "h")
    wanted = Regridder(FINE.latitude, FINE.longitude, COARSE).masked(
        opened["rain"].sel(time=day).values
    )
    np.testing.assert_allclose(field, unify_poles(wanted), rtol=1e-6)
    assert np.isnan(field[4, 12]) and np.isfinite(field[4, 4])


def test_heights_are_those_of_the_archive(opened):
    recipe = Recipe(**RECIPE)
    heights = streams.orography(recipe, np.datetime64("2021-01-01"))
    surface = opened["analyses"]["geopotential_at_surface"]
    regrid = Regridder(FINE.latitude, FINE.longitude, COARSE)
    np.testing.assert_allclose(heights, unify_poles(regrid(surface.values)) / 9.80665, rtol=1e-6)
    opened["analyses"]["geopotential_at_surface"] = surface.expand_dims(
        time=opened["analyses"].time
    )
    np.testing.assert_array_equal(streams.orography(recipe, np.datetime64("2021-01-01")), heights)
    opened["analyses"] = opened["analyses"].drop_vars("geopotential_at_surface")
    assert streams.orography(recipe, np.datetime64("2021-01-01")) is None


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda found: found["analyses"].drop_vars(["q", "t2m"]), {}, "no variable for t2m, q50"),
        (lambda found: found["analyses"].sel(level=[500]), {}, "no level for z50"),
        (lambda found: found["analyses"].isel(time=slice(40, None)), {}, "covers 2021-01-04"),
    ],
)
def test_what_an_archive_does_not_have_is_refused_before_anything_is_read(
    opened, spoil, options, message
):
    opened["analyses"] = spoil(opened)
    recipe = Recipe(**RECIPE, **options)
    with pytest.raises(BuildError, match=message):
        streams.streams(recipe, streams.usable(recipe))


def test_days_that_no_file_covers_are_refused(opened):
    opened["rain"] = opened["rain"].isel(time=slice(15, None))
    recipe = Recipe(**RECIPE, precipitation="folder")
    with pytest.raises(BuildError, match=r"rain covers 2021-01-04.*Nothing else"):
        streams.streams(recipe, streams.usable(recipe))
