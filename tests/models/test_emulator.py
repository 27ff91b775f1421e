"""The learned emulator: the rules of a forecast model, its adjoint, and its folder."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.func import functional_call, jvp

from dambench_hub.errors import ChannelError, DataError, ForecastError, GridError, TaskError
from dambench_hub.models.emulator import Emulator

CHANNELS, SHAPE = ("t2m", "z500", "u500", "q700"), (4, 9, 16)
START = np.datetime64("2022-07-01T06")


def make_emulator(**changes):
    """One whose weights are drawn, with the statistics of no atmosphere."""
    torch.manual_seed(0)
    emulator = Emulator(
        **{"channels": CHANNELS, "grid": "9x16", "step_hours": 6, "width": 12, "blocks": 2}
        | changes
    )
    with torch.no_grad():
        for parameter in emulator.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape))
    rng = np.random.default_rng(1)
    scale = np.array([10.0, 2000.0, 8.0, 1e-3])
    mean = np.array([280.0, 55_000.0, 5.0, 3e-3])
    place = mean[:, None, None] + 0.5 * scale[:, None, None] * rng.normal(size=SHAPE)
    return emulator.set_statistics(mean, scale, 0.3 * scale, place)


@pytest.fixture(scope="module")
def emulator():
    return make_emulator()


def states_of(emulator, rng, *members):
    mean, std = (getattr(emulator, name).double().numpy() for name in ("mean", "std"))
    return mean + std * rng.normal(size=(*members, *SHAPE))


def test_two_forecasts_in_a_row_are_one_to_the_last_bit(emulator, rng):
    x = states_of(emulator, rng, 2)
    first = emulator.advance(x, 6, START)
    assert first.dtype == np.float64
    both = emulator.advance(first, 12, START + np.timedelta64(6, "h"))
    np.testing.assert_array_equal(both, emulator.advance(x, 18, START))
    np.testing.assert_array_equal(emulator.advance(x, 0, START), x)


def test_a_members_forecast_does_not_depend_on_the_others(emulator, rng):
    x = states_of(emulator, rng, 5)
    together = emulator.advance(x, 12, START)
    np.testing.assert_array_equal(emulator.advance(x[3], 12, START), together[3])
    x[0] = np.nan
    np.testing.assert_array_equal(emulator.advance(x, 12, START)[1:], together[1:])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_forecast_that_breaks_down_is_returned_as_it_is(emulator, rng, value):
    x = states_of(emulator, rng)
    x[1, 4, 5] = value
    assert not np.isfinite(emulator.advance(x, 12, START)).all()


def test_an_untrained_emulator_is_persistence(rng):
    emulator = make_emulator()
    torch.nn.init.zeros_(emulator.network.last.weight)
    torch.nn.init.zeros_(emulator.network.last.bias)
    x = states_of(emulator, rng)
    np.testing.assert_array_equal(emulator.advance(x, 24, START), x)
    fresh = Emulator(channels=CHANNELS, grid="9x16", step_hours=6)
    assert not fresh.network.last.weight.any() and not fresh.network.last.bias.any()


def test_a_world_that_is_turned_has_the_turned_forecast(rng):
    emulator = make_emulator()
    x = states_of(emulator, rng)
    straight = emulator.advance(x, 12, START)
    emulator.mean_state.copy_(emulator.mean_state.roll(3, -1))
    turned = emulator.advance(np.roll(x, 3, -1), 12, START)
    np.testing.assert_allclose(turned, np.roll(straight, 3, -1), rtol=1e-5, atol=1e-5)


def test_the_season_matters_and_comes_again(emulator, rng):
    x = states_of(emulator, rng)
    july, january, next_july = (
        emulator.advance(x, 6, START + np.timedelta64(hours, "h")) for hours in (0, 4383, 8766)
    )
    scale = np.abs(july - x).max(axis=(1, 2))
    assert np.all(np.abs(january - july).max(axis=(1, 2)) > 0.01 * scale)
    assert np.all(np.abs(next_july - july).max(axis=(1, 2)) < 1e-4 * scale)


@pytest.mark.parametrize("hours", [6, 24])
def test_the_pullback_is_the_adjoint_of_the_forward_derivative(emulator, rng, hours):
    x, dx, v = states_of(emulator, rng), rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    dx *= emulator.std.numpy()
    v /= emulator.std.numpy()
    end, pullback = emulator.linearise(x, hours, START)
    np.testing.assert_array_equal(end, emulator.advance(x, hours, START))
    forward = np.vdot(tangent(emulator, x, dx, hours), v)
    np.testing.assert_allclose(np.vdot(dx, pullback(v)), forward, rtol=1e-4)
    np.testing.assert_array_equal(pullback(v), pullback(v))


def tangent(emulator, x, dx, hours):
    """M' dx by forward mode, which torch has for its own convolutions only."""
    plain = make_emulator()
    plain.load_state_dict(emulator.state_dict())
    for block in plain.network.blocks:
        block.across.fast_on_cpu = False
    seconds = 21_600 * np.arange(emulator.steps(hours))
    seasons = plain.season_of(START + seconds.astype("timedelta64[s]"))[:, None]
    frozen = {name: p.detach() for name, p in plain.named_parameters()}

    def run(state):
        for season in seasons:
            state = functional_call(plain, frozen, (state, season))
        return state

    return jvp(run, (torch.as_tensor(x[None]),), (torch.as_tensor(dx[None]),))[1][0].numpy()


