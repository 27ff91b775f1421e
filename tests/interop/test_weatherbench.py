"""What is exported is read back as WeatherBench-X does it, bit for bit, and scores the same."""

import warnings

import numpy as np
import pytest
import xarray as xr

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DambenchError, DataError, PredictionError, TaskError
from dambench_hub.interop.weatherbench import ERA5_NAMES, export_data, export_prediction
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import write_tiny_dataset

zarr = pytest.importorskip("zarr")
DAY = np.timedelta64(24, "h")


def open_as_weatherbench(path, variables=None, levels=None):
    """The dataset of `XarrayDataLoader`, with the default renaming of its times."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of stores that cannot be opened at once
        dataset = xr.open_zarr(str(path))
    if "prediction_timedelta" in dataset.coords:
        dataset = dataset.rename(time="init_time", prediction_timedelta="lead_time")
    else:
        dataset = dataset.rename(time="valid_time")
    dataset = dataset[variables] if variables else dataset
    return dataset.sel(level=levels) if levels else dataset


def load_forecasts(path, init_times, lead_times, *selection):
    """A chunk of `PredictionsFromXarray`."""
    chunk = open_as_weatherbench(path, *selection)
    return chunk.sel(init_time=init_times, lead_time=lead_times).compute()


def load_targets(path, init_times, lead_times, *selection):
    """A chunk of `TargetsFromXarray`."""
    valid_time = xr.DataArray(init_times, coords={"init_time": init_times}) + xr.DataArray(
        lead_times, coords={"lead_time": lead_times}
    )
    return open_as_weatherbench(path, *selection).sel(valid_time=valid_time).compute()


def nanoseconds(times):
    return times.astype("datetime64[ns]"), np.array([0], "timedelta64[ns]")


def of_channel(dataset, name, kind=""):
    channel = parse_channel(name)
    values = dataset[ERA5_NAMES[channel.variable.name] + kind]
    return values if channel.level is None else values.sel(level=channel.level)


@pytest.fixture(scope="module")
def reference(tiny_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "reference.zarr"
    export_data(tiny_data, "test", path)
    return path


def write_file(path, data, analyses):
    write_predictions(path, analyses, task="unimodal", data=data, model_name="mine")
    return path


def half_way(data):
    """Analyses with half of the background's error."""
    for batch in data.batches("unimodal"):
        mean = (batch.reference + batch.background) / 2
        yield Analysis(mean.astype("f4"), time=batch.time)


def test_a_reference_is_read_by_valid_time(tiny_data, reference):
    variables = ["geopotential", "temperature", "2m_temperature"]
    init_times, lead_times = nanoseconds(tiny_data.times("test")[[1, 3]] - DAY)
    chunk = load_targets(reference, init_times, lead_times + DAY, variables, [850, 500])
    assert list(chunk) == variables and chunk["level"].values.tolist() == [850, 500]
    for number, row in (1, 0), (3, 1):
        wanted = dict(zip(tiny_data.channels, tiny_data.reference("test", number), strict=True))
        for name in "z500", "t850", "t2m":
            read = of_channel(chunk, name).isel(init_time=row, lead_time=0)
            assert read.dims == ("latitude", "longitude") and read.dtype == np.float32
            np.testing.assert_array_equal(read, wanted[name])
        assert of_channel(chunk, "t500").isnull().all(), "no channel of this data set"


def test_a_background_is_a_forecast_that_began_before(tiny_data, tmp_path):
    export_data(tiny_data, "validation", tmp_path / "b.zarr", background=True)
    valid_times = tiny_data.times("validation")
    lead = np.timedelta64(tiny_data.manifest.lead_hours, "h")
    init_times, lead_times = nanoseconds(valid_times - lead)
    chunk = load_forecasts(tmp_path / "b.zarr", init_times, lead_times + lead)
    for number in range(tiny_data.size("validation")):
        background = tiny_data.background("validation", number)
        for name, wanted in zip(tiny_data.channels, background, strict=True):
            read = of_channel(chunk, name).isel(init_time=number, lead_time=0)
            np.testing.assert_array_equal(read, wanted)


def test_what_is_in_a_store(tiny_data, reference):
    group = zarr.open_group(reference, mode="r")
    assert group.metadata.zarr_format == 3
    assert group["temperature"].metadata.dimension_names == (
        *("time", "level", "latitude", "longitude"),
    )
    assert group["temperature"].chunks == (1, 3, 9, 16)
    assert group["mean_sea_level_pressure"].chunks == (1, 9, 16)
    dataset = open_as_weatherbench(reference)
    assert dataset["level"].values.tolist() == [500, 700, 850]
    np.testing.assert_array_equal(dataset["latitude"], tiny_data.grid.latitude)
    np.testing.assert_array_equal(dataset["longitude"], tiny_data.grid.longitude)
    np.testing.assert_array_equal(dataset["valid_time"], tiny_data.times("test"))
    assert dataset["specific_humidity"].attrs["units"] == "kg kg-1"
    assert dataset.attrs["dataset_revision"] == tiny_data.revision
    assert dataset.attrs["licence"] == "cc0-1.0"


