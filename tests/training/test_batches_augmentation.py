"""Rolled samples are the same world seen from another meridian."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.observations.off_grid_network import OffGridNetwork
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.training.batches import rolled


def sample_batch(rng, iid=False):
    grid, size, channels, points = Grid(5, 12), 3, 2, 9
    index_shape = (size, channels) if iid else (size,)
    order = rng.permuted(np.tile(np.arange(grid.size), (*index_shape, 1)), axis=-1)
    index = np.sort(order[..., :points]).astype(np.int32)
    reference = rng.normal(size=(size, channels, *grid.shape)).astype("f4")
    flat = reference.reshape(size, channels, -1)
    at = index if iid else np.repeat(index[:, None], channels, axis=1)
    return Batch(
        channels=("t2m", "msl"),
        grid=grid,
        time=np.datetime64("2001-01-01", "h") + 24 * np.arange(size),
        background=reference + 1,
        observation_index=index,
        observation_values=np.take_along_axis(flat, at, axis=2),
        observation_error_std=np.ones(channels),
        modalities={"olr": reference[:, 0] * 2},
        reference=reference,
        background_members=np.stack([reference + 2, reference + 3], axis=1),
        background_modalities={"olr": reference[:, 0] * 3},
        background_members_modalities={"olr": np.stack([reference[:, 0]] * 2, axis=1)},
    ).to_torch()


@pytest.mark.parametrize("iid", [False, True])
def test_everything_turns_together(rng, iid):
    batch = sample_batch(rng, iid)
    turned = rolled(batch, key=1)
    assert not torch.equal(turned.reference, batch.reference)
    torch.testing.assert_close(turned.background, turned.reference + 1)
    torch.testing.assert_close(turned.modalities["olr"], turned.reference[:, 0] * 2)
    torch.testing.assert_close(turned.background_modalities["olr"], turned.reference[:, 0] * 3)
    for member, more in enumerate((2, 3)):
        of_member = turned.background_members_modalities["olr"][:, member]
        torch.testing.assert_close(turned.background_members[:, member], turned.reference + more)
        torch.testing.assert_close(of_member, turned.reference[:, 0])
    observed = turned.observed
    assert torch.equal(turned.observations[observed], turned.reference[observed])
    assert (turned.observation_index.diff(dim=-1) > 0).all()
    # Each sample is a roll of what it was.
    for old, new in zip(batch.reference, turned.reference, strict=True):
        assert any(torch.equal(old.roll(shift, -1), new) for shift in range(12))


def test_tables_turn_with_their_fields(rng):
    batch, network = sample_batch(rng), OffGridNetwork(20)
    tables = tuple(
        network.observe(x.numpy(), batch.channels, batch.grid, np.full(2, 1e-3), time)
        for x, time in zip(batch.reference, batch.time, strict=True)
    )
    turned = rolled(replace(batch, reports=tables), key=1)
    assert not np.array_equal(turned.reports[1].longitude, tables[1].longitude)
    for old, new, table, moved in zip(
        batch.reference, turned.reference, tables, turned.reports, strict=True
    ):
        seen, wanted = (
            PointInterpolation(batch.channels, batch.grid, one)(x.numpy())
            for one, x in ((moved, new), (table, old))
        )
        np.testing.assert_allclose(seen, wanted, atol=1e-5)


def test_the_turn_is_a_function_of_key_and_time(rng):
    batch = sample_batch(rng)
    assert torch.equal(rolled(batch, 1).reference, rolled(batch, 1).reference)
    assert not torch.equal(rolled(batch, 1).reference, rolled(batch, 2).reference)


def test_turns_are_spread_over_all_longitudes(rng):
    batch = sample_batch(rng)
    origin = torch.zeros_like(batch.reference)
    origin[..., 0] = 1
    turns = set()
    for key in range(60):
        field = rolled(Batch(**{**vars_of(batch), "reference": origin}), key).reference
        turns |= set(field[:, 0, 0].argmax(-1).tolist())
    assert turns == set(range(12))


def vars_of(batch):
    return {name: getattr(batch, name) for name in batch.__dataclass_fields__}
