"""Through earth2studio's interface, a method gives the analyses that it gives without."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from earth2studio_protocols import AssimilationModel, names_and_defaults

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DataError
from dambench_hub.interop.earth2studio.assimilation import Assimilation
from dambench_hub.interop.earth2studio.frames import earth2studio_name, to_frame
from dambench_hub.interop.earth2studio.report_source import ReportSource
from dambench_hub.models.base import Assimilator
from dambench_hub.models.registry import load_method
from dambench_hub.observations.window import Window
from dambench_hub.testing import write_tiny_dataset

HOUR = np.timedelta64(1, "h")


def background_of(data, numbers, **dimensions):
    """Backgrounds of the test split in earth2studio's form, with further axes of length one."""
    fields = np.stack([data.background("test", number) for number in numbers])
    coordinates = {
        "time": data.times("test")[numbers].astype("datetime64[ns]"),
        "variable": [earth2studio_name(channel) for channel in data.channels],
        "lat": data.grid.latitude,
        "lon": data.grid.longitude,
    }
    return xr.DataArray(fields, coordinates, list(coordinates)).expand_dims(dimensions)


def frame_at_points(batch):
    """What a batch of one sample has at grid points, as a frame."""
    points, rows = batch.observation_index[0], []
    for c, name in enumerate(batch.channels):
        channel, at = parse_channel(name), points if points.ndim == 1 else points[c]
        y, x = np.divmod(at, batch.grid.longitudes)
        columns = {
            "lat": batch.grid.latitude[y],
            "lon": batch.grid.longitude[x],
            "observation": batch.observation_values[0, c],
            "variable": earth2studio_name(channel.variable.name),
            "pres": np.float32(100 * channel.level if channel.level else np.nan),
            "error_std": batch.observation_error_std[c],
        }
        rows.append(pd.DataFrame(columns))
    own = {"time": batch.time[0].astype("datetime64[ns]"), "type": "synop", "station": ""}
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(**own, elev=np.float32(np.nan), quality=0, withheld=False)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """A data set with an ensemble in all splits."""
    folder = tmp_path_factory.mktemp("ensemble") / "data"
    splits = ("train", "validation", "test")
    write_tiny_dataset(folder, modalities=(), ensemble_size=6, ensemble_splits=splits)
    return load_data(folder)


def fitted(name, data):
    return load_method(name, data.batches("unimodal", "train", ensemble=True))


@pytest.fixture(scope="module")
def model(tiny_data):
    return Assimilation(fitted("optimal_interpolation", tiny_data), tiny_data)


def test_it_is_an_assimilation_model(model):
    assert isinstance(model, AssimilationModel)
    wanted = names_and_defaults(AssimilationModel.output_coords)
    assert names_and_defaults(Assimilation.output_coords) == wanted
    assert names_and_defaults(Assimilation.to) == names_and_defaults(AssimilationModel.to)
    assert model.init_coords() is None and model.to("cpu") is model


def test_it_is_one_for_the_package_itself(model):
    base = pytest.importorskip("earth2studio.models.da.base")
    assert isinstance(model, base.AssimilationModel)


def conv_cnp(data):
    """A network with the weights that it is made with."""
    pytest.importorskip("torch")
    from dambench_hub.models.conv_cnp import ConvCNP

    settings = {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3}
    network = ConvCNP(channels=data.channels, grid=str(data.grid), **settings)
    return network.set_statistics(data.statistics).eval()


def station_interpolation(data):
    return load_method("optimal_interpolation", None)


@pytest.mark.parametrize("make", [station_interpolation, conv_cnp])
def test_reports_give_the_analysis_of_the_benchmark(make, stations):
    """Bit for bit: the frame loses nothing of the table."""
    method = make(stations)
    model, source = Assimilation(method, stations).to("cpu"), ReportSource(stations)
    times = stations.times("test")
    analysis = model(background_of(stations, range(5)), source(times, "t2m"))
    assert analysis.dims == ("time", "variable", "lat", "lon")
    changed = 0
    for batch in stations.batches("unimodal", "test"):
        nowhere = {"observation_index": np.empty((1, 0), "i4")}
        nowhere |= {"observation_values": np.empty((1, 1, 0), "f4")}
        wanted = np.asarray(method.assimilate(replace(batch, **nowhere)).mean[0])
        np.testing.assert_array_equal(analysis.sel(time=batch.time[0]), wanted)
        changed += not np.array_equal(wanted, batch.background[0])
    assert changed


