"""Predicted standard deviations: what is written is read, beside the analysis or not at all."""

import numpy as np
import pytest
import xarray as xr
from safetensors import safe_open

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.writer import open_prediction, write_predictions

CONTAINERS = [".nc", ".safetensors"]


def deviations(data):
    """A standard deviation of its own for every value of the test split, (N, C, Y, X)."""
    rng = np.random.default_rng(1)
    times = len(data.times("test"))
    shape = (times, len(data.channels), *data.grid.shape)
    return np.exp(rng.normal(size=shape)).astype("f4")


def analyses(data, change=lambda std, time: std, batch_size=2):
    std, done = deviations(data), 0
    for batch in data.batches("multimodal", batch_size=batch_size):
        own = std[done : done + len(batch)].copy()
        yield Analysis(batch.background, change(own, done))
        done += len(batch)


def write(path, data, given):
    write_predictions(path, given, task="multimodal", data=data, model_name="m")
    return path


@pytest.mark.parametrize("opener", [open_prediction, open_sandboxed])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_what_is_written_is_read_bit_by_bit(tiny_data, tmp_path, suffix, opener):
    path, std = (
        write(tmp_path / f"x{suffix}", tiny_data, analyses(tiny_data)),
        deviations(tiny_data),
    )
    with opener(path) as prediction:
        assert prediction.header.std.shape == prediction.header.shape
        assert len(prediction) == len(std)
        for index, field in enumerate(prediction):
            assert field.tobytes() == tiny_data.background("test", index).tobytes()
            assert prediction.std(index).tobytes() == std[index].tobytes()
            assert prediction.std(index).shape == std[index].shape


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_the_file(tiny_data, tmp_path, engine):
    path = write(tmp_path / "x.nc", tiny_data, analyses(tiny_data))
    with xr.open_dataset(path, engine=engine) as dataset:
        assert dataset["std"].dims == dataset.analysis.dims
        assert dataset["std"].dtype == "f4"
        assert np.array_equal(dataset["std"].values, deviations(tiny_data))
        assert str(dataset["std"].channel_units.sel(channel="t2m").values) == "K"
        assert "standard deviation" in dataset["std"].attrs["long_name"]
        assert dataset.analysis.attrs["ancillary_variables"] == "std"
        for name in "std", "analysis":
            encoding = dataset[name].encoding
            assert encoding["chunksizes"] == (1, *dataset["std"].shape[1:])
            assert encoding["shuffle"]


def test_safetensors_opens_the_file(tiny_data, tmp_path):
    path = write(tmp_path / "x.safetensors", tiny_data, analyses(tiny_data))
    with safe_open(path, "numpy") as tensors:
        assert set(tensors.keys()) == {"analysis", "std"}
        assert np.array_equal(tensors.get_tensor("std"), deviations(tiny_data))
        assert np.array_equal(tensors.get_tensor("analysis")[2], tiny_data.background("test", 2))


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_members_are_written_without_std(tiny_data, tmp_path, suffix):
    given = (
        Analysis(a.mean, a.std, np.stack([a.mean - a.std, a.mean + a.std], 1))
        for a in analyses(tiny_data)
    )
    with open_prediction(write(tmp_path / f"x{suffix}", tiny_data, given)) as prediction:
        assert (prediction.header.members, prediction.header.std) == (2, None)
        assert prediction.std(0) is None


def test_torch_tensors_are_written(tiny_data, tmp_path):
    torch = pytest.importorskip("torch")
    given = analyses(tiny_data, lambda std, _: torch.from_numpy(std).bfloat16())
    with open_prediction(write(tmp_path / "x.nc", tiny_data, given)) as prediction:
        np.testing.assert_allclose(prediction.std(3), deviations(tiny_data)[3], rtol=1e-2)


def at(time, value):
    """Put a value into z500 at the time of this number."""

    def change(std, first):
        if first <= time < first + len(std):
            std[time - first, 2, 3, 4] = value
        return std

    return change


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, 1e20])
def test_what_is_no_std_is_named_and_leaves_no_file(tiny_data, tmp_path, suffix, value):
    words = "std at 2024-03-01T00 has 1 values .* above 0 .channels z500.; the first is"
    with pytest.raises(PredictionError, match=words):
        write(tmp_path / f"x{suffix}", tiny_data, analyses(tiny_data, at(3, value)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda std, first: std if first < 2 else None, "from 2024-02-29T00 on have no std"),
        (lambda std, first: None if first < 2 else std, "from 2024-02-29T00 on have a std"),
    ],
)
def test_all_analyses_have_a_std_or_none(tiny_data, tmp_path, change, words):
    with pytest.raises(PredictionError, match=words):
        write(tmp_path / "x.nc", tiny_data, analyses(tiny_data, change))
    assert list(tmp_path.iterdir()) == []


def test_labels_of_std_are_looked_at(tiny_data, tmp_path):
    whole = tiny_data.to_xarray("test").background.load()
    turned = abs(whole.isel(latitude=slice(None, None, -1))) + 1
    with pytest.raises(PredictionError, match="latitude -90.0.*wanted 90.0"):
        write(tmp_path / "x.nc", tiny_data, [Analysis(whole, turned)])
