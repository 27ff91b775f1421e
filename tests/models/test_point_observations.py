"""A method sees what its instruments see: nothing stands where a channel is not seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drifting_world import CHANNELS, GRID, SCALE, START, Drifting, error, observe, training
from models.test_multi_modal import HOSTS, made

from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.models.balanced_covariance import fit_balanced_covariance
from dambench_hub.models.hybrid import Hybrid
from dambench_hub.models.point_observations import point_observations
from dambench_hub.models.registry import CLASSICAL, METHODS, method_class

ENSEMBLE = {"members": 10, "localisation_km": 3000.0}
FITTED = {
    "background": ("background", {}),
    "optimal_interpolation": ("optimal_interpolation", {}),
    "var3d": ("var3d", {"covariance": "zonal"}),
    "var3d spectral": ("var3d", {"covariance": "spectral"}),
    "letkf": ("letkf", ENSEMBLE),
    "enkf": ("enkf", ENSEMBLE),
    "hybrid": ("hybrid", ENSEMBLE),
    "hybrid spectral": ("hybrid", ENSEMBLE),
    "particle_filter": ("particle_filter", ENSEMBLE | {"effective_share": 0.2}),
}
"""Classical methods of single times, by name or by name and form of B, with their options."""
WINDOWS = {"var4d", "weak_var4d"}


def seen_alike(values, rng):
    """Half of the points of each channel, others for each, but as many: boolean, as `values`."""
    count = values.shape[-1]
    return rng.permuted(np.broadcast_to(np.arange(count) < count // 2, values.shape), axis=-1)


def unseen(batch, seen):
    """The batch with NaN where nothing is seen."""
    values = np.where(seen, batch.observation_values, np.float32(np.nan))
    return replace(batch, observation_values=values)


def without(batch, seen):
    """The batch with what is seen alone, at points of each channel's own."""
    size, channels, _ = seen.shape
    index = np.broadcast_to(batch.observation_index[:, None], seen.shape)[seen]
    return replace(
        batch,
        observation_index=index.reshape(size, channels, -1),
        observation_values=batch.observation_values[seen].reshape(size, channels, -1),
    )


@pytest.fixture(scope="module")
def fitted(small_world):
    known = {}

    def method(name):
        if name not in known:
            kind, options = FITTED[name]
            batches = (small_world.batch(5, first, modalities={}) for first in range(0, 40, 5))
            known[name] = method_class(kind).fit(batches, **options)
            if name == "hybrid spectral":
                batches = (small_world.batch(5, first, modalities={}) for first in range(0, 40, 5))
                B = fit_balanced_covariance(batches, "Hybrid", "spectral")[1]
                assert isinstance(known[name], Hybrid)
                known[name].covariance = B
        return known[name]

    return method


@pytest.fixture(params=[*FITTED, *HOSTS])
def method(request, fitted, small_world):
    if request.param in FITTED:
        return fitted(request.param)
    return made(method_class(request.param), small_world, **HOSTS[request.param]).eval()


@pytest.fixture
def batch(small_world):
    return small_world.batch(size=2, first=60, density=0.3).without_reference()


def analysed(method, batch):
    """The mean of the analysis, (B, C, Y, X)."""
    return np.asarray(method.assimilate(batch, torch.Generator().manual_seed(1)).mean)


def test_all_methods_are_here():
    assert {name for name, _ in FITTED.values()} | WINDOWS == set(CLASSICAL)
    assert set(CLASSICAL) | set(HOSTS) == set(METHODS)


def test_what_is_not_seen_is_as_if_it_were_not_there(method, batch, small_world, rng):
    seen = seen_alike(batch.observation_values, rng)
    came = analysed(method, unseen(batch, seen))
    wanted = analysed(method, without(batch, seen))
    scale = small_world.statistics.background_error_std[:, None, None]
    exact = method.name in HOSTS  # which see both on the grid, where they are the same
    np.testing.assert_allclose(came / scale, wanted / scale, rtol=0, atol=0 if exact else 5e-3)
    if method.name != "background":
        change = abs(analysed(method, batch) - came) / scale
        assert change.max() > (1e-3 if exact else 0.05)


def test_a_channel_that_nobody_sees_is_no_obstacle(method, batch):
    values = batch.observation_values.copy()
    values[:, 1] = np.nan
    assert np.isfinite(analysed(method, replace(batch, observation_values=values))).all()
    values[:] = np.nan
    assert np.isfinite(analysed(method, replace(batch, observation_values=values))).all()


def test_a_loss_is_finite_where_little_is_seen(small_world, rng):
    batch = small_world.batch(2)
    batch = unseen(batch, seen_alike(batch.observation_values, rng))
    for name, options in HOSTS.items():
        model = made(method_class(name), small_world, **options)
        loss = model(batch, torch.Generator().manual_seed(1))
        loss.backward()
        assert loss.isfinite()
        for parameter in model.parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("name", sorted(WINDOWS))
def test_a_window_is_the_same_without_what_is_not_seen(name, rng):
    method = method_class(name).fit(training(), background_scale=1.0, max_iterations=200)
    method.tolerance = 1e-4
    method.view = ChannelStates(Drifting(), CHANNELS, GRID)
    truth = error(rng)
    background, batch = truth + error(rng), observe(truth, 6, 20, rng)
    seen = seen_alike(batch.observation_values, rng)
    came, wanted = (
        method.analyse_states(background, START, [one])
        for one in (unseen(batch, seen), without(batch, seen))
    )
    np.testing.assert_allclose(came / SCALE, wanted / SCALE, atol=2e-3)
    assert abs((came - np.roll(background, 1, axis=-1)) / SCALE).max() > 0.1


def test_innovations_are_zero_where_nothing_is_seen(batch, rng):
    seen = seen_alike(batch.observation_values, rng)
    seen_there = point_observations(unseen(batch, seen), 1)
    H, y = seen_there.H, seen_there.values
    np.testing.assert_array_equal(H.seen, seen[1])
    innovation = y - H(batch.background[1])
    assert not innovation[~seen[1]].any() and innovation[seen[1]].all()