@pytest.mark.parametrize("name", ["optimal_interpolation", "var3d"])
def test_observations_at_grid_points_give_the_analysis_of_the_batch(name, tiny_data):
    model = Assimilation(fitted(name, tiny_data), tiny_data)
    batch = next(tiny_data.batches("unimodal")).without_reference()
    wanted = model.method.assimilate(batch).mean[0]
    analysis = model(background_of(tiny_data, [0]), frame_at_points(batch))[0]
    scale = tiny_data.statistics.background_error_std[:, None, None]
    np.testing.assert_allclose(analysis / scale, wanted / scale, atol=2e-3)
    assert np.abs((wanted - batch.background[0]) / scale).max() > 0.5


class Witness(Assimilator):
    """Keeps the batch that it was given."""

    name = "witness"

    def assimilate(self, batch, generator=None):
        self.batch = batch
        return Analysis(batch.background, time=batch.time)


def test_methods_get_what_may_be_assimilated_and_no_more(tiny_data):
    given = next(tiny_data.batches("unimodal"))
    model = Assimilation(Witness(), tiny_data)
    frame = frame_at_points(given)
    unfit = [frame.assign(withheld=True), frame.assign(quality=1), frame.assign(variable="tcwv")]
    model(background_of(tiny_data, [0]), pd.concat([*unfit, frame]))
    batch = model.method.batch
    np.testing.assert_array_equal(batch.background, given.background)
    np.testing.assert_array_equal(batch.observation_error_std, given.observation_error_std)
    assert batch.time == given.time and batch.reference is None
    assert batch.observation_values.size == 0 and batch.background_members is None
    (table,) = batch.reports
    np.testing.assert_array_equal(to_frame(table)["lat"], frame["lat"])
    np.testing.assert_array_equal(table.value, frame["observation"])


@pytest.mark.parametrize("name", ["letkf", "enkf", "hybrid", "particle_filter"])
def test_members_are_analysed_where_the_background_has_some(name, ensemble):
    method = fitted(name, ensemble)
    batch = next(ensemble.batches("unimodal", ensemble=True)).without_reference()
    members = batch.background_members
    state = background_of(ensemble, [0]).expand_dims(ensemble=range(6)).copy()
    state[:] = np.swapaxes(members, 0, 1)
    model = Assimilation(method, ensemble)
    analysis = model(state, frame_at_points(batch))
    assert analysis.dims == ("ensemble", "time", "variable", "lat", "lon")
    wanted = method.assimilate(batch.with_background(members.mean(axis=1), members)).members
    scale = ensemble.statistics.background_error_std[:, None, None]
    np.testing.assert_allclose(analysis[:, 0] / scale, wanted[0] / scale, atol=2e-3)
    given = {name: state[name].values for name in state.dims}
    assert list(model.output_coords((given,))[0]) == list(analysis.dims)


def test_another_number_of_members_is_refused(ensemble):
    """One member is no ensemble: the method takes its own."""
    model = Assimilation(fitted("letkf", ensemble), ensemble)
    frame = frame_at_points(next(ensemble.batches("unimodal")))
    alone = background_of(ensemble, [0], ensemble=1)
    with pytest.raises(DataError, match="letkf gives .* members for the 1 of the background; give"):
        model(alone, frame)
    assert model(alone.isel(ensemble=0), frame).dims == ("time", "variable", "lat", "lon")


def test_a_method_without_an_ensemble_analyses_its_mean(model, tiny_data):
    state = background_of(tiny_data, [0])
    frame = frame_at_points(next(tiny_data.batches("unimodal")))
    twice = xr.concat([state - 1, state + 1], "ensemble").assign_coords(ensemble=[0, 1])
    of_mean = model(twice, frame)
    assert of_mean.dims == state.dims
    scale = tiny_data.statistics.background_error_std[:, None, None]
    np.testing.assert_allclose(of_mean / scale, model(state, frame) / scale, atol=2e-3)


