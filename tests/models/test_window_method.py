"""4D-Var, strong and weak, in a linear world that turns: dense algebra knows the answer."""

import dataclasses

import numpy as np
import pytest
from turning_world import CHANNELS, GRID, Turning, build_turning_world

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data import load_data
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.errors import DataError, ForecastError, TaskError
from dambench_hub.models.registry import load_method
from dambench_hub.models.var4d import Var4D
from dambench_hub.models.weak_var4d import WeakVar4D
from dambench_hub.observations.operators import GridSelection

START = np.datetime64("2024-01-01T00")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turning") / "data"
    build_turning_world(folder)
    return load_data(folder)


@pytest.fixture(scope="module")
def make(data):
    training = list(data.batches("unimodal", "train", 8))

    def make(method=Var4D, damping=0.05, **options):
        made = method.fit(training, **options)
        made.view = ChannelStates(Turning(damping), CHANNELS, GRID)
        return made

    return make


@pytest.fixture(scope="module")
def batches(data):
    """Observations of three days."""
    return [batch.without_reference() for batch in data.batches("cycling", indices=range(3))]


@pytest.fixture
def background(data):
    return data.background("test", 0).astype(np.float64)


def dense(linear, size):
    return np.stack([linear(unit).ravel() for unit in np.eye(size)], axis=1)


def blue(method, background, batches):
    """x_0 = x_b + B Aᵀ (A B Aᵀ + R)⁻¹ (y − A x_b), with A all that is observed of a forecast."""
    shape, size, model = background.shape, background.size, method.view.model
    U = method.background_scale * dense(lambda v: method.root(v.reshape(size_of(method))), size)
    B, rows, y, variance = U @ U.T, [], [], []
    for batch in batches:
        hours = (batch.time[0] - START) / np.timedelta64(1, "h")
        H = GridSelection(len(CHANNELS), GRID, batch.observation_index[0])
        rows.append(dense(lambda x, h=hours, H=H: H(model.advance(x.reshape(shape), h)), size))
        y.append(batch.observation_values[0].ravel())
        std = np.repeat(batch.observation_error_std, batch.observation_values.shape[-1])
        variance.append(std**2)
    A, y, R = np.concatenate(rows), np.concatenate(y), np.diag(np.concatenate(variance))
    innovation = y - A @ background.ravel()
    return background + (B @ A.T @ np.linalg.solve(A @ B @ A.T + R, innovation)).reshape(shape)


def size_of(method):
    return method.root.control_shape


def test_with_a_linear_model_it_is_the_best_linear_estimate(make, background, batches):
    method = make(tolerance=5e-3, max_iterations=300)
    found = method.assimilate_window(background, START, batches)
    wanted = blue(method, background, batches)
    assert found.converged and found.trajectory.shape == (3, *background.shape)
    error = np.abs(found.trajectory[0] - wanted).max(axis=(1, 2))
    assert np.all(error < 1e-2 * np.abs(wanted - background).max(axis=(1, 2)))
    last = method.view.model.advance(found.trajectory[0], 48)
    np.testing.assert_allclose(found.trajectory[-1], last, rtol=1e-10)
    np.testing.assert_array_equal(method.analyse_states(background, START, batches), last)


def test_more_times_know_more(make, data, background, batches):
    method, reference = make(), data.reference("test", 0)
    errors = [
        np.std(method.assimilate_window(background, START, batches[:n]).trajectory[0] - reference)
        for n in (1, 2, 3)
    ]
    assert errors[2] < errors[1] < errors[0] < np.std(background - reference)


def test_a_window_may_grow(make, background, batches):
    options = {"tolerance": 1e-7, "max_iterations": 300}
    whole = make(**options).assimilate_window(background, START, batches)
    grown = make(growth=1, **options).assimilate_window(background, START, batches)
    assert len(grown.searches) > len(whole.searches)
    np.testing.assert_allclose(
        grown.trajectory, whole.trajectory, atol=1e-4 * np.abs(background).max()
    )


def test_a_smaller_b_trusts_the_background_more(make, background, batches):
    moved = [
        np.linalg.norm(
            make(background_scale=s).assimilate_window(background, START, batches).trajectory[0]
            - background
        )
        for s in (0.01, 0.3, 1.0)
    ]
    assert moved[0] < 0.05 * moved[2] and moved[1] < moved[2]


def test_weak_with_a_nearly_perfect_model_is_strong(make, background, batches):
    options = {"tolerance": 1e-7, "max_iterations": 300}
    strong = make(**options).assimilate_window(background, START, batches)
    weak = make(WeakVar4D, model_error_scale=1e-4, **options)
    found = weak.assimilate_window(background, START, batches)
    np.testing.assert_allclose(
        found.trajectory, strong.trajectory, atol=1e-4 * np.abs(background).max()
    )


def test_weak_forgives_a_model_that_is_wrong(make, data, background, batches):
    reference = data.reference("test", 2)
    strong, weak = (
        make(method, damping=0.4).analyse_states(background, START, batches) - reference
        for method in (Var4D, WeakVar4D)
    )
    assert np.all(weak.std(axis=(1, 2)) < strong.std(axis=(1, 2)))


class NoAdjoint(ForecastModel):
    name = "no_adjoint"
    state_shape = (2, 9, 16)
    step_hours = 24.0

    def advance(self, states, hours, start=None):
        return states


def test_what_cannot_be_done_is_said(make, background, batches):
    method = make()
    with pytest.raises(TaskError, match=r"single times.*Use var3d.*cycle.py var4d"):
        method.assimilate(batches[0])
    with pytest.raises(ForecastError, match="window of 72 h is longer than the 48 h"):
        method.assimilate_window(background, START - np.timedelta64(24, "h"), batches)
    with pytest.raises(DataError, match="24 h before 2024-01-02T00, where the window begins"):
        method.assimilate_window(background, START + np.timedelta64(24, "h"), batches)
    with pytest.raises(DataError, match="The background is not finite"):
        method.assimilate_window(background * np.nan, START, batches)
    other = dataclasses.replace(batches[0], channels=("z500", "t850"))
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate_window(background, START, [other])
    method.view = ChannelStates(NoAdjoint(), CHANNELS, GRID)
    with pytest.raises(ForecastError, match="no_adjoint is not differentiable"):
        method.assimilate_window(background, START, batches)
    method.view = None
    with pytest.raises(TaskError, match="needs a forecast model"):
        method.assimilate_window(background, START, batches)


def test_a_model_on_another_grid_is_refused(make, background, batches):
    class Small(Turning):
        state_shape = (2, 5, 8)

    method = make()
    method.view = ChannelStates(Small(), CHANNELS, Grid(5, 8))
    with pytest.raises(DataError, match="on 5x8"):
        method.assimilate_window(background, START, batches)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("var4d", {"background_scale": 0}, "background_scale > 0"),
        ("var4d", {"tolerance": 1}, "tolerance between 0 and 1"),
        ("var4d", {"growth": 0}, "growth is at least 1"),
        ("weak_var4d", {"model_error_scale": 0}, "Use var4d for a perfect model"),
    ],
)
def test_options_out_of_range_are_refused(data, name, options, message):
    with pytest.raises(TaskError, match=message):
        load_method(name, data.batches("unimodal", "train", 8), **options)
