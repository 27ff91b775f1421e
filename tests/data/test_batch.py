"""A batch cannot be wrong; dense and sparse, numpy and torch say the same."""

import dataclasses

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Analysis, Batch, as_numpy
from dambench_hub.errors import DataError

SIZE, CHANNELS, GRID, POINTS = 2, 3, Grid(5, 6), 4


def make(rng, iid=False, **changes):
    state = (SIZE, CHANNELS, *GRID.shape)
    index = (SIZE, CHANNELS, POINTS) if iid else (SIZE, POINTS)
    order = rng.random((*index[:-1], GRID.size)).argsort(-1)[..., :POINTS]
    values = {
        "channels": ("z500", "t850", "t2m"),
        "grid": GRID,
        "time": np.array(["2024-01-01", "2024-01-02"], "M8[h]"),
        "background": rng.normal(size=state).astype("f4"),
        "observation_index": np.sort(order).astype("i4"),
        "observation_values": rng.normal(size=(SIZE, CHANNELS, POINTS)).astype("f4"),
        "observation_error_std": rng.random(CHANNELS),
        "modalities": {"olr": rng.normal(size=(SIZE, *GRID.shape)).astype("f4")},
        "reference": rng.normal(size=state).astype("f4"),
    }
    return Batch(**{**values, **changes})


@pytest.mark.parametrize("iid", [False, True])
def test_dense_is_the_sparse_put_on_the_grid(rng, iid):
    batch = make(rng, iid)
    dense = np.zeros((SIZE, CHANNELS, GRID.size), "f4")
    seen = np.zeros(dense.shape, bool)
    for b in range(SIZE):
        for c in range(CHANNELS):
            points = batch.observation_index[b, c] if iid else batch.observation_index[b]
            for point, value in zip(points, batch.observation_values[b, c], strict=True):
                dense[b, c, point], seen[b, c, point] = value, True
    np.testing.assert_array_equal(batch.observations.reshape(dense.shape), dense)
    np.testing.assert_array_equal(batch.observed.reshape(seen.shape), seen)
    assert batch.observations.dtype == np.float32 and batch.observed.dtype == bool
    assert batch.observed.sum() == SIZE * CHANNELS * POINTS


def test_arrays_and_tensors_of_all_kinds_become_float32(rng):
    torch = pytest.importorskip("torch")
    values = rng.normal(size=(3, 4)).astype("f4")
    assert as_numpy(values) is values
    tensor = torch.tensor(values, requires_grad=True)
    for given in values.astype("f8"), values.tolist(), tensor, tensor.T.contiguous().T:
        found = as_numpy(given)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_array_equal(found, values)
    halves = as_numpy(tensor.bfloat16())
    assert halves.dtype == np.float32
    np.testing.assert_allclose(halves, values, rtol=2**-8)


def test_a_value_of_zero_is_still_observed(rng):
    zeros = np.zeros((SIZE, CHANNELS, POINTS), "f4")
    batch = make(rng, observation_values=zeros)
    assert not batch.observations.any() and batch.observed.sum() == zeros.size


@pytest.mark.parametrize("iid", [False, True])
def test_what_an_instrument_does_not_see_is_not_observed(rng, iid):
    values = rng.normal(size=(SIZE, CHANNELS, POINTS)).astype("f4")
    values[0, 1] = np.nan
    batch = make(rng, iid, observation_values=values)
    assert batch.observed.sum() == values.size - POINTS and not batch.observed[0, 1].any()
    assert np.isfinite(batch.observations).all() and not batch.observations[0, 1].any()
    assert np.isnan(batch.observation_values[0, 1]).all()


@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize("iid", [False, True])
def test_torch_says_the_same(rng, iid, unseen):
    torch = pytest.importorskip("torch")
    batch = make(rng, iid)
    if unseen:
        batch.observation_values[1, 0] = np.nan
    tensors = batch.to_torch()
    assert tensors.time is batch.time and len(tensors) == SIZE
    for name in (
        "background",
        "reference",
        "observation_index",
        "observation_values",
        "observation_error_std",
        "observations",
        "observed",
    ):
        values, tensor = getattr(batch, name), getattr(tensors, name)
        assert isinstance(tensor, torch.Tensor)
        assert tensor.numpy().dtype == values.dtype
        np.testing.assert_array_equal(tensor.numpy(), values)
    np.testing.assert_array_equal(tensors.modalities["olr"].numpy(), batch.modalities["olr"])