def test_without_observations_the_analysis_is_the_background(model, tiny_data):
    state = background_of(tiny_data, [0, 1])
    xr.testing.assert_identical(model(state), state)
    frame = frame_at_points(next(tiny_data.batches("unimodal")))
    late = frame.assign(time=frame["time"] + 2 * HOUR)
    others = frame.assign(variable="ws10m")
    for unused in late, others, frame.assign(withheld=True), frame.assign(quality=3):
        xr.testing.assert_identical(model(state, unused), state)


def test_each_time_takes_the_observations_of_its_window(model, tiny_data):
    """The second has none, and stays as it is; with a window to come, the first has none."""
    frame = frame_at_points(next(tiny_data.batches("unimodal")))
    state = background_of(tiny_data, [0, 1])
    analysis = model(state, frame)
    assert not np.array_equal(analysis[0], state[0])
    np.testing.assert_array_equal(analysis[1], state[1])
    later = Assimilation(model.method, tiny_data, Window(0.0, 3.0))
    xr.testing.assert_identical(later(state, frame), state)


def test_lead_times_say_when_the_background_is_valid(model, tiny_data):
    """Axes come in any order, variables are found by name, and the order of axes is kept."""
    frame = frame_at_points(next(tiny_data.batches("unimodal")))
    state = background_of(tiny_data, [0])
    wanted = model(state, frame)
    early = state.assign_coords(time=state["time"] - 24 * HOUR)
    lead = np.array([24 * HOUR]).astype("timedelta64[ns]")
    forecast = early.expand_dims(lead_time=lead, axis=1)
    shuffled = forecast.isel(variable=[3, 1, 4, 0, 2]).transpose("lon", ...)
    for given in forecast, shuffled:
        analysis = model(given, frame)
        assert analysis.dims == given.dims
        assert analysis["variable"].values.tolist() == model.variables
        np.testing.assert_array_equal(
            analysis.isel(lead_time=0).transpose(*wanted.dims), wanted.values
        )


def test_coordinates_are_those_of_what_goes_in_and_out(model, tiny_data):
    state, frame = model.input_coords()
    assert state["variable"].tolist() == ["t2m", "msl", "z500", "q700", "t850"]
    assert frame["variable"].tolist() == ["t2m", "msl", "z", "q", "t"]
    assert set(frame) == {"time", "lat", "lon", "pres", "observation", "variable"}
    (out,) = model.output_coords((state, frame), request_time=np.empty(0))
    assert list(out) == ["time", "variable", "lat", "lon"]
    for name in out:
        np.testing.assert_array_equal(out[name], state[name])
    with_height = Assimilation(model.method, tiny_data)
    with_height.elevation = np.zeros(tiny_data.grid.shape)
    assert "elev" in with_height.input_coords()[1]


def test_a_generator_is_sent_backgrounds_and_frames(model, tiny_data):
    frame = frame_at_points(next(tiny_data.batches("unimodal")))
    state = background_of(tiny_data, [0])
    generator = model.create_generator()
    assert next(generator) is None
    xr.testing.assert_identical(generator.send((state, frame)), model(state, frame))
    xr.testing.assert_identical(generator.send((state, None)), state)
    generator.close()


def test_a_background_of_another_form_is_refused(model, tiny_data):
    state = background_of(tiny_data, [0])
    cases = {
        "has the dimensions time, variable, lat, longitude; wanted": state.rename(lon="longitude"),
        "has the dimensions variable, lat, lon; wanted are time": state[0],
        "lacks 2 variables of the method, the first is t2m": state.isel(variable=[1, 2, 4]),
        "The method's grid is 9x16; regrid to it": state[..., ::-1, :],
        "valid at .*30.*; wanted are whole hours": state.assign_coords(
            time=state["time"] + np.timedelta64(30, "m")
        ),
    }
    for message, given in cases.items():
        with pytest.raises(DataError, match=message):
            model(given)
    with pytest.raises(DataError, match="The frame has no column lat, variable"):
        model(state, pd.DataFrame({"time": [], "lon": [], "observation": []}))
