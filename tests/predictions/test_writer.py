"""Prediction files: what is written is what is read, whole or not at all, and nothing else is."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest
import xarray as xr
from safetensors import safe_open

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DambenchError, PredictionError
from dambench_hub.predictions.writer import open_prediction, write_predictions

SUFFIXES = [".nc", ".h5", ".safetensors"]


def backgrounds(data, batch_size=2, members=None):
    for batch in data.batches("multimodal", batch_size=batch_size):
        if members:
            spread = np.arange(members).reshape(-1, 1, 1, 1) - (members - 1) / 2
            yield Analysis(batch.background, members=batch.background[:, None] + spread)
        else:
            yield Analysis(batch.background)


def write(path, data, analyses=None, **attributes):
    analyses = backgrounds(data) if analyses is None else analyses
    write_predictions(
        path, analyses, task="multimodal", data=data, model_name="background", **attributes
    )
    return path


@pytest.fixture
def file(tiny_data, tmp_path):
    return write(tmp_path / "background.nc", tiny_data)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("members", [None, 1, 3])
def test_what_is_written_is_read(tiny_data, tmp_path, suffix, members):
    path = write(tmp_path / f"x{suffix}", tiny_data, backgrounds(tiny_data, members=members))
    with open_prediction(path) as prediction:
        header = prediction.header
        assert header.members == members
        assert header.channels == tiny_data.channels
        assert np.array_equal(header.time, tiny_data.times("test"))
        assert np.array_equal(header.latitude, tiny_data.grid.latitude)
        assert np.array_equal(header.longitude, tiny_data.grid.longitude)
        for index, values in enumerate(prediction):
            assert values.dtype == "<f4"
            mean = values.mean(axis=0) if members else values
            np.testing.assert_allclose(mean, tiny_data.background("test", index), 1e-6, 1e-6)
        with pytest.raises(IndexError):
            prediction[len(prediction)]


def test_attributes_are_kept_as_text(tiny_data, tmp_path):
    for suffix in SUFFIXES:
        path = write(tmp_path / f"x{suffix}", tiny_data, parameters=12, authors="A. Ünal")
        with open_prediction(path) as prediction:
            assert prediction.header.attributes == {
                "dambench_format": "1",
                "task": "multimodal",
                "dataset_revision": tiny_data.revision,
                "model_name": "background",
                "parameters": "12",
                "authors": "A. Ünal",
            }


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_the_file(tiny_data, file, engine):
    with xr.open_dataset(file, engine=engine) as dataset:
        assert dataset.analysis.dims == ("time", "channel", "latitude", "longitude")
        assert list(dataset.channel.values) == list(tiny_data.channels)
        assert np.array_equal(dataset.time.values, tiny_data.times("test"))
        assert dataset.latitude.attrs["units"] == "degrees_north"
        assert str(dataset.channel_units.sel(channel="z500").values) == "m2 s-2"
        field = dataset.analysis.sel(channel="t2m").isel(time=1).values
        assert np.array_equal(field, tiny_data.background("test", 1)[0])


def test_safetensors_opens_the_file(tiny_data, tmp_path):
    path = write(tmp_path / "x.safetensors", tiny_data)
    with safe_open(path, "numpy") as tensors:
        assert list(tensors.keys()) == ["analysis"]
        assert np.array_equal(tensors.get_tensor("analysis")[2], tiny_data.background("test", 2))


def test_torch_tensors_are_written(tiny_data, tmp_path):
    torch = pytest.importorskip("torch")
    analyses = (
        Analysis(torch.from_numpy(a.mean.copy()).bfloat16()) for a in backgrounds(tiny_data)
    )
    with open_prediction(write(tmp_path / "x.nc", tiny_data, analyses)) as prediction:
        np.testing.assert_allclose(prediction[0], tiny_data.background("test", 0), rtol=1e-2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_memory_does_not_grow_with_the_number_of_times(tiny_data, tmp_path, suffix):
    alive, most = [], 0

    def analyses():
        nonlocal most
        for analysis in backgrounds(tiny_data, batch_size=1):
            mean = analysis.mean.copy()
            alive.append(weakref.ref(mean))
            yield Analysis(mean)
            del mean, analysis
            most = max(most, sum(reference() is not None for reference in alive))

    write(tmp_path / f"x{suffix}", tiny_data, analyses())
    assert most <= 2


# Wrong analyses leave no file -------------------------------------------------------------------


def spoilt(data, sample, change):
    for index, analysis in enumerate(backgrounds(data, batch_size=1)):
        yield Analysis(change(analysis.mean.copy()) if index == sample else analysis.mean)


def nan_in_z500(mean):
    mean[0, 2, 3, 4] = np.nan
    return mean


def infinite_msl(mean):
    mean[0, 1] = np.inf
    return mean


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("analyses", "words"),
    [
        (lambda d: spoilt(d, 3, nan_in_z500), "2024-03-01T00 has 1 values that are NaN.*z500"),
        (lambda d: spoilt(d, 0, infinite_msl), "2024-02-27T00 has 144 values.*msl"),
        (lambda d: spoilt(d, 2, lambda m: m[:, :4]), r"shape \(4, 9, 16\), wanted \(5, 9, 16\)"),
        (lambda d: spoilt(d, 0, lambda m: m[..., :-1]), r"shape \(5, 9, 15\), wanted"),
        (lambda d: list(backgrounds(d))[:-1], "5 times, got analyses of the first 4"),
        (lambda d: [*backgrounds(d), *backgrounds(d)], "5 times, got more"),
        (lambda d: [], "analyses of the first 0"),
    ],
)
def test_wrong_analyses_leave_no_file(tiny_data, tmp_path, suffix, analyses, words):
    with pytest.raises(PredictionError, match=words):
        write(tmp_path / f"x{suffix}", tiny_data, analyses(tiny_data))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fill", [1e20, -9.96921e36])
def test_fill_values_are_named(tiny_data, tmp_path, fill):
    def filled(mean):
        mean[0, 2, 3, 4] = fill
        return mean

    with pytest.raises(PredictionError, match="1 values that are fill values.*z500"):
        write(tmp_path / "x.nc", tiny_data, spoilt(tiny_data, 1, filled))


# Analyses know their times ----------------------------------------------------------------------


def timed(data, order, batch_size=2):
    for batch in data.batches("multimodal", batch_size=batch_size, indices=np.array(order)):
        yield Analysis(batch.background, time=batch.time)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 2, 4, 1, 3], "of 2024-02-29T00 came where that of 2024-02-28T00"),
        ([1, 2, 3, 4, 0], "of 2024-02-28T00 came where that of 2024-02-27T00"),
        ([0, 1, 2, 2, 3], "of 2024-02-29T00 came where that of 2024-03-01T00"),
        ([0, 1, 2], "got analyses of the first 3"),
        ([0, 1, 2, 3, 4, 4], "got more"),
    ],
)
def test_analyses_of_other_times_are_refused(tiny_data, tmp_path, order, words):
    write(tmp_path / "x.nc", tiny_data, timed(tiny_data, range(5)))
    with pytest.raises(PredictionError, match=words):
        write(tmp_path / "y.nc", tiny_data, timed(tiny_data, order))


def labelled(data, change):
    """The backgrounds as xarray's arrays, each batch changed."""
    whole = data.to_xarray("test").background
    for start in range(0, 5, 2):
        yield Analysis(change(whole.isel(time=slice(start, start + 2)).load()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.isel(latitude=slice(None, None, -1)), "latitude -90.0.*wanted 90.0"),
        (lambda a: a.roll(longitude=3, roll_coords=True), "longitude 292.5.*wanted 0.0"),
        (lambda a: a.isel(channel=[1, 0, 2, 3, 4]), "channel msl, t2m.*wanted t2m, msl"),
        (lambda a: a.isel(time=slice(None, None, -1)), "time 2024-02-28.*wanted 2024-02-27"),
        (lambda a: a.transpose("time", "channel", "longitude", "latitude"), "transpose it"),
    ],
)
def test_labelled_arrays_with_other_coordinates_are_refused(tiny_data, tmp_path, change, words):
    path = write(tmp_path / "x.nc", tiny_data, labelled(tiny_data, lambda same: same))
    with open_prediction(path) as prediction:
        assert np.array_equal(prediction[1], tiny_data.background("test", 1))
    with pytest.raises(PredictionError, match=words):
        write(tmp_path / "y.nc", tiny_data, labelled(tiny_data, change))


