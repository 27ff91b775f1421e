"""Lorenz's models: their equations, fourth order, exact adjoints, published growth of errors."""

import numpy as np
import pytest

from dambench_hub.dynamics.lorenz import HOURS_PER_TIME_UNIT, Lorenz63, Lorenz96
from dambench_hub.errors import ForecastError

MODELS = [Lorenz63(), Lorenz96(), Lorenz96(size=4, forcing=6.0)]


def by_name(model):
    return f"{model.name}-{model.state_shape[0]}"


def grown_state(model):
    """A state on the attractor."""
    rng = np.random.default_rng(0)
    return model.advance(3 + rng.standard_normal(model.state_shape), 300 * model.step_hours)


def test_the_equations_site_by_site():
    x = np.random.default_rng(1).normal(size=(2, 40))
    n = 40
    expected = [
        [
            (m[(i + 1) % n] - m[i - 2]) * m[i - 1] - m[i] + 8  # negative indices count from the end
            for i in range(n)
        ]
        for m in x
    ]
    np.testing.assert_allclose(Lorenz96().tendency(x), expected, rtol=1e-12)
    x, y, z = 1.0, 2.0, 3.0
    expected = [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]
    np.testing.assert_allclose(Lorenz63().tendency(np.array([x, y, z])), expected)


@pytest.mark.parametrize("model", [Lorenz63, Lorenz96])
def test_halving_the_step_leaves_a_sixteenth_of_the_error(model):
    fine, step = model(time_step=0.0005), 0.02
    x = grown_state(fine)
    truth = fine.advance(x, HOURS_PER_TIME_UNIT * step * 5)

    def error(time_step):
        forecast = model(time_step=time_step).advance(x, HOURS_PER_TIME_UNIT * step * 5)
        return np.abs(forecast - truth).max()

    assert 12 < error(step) / error(step / 2) < 20


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_forecasts_in_a_row_and_members_do_not_know_each_other(model):
    members = grown_state(model) + np.random.default_rng(2).normal(size=(5, *model.state_shape))
    h = model.step_hours
    together = model.advance(members, 7 * h)
    np.testing.assert_array_equal(model.advance(model.advance(members, 3 * h), 4 * h), together)
    np.testing.assert_array_equal(model.advance(members, 0), members)
    for member, forecast in zip(members, together, strict=True):
        np.testing.assert_array_equal(model.advance(member, 7 * h), forecast)
        np.testing.assert_array_equal(model.linearise(member, 7 * h)[0], forecast)


@pytest.mark.parametrize("steps", [0, 1, 20])
@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_adjoint(model, steps):
    """⟨M δ, v⟩ = ⟨δ, Mᵀ v⟩; a complex step gives M δ to rounding, for f is a polynomial."""
    x = grown_state(model)
    δ, v = np.random.default_rng(3).normal(size=(2, *x.shape))
    perturbed = x + 1e-30j * δ
    for _ in range(steps):
        perturbed, _ = model._step(perturbed)
    tangent = perturbed.imag / 1e-30
    pullback = model.linearise(x, steps * model.step_hours)[1]
    assert abs(tangent @ v - δ @ pullback(v)) < 1e-10 * np.linalg.norm(tangent) * np.linalg.norm(v)


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_adjoint_against_finite_differences(model):
    x, hours = grown_state(model), 10 * model.step_hours
    δ, v = np.random.default_rng(4).normal(size=(2, *x.shape))
    ahead, behind = (model.advance(x + s * 1e-5 * δ, hours) for s in (1, -1))
    expected = (ahead - behind) @ v / 2e-5
    assert δ @ model.linearise(x, hours)[1](v) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "units"), [(Lorenz63(), 300), (Lorenz96(), 150)], ids=["63", "96"]
)
def test_errors_double_as_published(model, units):
    """The leading Lyapunov exponent is 0.906 (Lorenz-63) and 1.67 (Lorenz-96, F = 8)."""
    published = {"lorenz63": 0.906, "lorenz96": 1.67}[model.name]
    x = grown_state(model)
    near = x + 1e-8 * np.random.default_rng(5).normal(size=x.shape)
    growth, stretch = 0.0, 0.5 * HOURS_PER_TIME_UNIT
    for _ in range(int(2 * units)):
        before = np.linalg.norm(near - x)
        x, near = model.advance(np.stack([x, near]), stretch)
        after = np.linalg.norm(near - x)
        growth += np.log(after / before)
        near = x + (near - x) * 1e-8 / after
    assert growth / units == pytest.approx(published, rel=0.06)
    assert model.doubling_time == pytest.approx(np.log(2) / published, rel=0.02)


def test_the_longest_window_is_ten_doublings():
    assert Lorenz96().longest_window_hours == pytest.approx(504)
    assert Lorenz63().longest_window_hours == pytest.approx(924)


def test_a_forecast_that_breaks_down_is_returned_as_it_is():
    model = Lorenz96()
    assert not np.isfinite(model.advance(np.linspace(-1e4, 1e4, 40), 600)).all()


@pytest.mark.parametrize("step", [0.0, -0.1, np.inf, np.nan])
def test_a_time_step_is_positive(step):
    with pytest.raises(ForecastError, match="must be positive"):
        Lorenz63(time_step=step)


def test_a_circle_has_four_sites():
    with pytest.raises(ForecastError, match="at least 4 sites, got 3"):
        Lorenz96(size=3)


def test_one_state_has_an_adjoint_a_batch_does_not():
    with pytest.raises(ForecastError, match=r"shape \(40,\)"):
        Lorenz96().linearise(np.zeros((2, 40)), 6)
