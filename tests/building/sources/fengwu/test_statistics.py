"""Only FengWu's own statistics in its own order pass."""

import pickle

import numpy as np
import pytest

from dambench_hub.building.sources.fengwu.statistics import read_statistics
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError

SURFACE = ["u10", "v10", "t2m", "msl"]


@pytest.fixture
def write(tmp_path, fengwu_mean, fengwu_std):
    """Writes the two files, as they are or as a test has them; returns the folder."""

    def write(mean=fengwu_mean, std=fengwu_std, names=("data_mean.npy", "data_std.npy")):
        for name, values in zip(names, (mean, std), strict=True):
            np.save(tmp_path / name, values)
        return tmp_path

    return write


@pytest.mark.parametrize("names", [None, ("global_means.npy", "global_stds.npy")])
@pytest.mark.parametrize("shape", [(69,), (1, 69, 1, 1), (69, 1, 1)])
def test_either_name_and_any_such_shape(write, fengwu_mean, fengwu_std, names, shape):
    mean, std = fengwu_mean.reshape(shape), fengwu_std.reshape(shape)
    folder = write(mean, std, names) if names else write(mean, std)
    found = read_statistics(folder)
    for values, expected in zip(found, (fengwu_mean, fengwu_std), strict=True):
        assert values.shape == (69, 1, 1) and values.dtype == np.float64
        np.testing.assert_array_equal(values.ravel(), expected)


def test_half_a_pair_is_none(write):
    folder = write()
    (folder / "data_std.npy").rename(folder / "global_stds.npy")
    with pytest.raises(BuildError, match=r"neither data_mean\.npy and data_std\.npy nor global"):
        read_statistics(folder)


def order_of(variables, levels=slice(None), surface=SURFACE):
    """Where each channel of FengWu lies in statistics of another order."""
    names = list(surface)
    for variable in variables:
        names += [n for n in STANDARD_CHANNELS if n not in SURFACE and n[0] == variable][levels]
    return [STANDARD_CHANNELS.index(name) for name in names]


@pytest.mark.parametrize(
    "order",
    [
        order_of("ztquv"),
        order_of("zqvut"),
        order_of("tuvqz"),
        order_of("zquvt", levels=slice(None, None, -1)),
        order_of("zquvt", surface=["t2m", "u10", "v10", "msl"]),
        order_of("zquvt", surface=["u10", "v10", "msl", "t2m"]),
        list(range(4, 69)) + list(range(4)),
    ],
    ids=[
        "as in the paper",
        "v before u",
        "reversed",
        "upwards",
        "t2m first",
        "msl",
        "surface last",
    ],
)
def test_another_order_is_refused(write, fengwu_mean, fengwu_std, order):
    assert sorted(order) == list(range(69))
    with pytest.raises(BuildError, match=r"in the order u10.*|no standard deviations"):
        read_statistics(write(fengwu_mean[order], fengwu_std[order]))
    with pytest.raises(BuildError, match=r"order u10, v10, t2m, msl, then z, q, u, v, t from 50"):
        read_statistics(write(mean=fengwu_mean[order]))


def test_statistics_over_other_years_pass(write, fengwu_mean, fengwu_std, rng):
    """What differs by some hundredths of the standard deviation is the same order."""
    other = fengwu_mean + 0.05 * rng.uniform(-1, 1, 69) * fengwu_std
    mean, std = read_statistics(write(other))
    np.testing.assert_array_equal(mean.ravel(), other)
    np.testing.assert_array_equal(std.ravel(), fengwu_std)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_standard_deviations_are_positive(write, fengwu_std, value):
    fengwu_std[STANDARD_CHANNELS.index("q50")] = value
    with pytest.raises(BuildError, match="no standard deviations: q50 has"):
        read_statistics(write(std=fengwu_std))


def test_variances_are_refused(write, fengwu_std):
    with pytest.raises(BuildError, match=r"data_std\.npy holds no standard deviations: .*z50 has"):
        read_statistics(write(std=fengwu_std**2))


def test_mean_and_deviation_exchanged_are_refused(write, fengwu_mean, fengwu_std):
    with pytest.raises(BuildError, match="no standard deviations"):
        read_statistics(write(fengwu_std, fengwu_mean))


@pytest.mark.parametrize("shape", [(68,), (70,), (69, 2), (), (1, 1)])
def test_another_count_is_refused(write, shape):
    with pytest.raises(BuildError, match=r"data_mean\.npy holds float64 of shape .*69 numbers"):
        read_statistics(write(mean=np.ones(shape)))


@pytest.mark.parametrize("kind", ["U8", "c16", "M8[h]"])
def test_other_types_are_refused(write, kind):
    with pytest.raises(BuildError, match="wanted are 69 numbers"):
        read_statistics(write(mean=np.zeros(69, kind)))


@pytest.mark.parametrize("name", ["data_mean.npy", "data_std.npy"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_are_finite(write, fengwu_mean, fengwu_std, name, value):
    values = {"data_mean.npy": fengwu_mean, "data_std.npy": fengwu_std}
    values[name][7] = value
    with pytest.raises(BuildError, match=f"{name} has values that are not finite"):
        read_statistics(write())


class Bomb:
    """Unpickling it would run a command."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_pickles_are_never_run(write):
    folder = write()
    path = folder / "data_mean.npy"
    np.save(path, np.array([Bomb()] * 69, object), allow_pickle=True)
    with pytest.raises(BuildError, match="is not an array of numbers"):
        read_statistics(folder)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BuildError, match="is not an array of numbers"):
        read_statistics(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, 300])
def test_a_file_cut_short_is_refused(write, keep):
    path = write() / "data_std.npy"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BuildError, match=r"data_std\.npy is not an array of numbers"):
        read_statistics(path.parent)


def test_an_archive_of_arrays_is_refused(write, fengwu_mean):
    folder = write()
    with (folder / "data_mean.npy").open("wb") as file:
        np.savez(file, fengwu_mean)
    with pytest.raises(BuildError, match="is not an array of numbers"):
        read_statistics(folder)
