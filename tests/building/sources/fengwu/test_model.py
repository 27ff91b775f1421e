"""A stand-in for FengWu, x(t + 6 h) = a x(t) + b x(t − 6 h), has forecasts in closed form."""

import weakref
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import xarray as xr
from onnx import TensorProto, helper, numpy_helper
from zarr.storage import MemoryStore

from dambench_hub.building.sources.fengwu.model import FengWu, read_forecasts
from dambench_hub.building.sources.states import MissingData, read_states
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, STANDARD_LEVELS, VARIABLES
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import sha256

GRID = Grid(4, 6)
SHAPE = (138, *GRID.shape)
CURRENT = np.linspace(0.9, 0.5, 69)
PREVIOUS = np.linspace(-0.2, 0.4, 69)
NOON = np.datetime64("2020-03-01T12", "h")


@pytest.fixture
def folder(tmp_path, fengwu_mean, fengwu_std):
    write_model(tmp_path / "fengwu_v1.onnx")
    np.save(tmp_path / "data_mean.npy", fengwu_mean)
    np.save(tmp_path / "data_std.npy", fengwu_std)
    return tmp_path


@pytest.fixture
def model(folder):
    return FengWu(folder)


def write_model(path, second_block=1e6, declared=(1, *SHAPE)):
    """The stand-in; nothing may depend on the second block of its output."""
    constants = {"a": CURRENT, "b": PREVIOUS, "second_block": second_block}
    nodes = [
        helper.make_node("Split", ["input"], ["previous", "current"], axis=1),
        helper.make_node("Mul", ["current", "a"], ["from_current"]),
        helper.make_node("Mul", ["previous", "b"], ["from_previous"]),
        helper.make_node("Add", ["from_current", "from_previous"], ["forecast"]),
        helper.make_node("Add", ["previous", "second_block"], ["second"]),
        helper.make_node("Concat", ["forecast", "second"], ["output"], axis=1),
    ]
    write_graph(
        path,
        nodes,
        {"input": declared},
        {"output": declared},
        {name: np.reshape(value, (1, -1, 1, 1)) for name, value in constants.items()},
    )


def write_graph(path, nodes, takes, gives, constants=(), kind=TensorProto.FLOAT):
    def tensors(shapes):
        return [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]

    initializers = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in dict(constants).items()
    ]
    graph = helper.make_graph(nodes, "fengwu", tensors(takes), tensors(gives), initializers)
    # IR 9 and opset 17 are what ONNX Runtime has accepted since 1.17.
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


def states(rng, mean, std, count=2):
    """Weather-like states, (count, 69, Y, X)."""
    noise = rng.standard_normal((count, 69, *GRID.shape)) * 0.3
    return (mean[:, None, None] + std[:, None, None] * noise).astype(np.float32)


def closed_form(mean, std, previous, current, steps):
    """x after some steps by powers of the companion matrix, channel by channel, float64."""
    result = np.empty(current.shape)
    for channel in range(69):
        before, now = (
            (state[channel].astype(np.float64) - mean[channel]) / std[channel]
            for state in (previous, current)
        )
        companion = np.array([[CURRENT[channel], PREVIOUS[channel]], [1, 0]])
        of_now, of_before = np.linalg.matrix_power(companion, steps)[0]
        result[channel] = (of_now * now + of_before * before) * std[channel] + mean[channel]
    return result


def assert_close(found, expected, std):
    """To a few roundings of float32: in the normalised state, and in the physical one."""
    assert found.dtype == np.float32
    tolerance = 2e-6 * std[:, None, None] + 1e-7 * np.abs(expected)
    np.testing.assert_array_less(np.abs(found - expected), tolerance)


def test_channels_are_those_of_the_model():
    surface = ["u10", "v10", "t2m", "msl"]
    upper = [f"{name}{level}" for name in "zquvt" for level in STANDARD_LEVELS]
    assert list(STANDARD_CHANNELS) == surface + upper
    assert STANDARD_LEVELS == (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)


@pytest.mark.parametrize("steps", [1, 2, 4, 9])
def test_forecast_follows_the_recurrence(model, rng, fengwu_mean, fengwu_std, steps):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    found = model.forecast(previous, current, 6 * steps)
    expected = closed_form(fengwu_mean, fengwu_std, previous, current, steps)
    assert_close(found, expected, fengwu_std)