def test_members_must_stay_the_same(tiny_data, tmp_path):
    analyses = [*backgrounds(tiny_data, members=3)][:1] + [*backgrounds(tiny_data, members=2)][1:]
    with pytest.raises(PredictionError, match=r"shape \(2, 5, 9, 16\), wanted \(3, 5, 9, 16\)"):
        write(tmp_path / "x.nc", tiny_data, analyses)


def test_a_failing_method_leaves_the_old_file(tiny_data, file):
    before = file.read_bytes()

    def analyses():
        yield next(backgrounds(tiny_data))
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write(file, tiny_data, analyses())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_wrong_names_are_refused(tiny_data, tmp_path):
    with pytest.raises(PredictionError, match=r"ends in \.nc or \.h5 or \.safetensors"):
        write(tmp_path / "x.npz", tiny_data)
    with pytest.raises(PredictionError, match="'model_ulr'. Did you mean 'model_url'"):
        write(tmp_path / "x.nc", tiny_data, model_ulr="https://example.org")
    with pytest.raises(PredictionError, match="model_url is 'ftp://x'"):
        write(tmp_path / "x.nc", tiny_data, model_url="ftp://x")
    for name, words in ((" ", "1 to 80"), ("x" * 81, "1 to 80"), ("F\u200bNP", "ZERO WIDTH SPACE")):
        with pytest.raises(PredictionError, match=words):
            write_predictions(
                tmp_path / "x.nc",
                backgrounds(tiny_data),
                task="multimodal",
                data=tiny_data,
                model_name=name,
            )


def in_a_process(tiny_folder, path, before="", during=""):
    """Write a prediction in a process of its own; `during` runs before the last sample."""
    code = f"""
    import os, resource, signal, sys
    from dambench_hub import Analysis, DambenchError, load_data, write_predictions
    {before}
    data = load_data({str(tiny_folder)!r})
    def analyses():
        for index, batch in enumerate(data.batches("multimodal", batch_size=1)):
            if index == 4:
                {during or "pass"}
            yield Analysis(batch.background)
    try:
        write_predictions({str(path)!r}, analyses(), task="multimodal", data=data, model_name="m")
    except DambenchError as error:
        sys.exit(str(error))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, env=environment
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_writer_leaves_no_file(tiny_folder, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    killed = in_a_process(tiny_folder, path, during="os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_told_and_leaves_nothing(tiny_folder, tmp_path, suffix):
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, (9000, {resource.RLIM_INFINITY}))"
    failed = in_a_process(tiny_folder, tmp_path / f"x{suffix}", before=limit)
    assert failed.returncode == 1
    assert "Could not write" in failed.stderr.decode()
    assert "Traceback" not in failed.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tiny_data, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DambenchError, match="x.nc"):
        write(tmp_path / "taken" / "x.nc", tiny_data)