def test_torch_shares_memory_where_it_can(rng):
    pytest.importorskip("torch")
    protected = rng.normal(size=(SIZE, CHANNELS, *GRID.shape)).astype("f4")
    protected.flags.writeable = False
    batch = make(rng, background=protected)
    tensors = batch.to_torch()
    for name in ("reference", "observation_values", "observation_index"):
        assert np.shares_memory(getattr(tensors, name).numpy(), getattr(batch, name))
    tensors.background[...] = 0  # torch would write through the protection
    assert np.all(protected != 0) and not np.shares_memory(tensors.background.numpy(), protected)


def test_the_reference_can_be_removed(rng):
    batch = make(rng)
    blind = batch.without_reference()
    assert blind.reference is None and batch.reference is not None
    assert blind.background is batch.background
    pytest.importorskip("torch")
    assert blind.to_torch().reference is None


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("background", (SIZE, CHANNELS, 6, 5)),
        ("background", (1, CHANNELS, 5, 6)),
        ("reference", (SIZE, 2, 5, 6)),
        ("observation_index", (SIZE, 3)),
        ("observation_index", (SIZE, 2, POINTS)),
        ("observation_values", (SIZE, 2, POINTS)),
        ("observation_values", (1, CHANNELS, POINTS)),
        ("observation_error_std", (2,)),
        ("time", (3,)),
    ],
)
def test_shapes_must_belong_together(rng, name, shape):
    kind = "M8[h]" if name == "time" else "f4"
    with pytest.raises(DataError, match=r"A batch of \d samples needs .* of shape"):
        make(rng, **{name: np.zeros(shape, kind)})


def test_modalities_are_checked_by_name(rng):
    with pytest.raises(DataError, match="needs olr of shape"):
        make(rng, modalities={"olr": np.zeros((SIZE, 6, 5))})


def test_it_cannot_be_changed(rng):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make(rng).background = None


STATE = (SIZE, CHANNELS, 5, 6)


def test_an_analysis():
    mean = np.zeros(STATE)
    alone = Analysis(mean)
    assert alone.std is None and alone.members is None
    whole = Analysis(mean, std=mean + 1, members=np.zeros((SIZE, 1, *STATE[1:])))
    np.testing.assert_array_equal(whole.members.mean(1), whole.mean)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean": np.zeros(STATE[1:])}, r"shape \(B, C, Y, X\)"),
        ({"mean": np.zeros(STATE), "std": np.zeros(STATE[1:])}, "std has shape"),
        ({"mean": np.zeros(STATE), "members": np.zeros(STATE)}, "members have shape"),
        ({"mean": np.zeros(STATE), "members": np.zeros((5, *STATE))}, "members have shape"),
        (
            {"mean": np.zeros(STATE), "members": np.zeros((SIZE, 0, *STATE[1:]))},
            "members have shape",
        ),
        ({"mean": np.zeros(STATE), "time": np.zeros(SIZE + 1, "M8[h]")}, "time has shape"),
        ({"mean": np.zeros(STATE), "time": [1.5] * SIZE}, "time cannot be read"),
        (
            {"mean": np.zeros(STATE), "time": np.full(SIZE, "2024-01-01T06:30", "M8[m]")},
            "2024-01-01T06:30:00; valid times are whole hours",
        ),
        ({"mean": [[0.0]]}, "mean is a list"),
        ({"mean": np.zeros(STATE, complex)}, "real numbers"),
        ({"mean": np.ma.masked_equal(np.zeros(STATE), 0)}, "mean has masked values"),
        (
            {
                "mean": np.zeros(STATE),
                "members": np.ma.masked_equal(np.zeros((SIZE, 1, *STATE[1:])), 0),
            },
            "members has masked values",
        ),
    ],
)
def test_a_wrong_analysis_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        Analysis(**values)