def test_both_states_matter_and_their_order(model, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    right = model.forecast(previous, current, 24)
    for wrong in ((current, previous), (current, current), (previous, previous)):
        # Where b is nearly 0 the previous state hardly matters, hence the channels at both ends.
        difference = np.abs(model.forecast(*wrong, 24) - right)[[0, 1, -2, -1]]
        assert np.all(difference.max(axis=(1, 2)) > 0.01 * fengwu_std[[0, 1, -2, -1]])


def test_a_forecast_of_twelve_hours_is_two_of_six(model, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    six = model.forecast(previous, current, 6)
    assert_close(model.forecast(current, six, 6), model.forecast(previous, current, 12), fengwu_std)


def test_the_mean_state_stays_the_mean(model, fengwu_mean, fengwu_std):
    """Normalised it is zero, which the stand-in keeps but for rounding."""
    mean = np.broadcast_to(fengwu_mean[:, None, None], (69, *GRID.shape)).astype(np.float32)
    assert_close(model.forecast(mean, mean, 24), mean.astype(np.float64), fengwu_std)


def test_inputs_are_left_alone(model, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    before = previous.copy(), current.copy()
    model.forecast(previous, current, 12)
    np.testing.assert_array_equal((previous, current), before)


def test_the_second_block_of_the_output_is_not_used(folder, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    expected = FengWu(folder).forecast(previous, current, 24)
    write_model(folder / "other.onnx", second_block=np.nan)
    found = FengWu(folder, file="other.onnx").forecast(previous, current, 24)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("hours", [0, -6, 3, 25])
def test_other_leads_are_refused(model, rng, fengwu_mean, fengwu_std, hours):
    with pytest.raises(BuildError, match=f"{hours} is no positive multiple"):
        model.forecast(*states(rng, fengwu_mean, fengwu_std), hours)


def test_a_state_of_another_shape_is_refused(model, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    with pytest.raises(BuildError, match=r"current state has shape \(69, 6, 4\).*\(69, 4, 6\)"):
        model.forecast(previous, current.swapaxes(1, 2), 6)


def test_a_forecast_that_is_not_finite_is_refused(model, rng, fengwu_mean, fengwu_std):
    previous, current = states(rng, fengwu_mean, fengwu_std)
    current[STANDARD_CHANNELS.index("q700"), 1, 2] = np.inf
    with pytest.raises(BuildError, match="6 hours has values that are not finite in q700"):
        model.forecast(previous, current, 24)


# Files


def test_the_grid_is_that_of_the_file(model, folder):
    assert model.grid == GRID
    assert model.attributes["model"] == "fengwu_v1.onnx"
    assert model.attributes["model_sha256"] == sha256(folder / "fengwu_v1.onnx")
    assert "CC BY-NC-SA 4.0" in model.attributes["licence"]
    assert "arXiv:2304.02948" in model.attributes["citation"]


@pytest.mark.parametrize("declared", [("batch", *SHAPE), (1, 138, "y", "x"), (None,) * 4])
def test_sizes_that_the_file_leaves_open_are_those_published(folder, declared):
    write_model(folder / "open.onnx", declared=declared)
    opened = FengWu(folder, file="open.onnx")
    assert opened.grid == (GRID if declared[0] == "batch" else Grid(721, 1440))


@pytest.mark.parametrize(
    "takes",
    [(1, 69, 4, 6), (2, 138, 4, 6), (1, 138, 24), (1, 138, 4, 6, 1), (138, 4, 6), ("n", 69, 4, 6)],
)
def test_a_model_of_other_shape_is_refused(folder, takes):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    write_graph(folder / "other.onnx", nodes, {"x": takes}, {"y": takes})
    sizes = ", ".join(repr(size) for size in takes)
    with pytest.raises(BuildError) as refused:
        FengWu(folder, file="other.onnx")
    assert f"takes tensor(float) x of shape ({sizes})" in str(refused.value)
    assert "of shape (1, 138, latitudes, longitudes)" in str(refused.value)


def test_a_model_of_other_precision_is_refused(folder):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    shape = (1, *SHAPE)
    write_graph(folder / "half.onnx", nodes, {"x": shape}, {"y": shape}, kind=TensorProto.FLOAT16)
    with pytest.raises(BuildError, match=r"takes tensor\(float16\)"):
        FengWu(folder, file="half.onnx")


def test_a_model_of_two_inputs_is_refused(folder):
    """As Pangu-Weather has them."""
    nodes = [helper.make_node("Add", ["upper", "surface"], ["y"])]
    shape = (1, *SHAPE)
    takes = {"upper": shape, "surface": shape}
    write_graph(folder / "pangu.onnx", nodes, takes, {"y": shape})
    with pytest.raises(BuildError, match=r"upper of shape .* and tensor\(float\) surface"):
        FengWu(folder, file="pangu.onnx")


def test_a_model_that_gives_one_state_is_refused(folder):
    nodes = [helper.make_node("Split", ["x"], ["y", "rest"], axis=1)]
    write_graph(folder / "one.onnx", nodes, {"x": (1, *SHAPE)}, {"y": (1, 69, *GRID.shape)})
    with pytest.raises(BuildError, match=r"gives tensor\(float\) y of shape \(1, 69, 4, 6\)"):
        FengWu(folder, file="one.onnx")


def test_an_output_that_turns_out_different_is_refused(folder, monkeypatch, rng):
    """Open sizes tell nothing beforehand: here the output has lost a row."""
    nodes = [helper.make_node("Slice", ["x", "start", "stop", "axis"], ["y"])]
    monkeypatch.setattr("dambench_hub.building.sources.fengwu.model.PUBLISHED_INPUT", (1, *SHAPE))
    initial = {"start": 1, "stop": 99, "axis": 2}
    graph = helper.make_graph(
        nodes,
        "fengwu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 138, "rows", 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 138, "fewer", 6))],
        [numpy_helper.from_array(np.array([n]), name) for name, n in initial.items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "fewer.onnx")
    fewer = FengWu(folder, file="fewer.onnx")
    with pytest.raises(BuildError, match=r"shape \(1, 138, 3, 6\), wanted is \(1, 138, 4, 6\)"):
        fewer.forecast(*np.zeros((2, 69, *GRID.shape), np.float32), 6)


def test_a_device_that_fails_is_reported_with_what_it_needs(model, monkeypatch):
    def fail(*_):
        raise RuntimeError("BFCArena: failed to allocate 4 GB\nat somewhere")

    states = np.zeros((2, 69, *GRID.shape), np.float32)
    monkeypatch.setattr(model._session, "run", fail)
    with pytest.raises(BuildError, match=r"\(BFCArena: failed to allocate 4 GB\).*about 40 GB"):
        model.forecast(*states, 6)


def test_an_absent_model_is_named_with_where_to_get_it(folder):
    with pytest.raises(BuildError, match=r"no model .*fengwu_v9\.onnx.*get\.ecmwf\.int"):
        FengWu(folder, file="fengwu_v9.onnx")


def test_a_model_cut_short_is_refused(folder):
    whole = (folder / "fengwu_v1.onnx").read_bytes()
    (folder / "fengwu_v1.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BuildError, match="cannot load .*fengwu_v1.onnx"):
        FengWu(folder)


def test_an_unknown_device_is_refused(folder):
    with pytest.raises(BuildError, match="Did you mean 'cuda'"):
        FengWu(folder, device="cude")


def test_cuda_is_refused_before_loading_where_there_is_none(folder, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_: pytest.fail("loaded in vain"))
    with pytest.raises(BuildError, match=r"on cuda, but .* offers CPUExec.*onnxruntime-gpu"):
        FengWu(folder, device="cuda")


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here"
)
def test_cuda_that_is_offered_and_does_not_start_is_refused(folder, monkeypatch):
    """ONNX Runtime then goes on with the processor, at a hundredth of the speed."""
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    with pytest.raises(BuildError, match=r"on cuda, but ONNX Runtime offers CPUExecution"):
        FengWu(folder, device="cuda")


# Forecasts from an archive


class CountedChunks(dict):
    """The content of a Zarr store, which counts how often each chunk is read."""

    def __init__(self):
        super().__init__()
        self.reads = Counter()

    def __getitem__(self, key):
        self.reads[key] += 1
        return super().__getitem__(key)

    def states_read(self):
        """How often each time of each variable was read: Counter of (variable, row)."""
        chunks = [key.split("/c/") for key in self.reads.elements() if "/c/" in key]
        return Counter(
            (name, int(place.split("/")[0])) for name, place in chunks if name in VARIABLES
        )


@pytest.fixture
def archive(rng, fengwu_mean, fengwu_std):
    """Six-hourly states, 69 channels, a chunk a time, with more levels than the model's."""
    times = NOON + np.arange(12) * np.timedelta64(6, "h")
    values = states(rng, fengwu_mean, fengwu_std, len(times))
    levels = np.array([10, *STANDARD_LEVELS])
    variables = {}
    for name, variable in VARIABLES.items():
        if not variable.on_levels:
            field = values[:, STANDARD_CHANNELS.index(name)]
            variables[name] = (("time", "latitude", "longitude"), field)
            continue
        rows = [STANDARD_CHANNELS.index(f"{name}{level}") for level in STANDARD_LEVELS]
        fields = values[:, rows]
        above = fields[:, :1] * (1.5 if name == "z" else 1)
        fields = np.concatenate([above, fields], axis=1)
        variables[name] = (("time", "level", "latitude", "longitude"), fields)
    coordinates = {
        "time": times.astype("datetime64[ns]"),
        "level": levels,
        "latitude": GRID.latitude,
        "longitude": GRID.longitude,
    }
    attributes = {"title": "ERA5, tiny"}
    return values, xr.Dataset(variables, coordinates, attributes)


@pytest.fixture
def stored(archive):
    chunks = CountedChunks()
    store = MemoryStore(chunks)
    _, dataset = archive
    encoding = {name: {"chunks": (1, *dataset[name].shape[1:])} for name in dataset.data_vars}
    dataset.to_zarr(store, encoding=encoding, consolidated=False, zarr_format=3)
    chunks.reads.clear()
    return chunks, xr.open_zarr(store, chunks=None, consolidated=False)


def every_second(fields):
    return fields[..., ::2]


def hours(*offsets):
    return NOON + np.array(offsets) * np.timedelta64(1, "h")


@pytest.mark.parametrize("lead", [6, 24])
def test_backgrounds_start_from_the_states_before(model, archive, fengwu_mean, fengwu_std, lead):
    values, dataset = archive
    times = hours(30, 36, 54)
    found = list(read_forecasts(dataset, model, STANDARD_CHANNELS, times, every_second, lead))
    assert [time for time, _ in found] == list(times)
    for (time, background), row in zip(found, [5, 6, 9], strict=True):
        previous, current = values[row - lead // 6 - 1], values[row - lead // 6]
        expected = closed_form(fengwu_mean, fengwu_std, previous, current, lead // 6)
        assert background.shape == (69, 4, 3), time
        assert_close(background, every_second(expected), fengwu_std)


def test_channels_are_picked_by_name(model, archive, rng):
    _, dataset = archive
    ((_, everything),) = read_forecasts(dataset, model, STANDARD_CHANNELS, hours(30), every_second)
    channels = tuple(rng.permutation(STANDARD_CHANNELS)[:20])
    ((_, some),) = read_forecasts(dataset, model, channels, hours(30), every_second)
    for name, field in zip(channels, some, strict=True):
        np.testing.assert_array_equal(field, everything[STANDARD_CHANNELS.index(name)])


def test_variables_of_the_archive_may_come_in_any_order(model, archive):
    _, dataset = archive
    turned = dataset[sorted(dataset.data_vars)].transpose("longitude", "level", "time", "latitude")
    for (_, here), (_, there) in zip(
        read_forecasts(dataset, model, ["z500", "u10"], hours(30, 36), every_second),
        read_forecasts(turned, model, ["z500", "u10"], hours(30, 36), every_second),
        strict=True,
    ):
        np.testing.assert_array_equal(here, there)


def test_a_state_is_read_once_and_not_before_it_is_needed(model, stored):
    chunks, dataset = stored
    forecasts = read_forecasts(dataset, model, ["t850"], hours(30, 36, 42, 54), every_second)
    assert not chunks.states_read()
    next(forecasts)
    first_two = {(name, row): 1 for name in VARIABLES for row in (0, 1)}
    assert chunks.states_read() == first_two
    next(forecasts)
    assert chunks.states_read() == first_two | {(name, 2): 1 for name in VARIABLES}
    list(forecasts)
    # 30, 36 and 42 h start from 0 to 18 h; 54 h from 24 and 30 h.
    assert chunks.states_read() == {(name, row): 1 for name in VARIABLES for row in range(6)}


def test_states_are_let_go_once_they_are_used(model, archive, monkeypatch):
    alive = weakref.WeakValueDictionary()
    most = []

    def watched(*arguments):
        for time, state in read_states(*arguments):
            alive[time] = state
            most.append(len(alive))
            yield time, state

    monkeypatch.setattr("dambench_hub.building.sources.fengwu.model.read_states", watched)
    _, dataset = archive
    list(read_forecasts(dataset, model, ["t2m"], hours(*range(30, 72, 6)), every_second))
    assert len(most) == 8 and max(most) <= 4


def test_a_gap_is_missing_data_that_names_the_state(model, archive, fengwu_mean, fengwu_std):
    values, dataset = archive
    without = dataset.drop_isel(time=[3])
    times = hours(30, 36, 42, 48, 54)
    found = dict(read_forecasts(without, model, STANDARD_CHANNELS, times, every_second))
    assert list(found) == list(times)
    # The state at 18 h is the current one of 42 h, and the previous one of 48 h.
    gaps = [time for time, state in found.items() if isinstance(state, MissingData)]
    assert gaps == list(times[2:4])
    for gap in gaps:
        assert "no time 2020-03-02T06" in str(found[gap])
    expected = closed_form(fengwu_mean, fengwu_std, values[4], values[5], 4)
    assert_close(found[times[4]], every_second(expected), fengwu_std)


def test_a_state_with_holes_is_missing_data(model, archive):
    _, dataset = archive
    dataset["v"].values[1, 4, 2, 1] = np.nan
    ((_, first), (_, second), (_, third)) = read_forecasts(
        dataset, model, ["t2m"], hours(30, 36, 42), every_second
    )
    for gap in (first, second):
        assert isinstance(gap, MissingData)
        assert "v has 1 missing values on 200 hPa at 2020-03-01T18" in str(gap)
    assert third.shape == (1, 4, 3)


def test_the_first_times_lack_the_thirty_hours_before(model, archive):
    _, dataset = archive
    (early, late) = read_forecasts(dataset, model, ["t2m"], hours(18, 30), every_second)
    assert "no time 2020-03-01T00" in str(early[1]) and "no time 2020-03-01T06" in str(early[1])
    assert late[1].shape == (1, 4, 3)


def test_another_grid_is_refused_before_anything_is_read(model, stored):
    chunks, dataset = stored
    with pytest.raises(BuildError, match=r"ERA5, tiny is on a grid of 4x3.*takes 4x6.*0\.25 deg"):
        read_forecasts(dataset.isel(longitude=slice(3)), model, ["t2m"], hours(30), every_second)
    with pytest.raises(BuildError, match="flip the field along latitude"):
        read_forecasts(dataset.isel(latitude=slice(None, None, -1)), model, ["t2m"], hours(30), abs)
    assert not chunks.states_read()


def test_an_archive_without_a_channel_is_refused_though_it_is_not_asked_for(model, archive):
    _, dataset = archive
    with pytest.raises(BuildError, match=r"no variable for q50.*no level for z925"):
        read_forecasts(
            dataset.drop_vars("q").drop_sel(level=925), model, ["t2m"], hours(30), every_second
        )


def test_times_and_leads_are_checked_at_once(model, archive):
    _, dataset = archive
    with pytest.raises(BuildError, match="must ascend"):
        read_forecasts(dataset, model, ["t2m"], hours(36, 30), every_second)
    with pytest.raises(BuildError, match="20 is no positive multiple"):
        read_forecasts(dataset, model, ["t2m"], hours(30), every_second, lead_hours=20)