def test_a_prediction_is_a_forecast_of_no_hours_and_scores_the_same(tiny_data, reference, tmp_path):
    """With WeatherBench-X's `CosineLatitudeWeighting`, its RMSE is `rmse_pooled` of `score`."""
    file = write_file(tmp_path / "mine.nc", tiny_data, half_way(tiny_data))
    export_prediction(file, tiny_data, tmp_path / "mine.zarr")
    init_times, lead_times = nanoseconds(tiny_data.times("test"))
    analysis = load_forecasts(tmp_path / "mine.zarr", init_times, lead_times)
    wanted = np.stack([a.mean[0] for a in half_way(tiny_data)])
    target = load_targets(reference, init_times, lead_times)
    weights = np.cos(np.deg2rad(target["latitude"]))
    rmse = score(file, tiny_data).scores["rmse_pooled"]
    for number, name in enumerate(tiny_data.channels):
        read = of_channel(analysis, name)
        np.testing.assert_array_equal(read.isel(lead_time=0), wanted[:, number])
        error = (read - of_channel(target, name)).astype("f8")
        mse = (error**2).weighted(weights).mean()
        np.testing.assert_allclose(np.sqrt(mse), rmse[name], rtol=1e-6)


def test_members_are_along_number(tiny_data, tmp_path, rng):
    backgrounds = np.stack([tiny_data.background("test", n) for n in range(5)])[:, None]
    scale = tiny_data.statistics.background_error_std[:, None, None]
    members = (backgrounds + scale * rng.normal(size=(5, 3, 5, 9, 16))).astype("f4")
    parts = tiny_data.batches("unimodal")
    analyses = (
        Analysis(m.mean(axis=0)[None], members=m[None], time=b.time)
        for m, b in zip(members, parts, strict=True)
    )
    file = write_file(tmp_path / "ensemble.safetensors", tiny_data, analyses)
    export_prediction(file, tiny_data, tmp_path / "ensemble.zarr")
    chunk = load_forecasts(tmp_path / "ensemble.zarr", *nanoseconds(tiny_data.times("test")))
    read = of_channel(chunk, "t850").transpose("lead_time", "init_time", "number", ...)[0]
    np.testing.assert_array_equal(read, members[:, :, 4])


def test_a_standard_deviation_stands_beside_its_variable(tiny_data, tmp_path, rng):
    std = rng.uniform(1, 2, (5, 5, 9, 16)).astype("f4")
    analyses = (
        Analysis(batch.background, std[n][None], time=batch.time)
        for n, batch in enumerate(tiny_data.batches("unimodal"))
    )
    file = write_file(tmp_path / "sure.nc", tiny_data, analyses)
    export_prediction(file, tiny_data, tmp_path / "sure.zarr")
    chunk = load_forecasts(tmp_path / "sure.zarr", *nanoseconds(tiny_data.times("test")))
    for number, name in enumerate(tiny_data.channels):
        read = of_channel(chunk, name, "_std").isel(lead_time=0)
        np.testing.assert_array_equal(read, std[:, number])


def test_one_time_is_held_at_once(tiny_data, tmp_path, monkeypatch):
    """A chunk is on the disk before the next example is read."""
    written, seen = tmp_path / ".", []
    read = tiny_data.reference

    def reference(split, index):
        seen.append(len(list(written.glob(".*.partial/2m_temperature/c/*"))))
        return read(split, index)

    monkeypatch.setattr(tiny_data, "reference", reference)
    export_data(tiny_data, "test", tmp_path / "r.zarr")
    assert seen == [0, 1, 2, 3, 4]


def test_an_export_that_breaks_leaves_nothing(tiny_data, tmp_path, monkeypatch):
    read = tiny_data.reference

    def reference(split, index):
        if index == 2:
            raise DataError("damaged")
        return read(split, index)

    monkeypatch.setattr(tiny_data, "reference", reference)
    with pytest.raises(DataError, match="damaged"):
        export_data(tiny_data, "test", tmp_path / "r.zarr")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_refused(tiny_data, tmp_path, monkeypatch):
    with pytest.raises(DambenchError, match=r"the name of a store ends in \.zarr"):
        export_data(tiny_data, "test", tmp_path / "reference")
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(DambenchError, match="there.zarr is there already; give another name"):
        export_data(tiny_data, "test", tmp_path / "there.zarr")
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(DambenchError, match=r"pip install 'dambench-hub\[interop\]'"):
        export_data(tiny_data, "test", tmp_path / "new.zarr")


def test_what_is_not_there_cannot_be_exported(tiny_data, tmp_path):
    with pytest.raises(TaskError, match="tset"):
        export_data(tiny_data, "tset", tmp_path / "r.zarr")
    write_tiny_dataset(
        tmp_path / "synop",
        channels=("t2m",),
        modalities=(),
        observations=ObservationSettings(),
        reports_window=Window(),
        reference_is_reports=True,
    )
    with pytest.raises(DataError, match="has no reference fields"):
        export_data(load_data(tmp_path / "synop"), "test", tmp_path / "r.zarr")
    assert not (tmp_path / "r.zarr").exists()


def test_a_file_that_could_not_be_scored_is_refused(tiny_data, tmp_path):
    file = write_file(tmp_path / "mine.nc", tiny_data, half_way(tiny_data))
    write_tiny_dataset(tmp_path / "other", channels=("t2m", "z500"))
    with pytest.raises(PredictionError, match=r"cannot be exported:\n- The file was made for rev"):
        export_prediction(file, load_data(tmp_path / "other"), tmp_path / "mine.zarr")
    with pytest.raises(PredictionError, match="There is no file"):
        export_prediction(tmp_path / "absent.nc", tiny_data, tmp_path / "mine.zarr")