def test_an_analysis_keeps_its_times():
    """Whatever becomes of the memory of the batch that they came from."""
    time = np.array(["2024-01-01"] * SIZE, "M8[ns]")
    analysis = Analysis(np.zeros(STATE), time=time)
    time[:] = np.datetime64("1970-01-01")
    assert analysis.time.dtype == "M8[h]"
    assert (analysis.time == np.datetime64("2024-01-01")).all()


def test_members_of_an_ensemble_travel_with_the_batch(rng):
    members = rng.normal(size=(SIZE, 5, CHANNELS, *GRID.shape)).astype("f4")
    batch = make(rng, background_members=members)
    assert batch.without_reference().background_members is members
    with pytest.raises(DataError, match="two members at least, got 1"):
        make(rng, background_members=members[:, :1])
    with pytest.raises(DataError, match="needs background_members of shape"):
        make(rng, background_members=members[..., :-1])


# Equivalents of the modalities


def test_equivalents_that_nobody_gave_are_not_known(rng):
    batch = make(rng)
    assert batch.background_modalities.keys() == batch.modalities.keys()
    assert np.isnan(batch.background_modalities["olr"]).all()
    assert batch.background_members_modalities == {}
    torch = pytest.importorskip("torch")
    tensors = {"olr": torch.ones(SIZE, *GRID.shape)}
    unknown = dataclasses.replace(make(rng), modalities=tensors, background_modalities={})
    assert torch.isnan(unknown.background_modalities["olr"]).all()


def with_equivalents(rng):
    members = rng.normal(size=(SIZE, 5, CHANNELS, *GRID.shape)).astype("f4")
    return make(
        rng,
        background_members=members,
        background_modalities={"olr": rng.normal(size=(SIZE, *GRID.shape)).astype("f4")},
        background_members_modalities={"olr": members[:, :, 0]},
    )


def test_equivalents_travel_with_the_batch(rng):
    pytest.importorskip("torch")
    batch = with_equivalents(rng)
    assert batch.without_reference().background_modalities is batch.background_modalities
    tensors = batch.to_torch()
    for name in "background_modalities", "background_members_modalities":
        wanted = getattr(batch, name)["olr"]
        np.testing.assert_array_equal(getattr(tensors, name)["olr"].numpy(), wanted)


def test_departures_are_what_the_background_did_not_foresee(rng):
    batch = with_equivalents(rng)
    perfect = dataclasses.replace(batch, background_modalities=batch.modalities)
    assert not perfect.departures["olr"].any()
    foreseen = batch.background_modalities["olr"] + batch.departures["olr"]
    np.testing.assert_allclose(foreseen, batch.modalities["olr"], rtol=1e-6, atol=1e-6)
    assert np.isnan(make(rng).departures["olr"]).all()  # it has no equivalent


def test_another_background_has_other_equivalents(rng):
    batch = with_equivalents(rng)
    other = batch.with_background(batch.background + 1, batch.background_members[:, :2])
    assert other.background is not batch.background and other.background_members.shape[1] == 2
    assert np.isnan(other.background_modalities["olr"]).all()
    assert other.background_members_modalities == {}
    assert other.modalities is batch.modalities and other.reference is batch.reference
    assert batch.with_background(batch.background).background_members is None


def test_what_is_taken_away_takes_its_equivalents_along(rng):
    batch = with_equivalents(rng)
    unimodal = dataclasses.replace(batch, modalities={})
    assert unimodal.background_modalities == unimodal.background_members_modalities == {}
    alone = dataclasses.replace(batch, background_members=None)
    assert alone.background_members_modalities == {}
    assert alone.background_modalities is batch.background_modalities


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background_modalities": {"rain": np.zeros((SIZE, 5, 6))}}, r"has \['rain'\], mod"),
        ({"background_modalities": {"olr": np.zeros((SIZE, 5, 5))}}, "background olr of shape"),
        (
            {"background_members_modalities": {"olr": np.zeros((SIZE, 4, 5, 6))}},
            r"background members' olr of shape \(2, 5, 5, 6\)",
        ),
    ],
)
def test_wrong_equivalents_are_refused(rng, changes, message):
    with pytest.raises(DataError, match=message):
        dataclasses.replace(with_equivalents(rng), **changes)
