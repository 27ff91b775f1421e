"""From increments of channels to those of a model state, and what comes back of them."""

import numpy as np
import pytest

from dambench_hub.errors import ForecastError


@pytest.fixture(scope="module")
def increment(circulation_view, grown_states):
    """The difference of two states in channels, float64."""
    first, second = circulation_view.see(grown_states).astype(np.float64)
    return second - first


@pytest.fixture(scope="module")
def columns(circulation_view):
    """Variables of a state's columns, T, q, u, v, (4, K, Y, X), and ln p_s, (Y, X)."""

    def columns(state):
        of = circulation_view._increments.columns(state)
        upper = [of.columns.temperature, of.columns.specific_humidity, of.u, of.v]
        shape = circulation_view.grid.shape
        pressure = np.log(of.columns.surface_pressure).reshape(shape)
        return np.reshape(upper, (4, -1, *shape)), pressure

    return columns


def recovered(grid, wanted, found):
    """1 − ⟨(found − wanted)²⟩ / variance of what is wanted, over the sphere."""
    weights = grid.weights[:, None] / grid.size
    mean = (weights * wanted).sum(axis=(-2, -1), keepdims=True)
    missed = (weights * (found - wanted) ** 2).sum(axis=(-2, -1))
    return 1 - missed / (weights * (wanted - mean) ** 2).sum(axis=(-2, -1))


def test_without_increment_a_state_keeps_its_bits(circulation_view, grown_states, increment):
    same = circulation_view.add(grown_states, np.zeros((2, *increment.shape)))
    assert same.tobytes() == grown_states.tobytes()


def test_the_difference_of_two_states_comes_back(
    circulation_view, grown_states, increment, columns
):
    """At least 95 % of its variance on levels 2 to 8; the top level lies above the channels."""
    first, second = grown_states
    before, after, found = map(columns, (first, second, circulation_view.add(first, increment)))
    wanted, got = after[0] - before[0], found[0] - before[0]
    share = recovered(circulation_view.grid, wanted, got)  # (4, K): t, q, u, v
    assert share[:, 1:].min() > 0.95
    assert share[[0, 2, 3], 1:].min() > 0.99
    assert share[[0, 2, 3], 0].min() > 0.95 and share[1, 0] > 0, "humidity at 25 hPa is unseen"
    assert recovered(circulation_view.grid, after[1] - before[1], found[1] - before[1]) > 0.99


def test_vorticity_and_divergence_come_back_too(circulation_view, grown_states, increment):
    first, second = grown_states
    unpack = circulation_view.model.vector.unpack
    wanted, found = unpack(second - first), unpack(circulation_view.add(first, increment) - first)
    for name, least in (("vorticity", 0.99), ("divergence", 0.95)):
        missed = ((found[name] - wanted[name]) ** 2).sum(axis=(1, 2))
        share = 1 - missed / (wanted[name] ** 2).sum(axis=(1, 2))
        assert share[1:].min() > least


def test_the_channels_are_then_those_wanted(circulation_view, grown_states, increment):
    analysed = circulation_view.see(circulation_view.add(grown_states[0], increment))
    wanted = circulation_view.see(grown_states[1])
    share = recovered(circulation_view.grid, increment, increment + analysed - wanted)
    humidity = [circulation_view.channels.index(f"q{p}") for p in (50, 100, 150, 200)]
    assert np.delete(share, humidity).min() > 0.98
    assert share[humidity[1:]].min() > 0.9


def test_members_do_not_know_of_one_another(circulation_view, grown_states, increment):
    both = circulation_view.add(grown_states, np.stack([increment, -0.1 * increment]))
    alone = circulation_view.add(grown_states[1], -0.1 * increment)
    np.testing.assert_array_equal(both[1], alone)


def test_columns_dry_to_zero_and_not_below(circulation_view, grown_states, columns):
    """Twice as much humidity is taken as there is."""
    dry = np.zeros((69, *circulation_view.grid.shape))
    humidity = slice(17, 30)
    dry[humidity] = -2 * circulation_view.see(grown_states[0])[humidity]
    q = columns(circulation_view.add(grown_states[0], dry))[0][1]
    before = columns(grown_states[0])[0][1]
    assert q[4:].max() < 0.02 * before[4:].max()


def test_linear_increments_are_those_of_small_ones(circulation_view, grown_states, increment):
    """Of all but humidity, though that is incremented too."""
    forward, _ = circulation_view.linear_increments(grown_states[0])
    small, unpack = 1e-3 * increment, circulation_view.model.vector.unpack
    numeric = unpack(circulation_view.add(grown_states[0], small) - grown_states[0])
    linear = unpack(forward(small))
    for name in numeric.keys() - {"specific_humidity"}:
        missed = np.linalg.norm(numeric[name] - linear[name])
        assert missed < 1e-6 * np.linalg.norm(linear[name]), name


@pytest.mark.parametrize("size", [0.2, 1.0])
def test_linear_increments_bring_humidity_too(
    circulation_view, grown_states, increment, columns, size
):
    """As large as analyses make them; where it is driest less than `add`, which sees the zero."""
    state, grid = grown_states[0], circulation_view.grid
    forward, _ = circulation_view.linear_increments(state)
    before, after = (columns(of)[0][1] for of in grown_states)
    found = columns(state + forward(size * increment))[0][1] - before
    share = recovered(grid, size * (after - before), found)
    assert share[1:].min() > 0.6 and share[4:].min() > 0.94


def test_adjoint(circulation_view, grown_states, increment, rng):
    """For each variable of the state alone: their units differ by powers of ten."""
    state, vector = grown_states[0], circulation_view.model.vector
    forward, adjoint = circulation_view.linear_increments(state)
    every = vector.unpack(rng.standard_normal(state.shape))
    nothing = {name: np.zeros_like(field) for name, field in every.items()}
    for name in every:
        sensitivity = vector.pack(nothing | {name: every[name]})
        expected = np.vdot(forward(increment), sensitivity)
        np.testing.assert_allclose(np.vdot(increment, adjoint(sensitivity)), expected, rtol=1e-8)


def test_increments_that_are_none_are_refused(circulation_view, grown_states, increment):
    with pytest.raises(ForecastError, match=r"have shape \(2, 69, 33, 64\).*got \(69, 33, 64\)"):
        circulation_view.add(grown_states, increment)
    with pytest.raises(ForecastError, match="must be finite"):
        circulation_view.add(grown_states[0], np.where(increment > 0, np.nan, increment))
