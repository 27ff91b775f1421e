"""Controls change the modalities and nothing else, by valid time alone, never with the future."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.data.modality_controls import CONTROLS, controlled
from dambench_hub.errors import DataError, TaskError
from dambench_hub.testing import write_tiny_dataset

MODALITIES = ("precipitation", "olr")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """60 training days, and 8 test days with one left out."""
    folder = tmp_path_factory.mktemp("controls") / "data"
    test = np.delete(np.datetime64("2024-02-01", "h") + 24 * np.arange(8), 4)
    train = np.datetime64("2001-01-01", "h") + 24 * np.arange(60)
    validation = np.datetime64("2023-01-01", "h") + 24 * np.arange(2)
    times = {"train": train, "validation": validation, "test": test}
    write_tiny_dataset(folder, channels=("t2m",), times=times)
    return load_data(folder)


def modalities(data, split, control, batch_size=3, **options):
    """The modalities of a split under a control, (N, Y, X) by name."""
    batches = data.batches("multimodal", split, batch_size)
    if control:
        batches = controlled(batches, data, split, control, **options)
    parts = [batch.modalities for batch in batches]
    return {name: np.concatenate([part[name] for part in parts]) for name in MODALITIES}


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_only_the_modalities_change(data, split, control):
    plain = list(data.batches("multimodal", split, 4))
    changed = list(controlled(iter(plain), data, split, control))
    for before, after in zip(plain, changed, strict=True):
        for name in "time", "background", "observation_values", "observation_index", "reference":
            assert getattr(after, name) is getattr(before, name)
        for name in MODALITIES:
            assert after.modalities[name].dtype == np.float32
            assert not same(after.modalities[name], before.modalities[name])


@pytest.mark.parametrize("control", CONTROLS)
def test_members_keep_their_differences_to_the_background(data, control):
    (before,) = data.batches("multimodal", "test", 7)
    apart = np.array([-1.0, 2.0], np.float32)[:, None, None]
    before = replace(
        before,
        background_members=np.repeat(before.background[:, None], 2, axis=1),
        background_members_modalities={
            name: field[:, None] + apart for name, field in before.background_modalities.items()
        },
    )
    (after,) = controlled([before], data, "test", control)
    for name, members in after.background_members_modalities.items():
        apart_now = members - after.background_modalities[name][:, None]
        known = np.isfinite(apart_now)
        assert known.any()
        wanted = np.broadcast_to(apart, members.shape)[known]
        np.testing.assert_allclose(apart_now[known], wanted, atol=1e-3)


@pytest.mark.parametrize("control", CONTROLS)
def test_batches_change_nothing(data, control):
    one, four = (modalities(data, "test", control, size) for size in (1, 4))
    assert all(same(one[name], four[name]) for name in MODALITIES)


@pytest.mark.parametrize("control", ["shuffled", "lagged"])
def test_departures_are_those_of_one_other_day(data, control):
    """Observation and equivalent come from the same day, so departures are as large as ever."""

    def departures(batches):
        return np.concatenate([batch.departures["olr"] for batch in batches])

    split = "train" if control == "shuffled" else "test"
    real = departures(data.batches("multimodal", split, 4))
    test = data.batches("multimodal", "test", 4)
    found = donors(departures(controlled(test, data, "test", control)), real)
    if control == "shuffled":
        assert min(found) >= 0
    else:
        assert found == [-1, *range(len(real) - 1)]  # the first has no day before


@pytest.mark.parametrize("name", MODALITIES)
def test_the_constant_departure_is_the_mean_departure_of_training(data, name):
    batches = controlled(data.batches("multimodal", "test", 4), data, "test", "constant")
    constant = next(iter(batches)).departures[name]
    train = np.concatenate([b.departures[name] for b in data.batches("multimodal", "train", 4)])
    measured = np.isfinite(train).any(axis=0)
    assert same(constant[0], constant[1]) and np.array_equal(np.isfinite(constant[1]), measured)
    wanted = np.nanmean(train[:, measured], axis=0, dtype="f8")
    np.testing.assert_allclose(constant[1][measured], wanted, rtol=1e-3, atol=1e-4)


def test_constant_is_the_mean_of_training(data):
    constant, train = (modalities(data, *which) for which in (("test", "constant"), ("train", "")))
    for name in MODALITIES:
        assert same(constant[name], np.broadcast_to(constant[name][0], constant[name].shape))
        valid = np.isfinite(train[name])
        mean = np.where(valid, train[name], 0).sum(0, dtype="f8") / np.maximum(valid.sum(0), 1)
        wanted = np.where(valid.any(0), mean, np.nan)
        np.testing.assert_allclose(constant[name][0], wanted, rtol=1e-5)


def donors(fields, train):
    """Which training sample each field is, −1 for none."""
    return [
        next((i for i, donor in enumerate(train) if same(field, donor)), -1) for field in fields
    ]


def test_shuffled_gives_training_days_long_before(data):
    train = modalities(data, "train", "")
    for split, late in ("train", False), ("test", True):
        shuffled = modalities(data, split, "shuffled")
        found = donors(shuffled["olr"], train["olr"])
        assert found == donors(shuffled["precipitation"], train["precipitation"])
        if late:
            assert min(found) >= 0
            continue
        missing, given = found[:30], np.array(found[30:])
        assert missing == [-1] * 30
        assert np.isnan(shuffled["olr"][:30]).all()
        assert np.all((given >= 0) & (given <= np.arange(30)))


def test_shuffled_is_keyed(data):
    first, again, other = (modalities(data, "test", "shuffled", seed=s)["olr"] for s in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_lagged_gives_the_latest_sample_a_day_before(data):
    plain, lagged = (modalities(data, "test", control) for control in ("", "lagged"))
    for name in MODALITIES:
        assert np.isnan(lagged[name][0]).all()
        assert same(lagged[name][1:], plain[name][:-1])  # over the gap, too


def test_lagged_skips_samples_of_the_same_day(tmp_path):
    times = {
        split: np.datetime64(start, "h") + 6 * np.arange(8)
        for split, start in (("train", "2001-01-01"), ("test", "2024-01-01"))
    }
    write_tiny_dataset(tmp_path / "x", channels=("t2m",), times=times)
    data = load_data(tmp_path / "x")
    plain, lagged = (modalities(data, "test", control)["olr"] for control in ("", "lagged"))
    assert np.isnan(lagged[:4]).all()
    assert same(lagged[4:], plain[:4])


def test_what_cannot_be_is_told(data, tmp_path):
    with pytest.raises(TaskError, match="Did you mean 'shuffled'"):
        controlled([], data, "test", "shufled")
    write_tiny_dataset(tmp_path / "x", modalities=())
    with pytest.raises(DataError, match="has no modalities"):
        controlled([], load_data(tmp_path / "x"), "test", "lagged")