def test_the_gradient_agrees_with_finite_differences_in_double_precision(rng):
    emulator = make_emulator().double()
    scale = emulator.std.numpy()
    x, target = states_of(emulator, rng, 2)

    def cost(state):
        return 0.5 * np.sum(((emulator.advance(state, 18, START) - target) / scale) ** 2)

    end, pullback = emulator.linearise(x, 18, START)
    gradient = pullback((end - target) / scale**2)
    direction = scale**2 * gradient
    direction *= 1e-4 * scale.max() / np.abs(direction).max()
    difference = (cost(x + direction) - cost(x - direction)) / 2
    np.testing.assert_allclose(difference, np.vdot(gradient, direction), rtol=1e-4)


def test_a_window_is_forecasts_with_their_adjoints(emulator, rng):
    x = states_of(emulator, rng)
    first, second = emulator.window([0, 12, 18], START)
    middle, _ = first(x)
    end, pullback = second(middle)
    np.testing.assert_array_equal(end, emulator.advance(x, 18, START))
    assert pullback(np.ones(SHAPE)).shape == SHAPE
    assert make_emulator(step_hours=240).longest_window_hours == 240
    with pytest.raises(ForecastError, match="longer than the 72 h"):
        emulator.window([0, 78], START)


def test_its_states_are_the_channels(emulator, rng):
    x = states_of(emulator, rng, 2)
    view = emulator.view()
    assert view.channels == CHANNELS and str(view.grid) == "9x16"
    np.testing.assert_array_equal(view.add(x, np.zeros_like(x)), x)


def test_a_saved_emulator_makes_the_same_bits(emulator, rng, tmp_path):
    x = states_of(emulator, rng)
    emulator.save_pretrained(tmp_path / "run" / "best")
    for folder in (tmp_path / "run" / "best", tmp_path / "run"):
        again = Emulator.from_pretrained(folder)
        np.testing.assert_array_equal(again.advance(x, 18, START), emulator.advance(x, 18, START))
    assert (again.step_hours, again.channels) == (6.0, CHANNELS)
    config = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert config["method"] == "emulator" and config["grid"] == "9x16"
    assert "steps of 6 h" in (tmp_path / "run" / "best" / "README.md").read_text()


def test_a_folder_of_something_else_is_refused(emulator, tmp_path):
    with pytest.raises(DataError, match="no folder"):
        Emulator.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"config\.json is missing"):
        Emulator.from_pretrained(tmp_path)
    emulator.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "width": 16}))
    with pytest.raises(DataError, match="have another shape"):
        Emulator.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "method": "fnp"}))
    with pytest.raises(DataError, match="holds the method fnp, not emulator"):
        Emulator.from_pretrained(tmp_path)


def test_what_cannot_be_forecast_says_why(emulator, rng):
    x = states_of(emulator, rng)
    for ask in (emulator.advance, emulator.linearise):
        with pytest.raises(ForecastError, match="steps of 6 h"):
            ask(x, 8, START)
        with pytest.raises(ForecastError, match="valid time of its states"):
            ask(x, 6)
        with pytest.raises(ForecastError, match=r"has shape \(4, 9, 16\)"):
            ask(x[:3], 6, START)
    with pytest.raises(ForecastError, match="has no statistics"):
        Emulator(channels=CHANNELS, grid="9x16", step_hours=6).advance(x, 6, START)
    with pytest.raises(ForecastError, match="has shape"):
        emulator.linearise(x[None], 6, START)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"step_hours": 0}, ForecastError, "positive time, got 0 h"),
        ({"channels": ("z501x",)}, ChannelError, "z501x"),
        ({"grid": "9by16"}, GridError, "9by16"),
        ({"width": 0}, TaskError, "width must be"),
        ({"kernel": 4}, TaskError, "kernel must be odd"),
    ],
)
def test_an_emulator_that_cannot_be_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        Emulator(**{"channels": CHANNELS, "grid": "9x16", "step_hours": 6} | changes)


def test_statistics_of_another_grid_are_refused():
    emulator = make_emulator()
    ones = np.ones(4)
    with pytest.raises(DataError, match=r"mean_state is finite numbers of shape \(4, 9, 16\)"):
        emulator.set_statistics(ones, ones, ones, np.ones((4, 8, 16)))
    with pytest.raises(DataError, match=r"std is finite"):
        emulator.set_statistics(ones, np.full(4, np.nan), ones, np.ones(SHAPE))


def test_a_channel_that_never_changes_stays(rng):
    emulator = make_emulator()
    zero, ones = np.array([0.0, 1, 1, 1]), np.ones(4)
    emulator.set_statistics(np.zeros(4), zero, zero, np.zeros(SHAPE))
    assert np.isfinite(emulator.advance(rng.normal(size=SHAPE), 12, START)).all()
    np.testing.assert_array_equal(emulator.std[:, 0, 0].numpy(), ones)


def test_the_package_needs_no_torch():
    code = "import sys, dambench_hub, dambench_hub.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
