"""What the two forms of 4D-Var share, on a small model: the window, its limits, and the file."""

from dataclasses import replace

import numpy as np
import pytest
from drifting_world import (
    CHANNELS,
    GRID,
    SCALE,
    SHAPE,
    START,
    Drifting,
    Shining,
    error,
    observe,
    training,
)

from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.errors import DataError, ForecastError, TaskError
from dambench_hub.models.modality_errors import ModalityErrors
from dambench_hub.models.registry import load_method, method_class

FORMS = (("var4d", "zonal"), ("var4d", "spectral"), ("weak_var4d", "zonal"))
OPTIONS = {"background_scale": 1.0, "max_iterations": 50}


class Jumping(ForecastModel):
    """Without an adjoint."""

    name = "jumping"
    state_shape = SHAPE
    step_hours = 6.0

    def advance(self, states, hours, start=None):
        return self.require_states(states)


def with_model(method, model):
    method.view = ChannelStates(model, CHANNELS, GRID)
    return method


@pytest.fixture(scope="module", params=FORMS, ids=" ".join)
def fitted(request):
    name, form = request.param
    return method_class(name).fit(training(), covariance=form, **OPTIONS)


@pytest.fixture
def method(fitted):
    return with_model(fitted, Drifting(curvature=0.2))


@pytest.fixture
def truth(rng):
    return error(rng)


@pytest.fixture
def window(truth, rng):
    """Observations 6 and 12 h after the start."""
    model = Drifting(curvature=0.2)
    return [observe(model.advance(truth, hours), hours, 30, rng) for hours in (6, 12)]


def test_the_analysis_is_nearer_to_the_truth_at_all_times(method, truth, window, rng):
    background, method = truth + error(rng), replaced(method, max_iterations=200)
    analysis = method.assimilate_window(background, START, window)
    assert analysis.converged and analysis.trajectory.shape == (3, *SHAPE)
    forecast = np.stack([method.view.model.advance(background, h) for h in (0, 6, 12)])
    right = np.stack([method.view.model.advance(truth, h) for h in (0, 6, 12)])
    came = analysis.trajectory
    before, after = (np.mean((x - right) ** 2, axis=(2, 3)) for x in (forecast, came))
    assert np.all(after < 0.5 * before)
    last = method.analyse_states(background, START, window[::-1])
    np.testing.assert_allclose(last, came[-1], atol=1e-2)


def test_observations_at_several_times_beat_those_of_one(method, truth, window, rng):
    backgrounds = truth + np.stack([error(rng) for _ in range(4)])
    end = method.view.model.advance(truth, 12)

    def miss(batches):
        ends = [method.analyse_states(x, START, batches) for x in backgrounds]
        return np.mean((np.array(ends) - end) ** 2, axis=(0, 2, 3))

    assert np.all(miss(window) < 0.9 * miss(window[1:]))


def test_without_observations_the_background_keeps_its_bits(method, truth, window):
    assert method.assimilate_window(truth, START, []).trajectory.tobytes() == truth.tobytes()
    empty = [observe(truth, 12, 0, np.random.default_rng(0))]
    analysis = method.assimilate_window(truth, START, empty)
    np.testing.assert_array_equal(analysis.trajectory[0], truth)
    forecast = method.view.model.advance(truth, 12)
    np.testing.assert_allclose(analysis.trajectory[1], forecast - method.bias / 2, rtol=1e-12)


def test_a_drift_of_the_model_is_taken_from_it(method, truth, window, rng):
    """A model that drifts as its forecasts' mean error says is as good as one that does not."""
    background, drift = truth + error(rng), 0.3 * SCALE * np.ones(SHAPE)
    unbiased = type(method)(method.channels, method.covariance, 0 * drift)
    unbiased = with_model(unbiased, Drifting(curvature=0.2))
    of_12_hours = type(method)(method.channels, method.covariance, 2 * drift, lead_hours=12)
    of_12_hours = with_model(of_12_hours, Drifting(curvature=0.2, shift=drift))
    wanted, came = (
        one.assimilate_window(background, START, window).trajectory
        for one in (unbiased, of_12_hours)
    )
    np.testing.assert_allclose(came / SCALE, wanted / SCALE, atol=1e-6)


def test_worthless_observations_change_nothing(method, truth, window, rng):
    far = [replace(one, observation_error_std=1e6 * one.observation_error_std) for one in window]
    background = truth + error(rng)
    came = method.assimilate_window(background, START, far).trajectory[0]
    np.testing.assert_allclose(came, background, atol=1e-3)


def test_exact_observations_are_met(method, truth, rng):
    exact = observe(truth, 0, 10, rng, noise=0)
    exact = replace(exact, observation_error_std=0 * exact.observation_error_std)
    method = replaced(method, tolerance=1e-3, max_iterations=500)
    came = method.analyse_states(truth + error(rng), START, [exact])
    misfit = came.reshape(2, -1)[:, exact.observation_index[0]] - exact.observation_values[0]
    assert np.all(np.abs(misfit) < 0.1 * method.covariance.scale[:, None])


def test_a_window_that_grows_searches_several_times(method, truth, window, rng):
    third = observe(method.view.model.advance(truth, 36), 36, 30, rng)
    background = truth + error(rng)
    growing = replaced(method, growth_hours=12.0).assimilate_window(
        background, START, [*window, third]
    )
    assert len(growing.searches) == 2  # until 12 h, and until 36 h
    once = method.assimilate_window(background, START, [*window, third])
    np.testing.assert_allclose(growing.trajectory[0], once.trajectory[0], atol=0.05 * 250)


def test_saved_and_loaded_it_is_the_same(method, truth, window, rng, tmp_path):
    method = replaced(method, background_scale=0.5, growth_hours=6)
    method.save(tmp_path)
    again = load_method(tmp_path)
    assert again.view is None and again.options == method.options
    again.view = method.view
    background = truth + error(rng)
    np.testing.assert_array_equal(
        again.analyse_states(background, START, window),
        method.analyse_states(background, START, window),
    )


def shining(method, **options):
    """The method with a model that shines, and errors of what is seen of that."""
    method = with_model(replaced(method, **options), Shining(curvature=0.2))
    method.modality_errors = {"olr": ModalityErrors(np.full(9, 0.5), np.full(9, 0.02))}
    return method


def radiation(truth, hours=24, points=0):
    """A batch with the mean radiation of a window from the truth on, 0.5 too much, with gaps."""
    model = Shining(curvature=0.2)
    end, means = model.advance_with_means(truth, hours)
    seen = means["olr"][None] + 0.5
    seen[:, :, :5] = np.nan
    batch = observe(end, hours, points, np.random.default_rng(0))
    return replace(batch, modalities={"olr": seen.astype("f4")})


def test_a_mean_over_the_window_brings_its_states_nearer_to_the_truth(method, truth, rng):
    """Where nothing else is observed, whether the window has one step or several."""
    background = truth + error(rng)
    for one in shining(method), shining(method, modalities=["olr", "precipitation"]):
        for batches in [radiation(truth)], [observe(truth, 6, 0, rng), radiation(truth)]:
            came = one.assimilate_window(background, START, batches).trajectory
            assert came.shape == (1 + len(batches), *SHAPE)
            before, after = (np.mean((x - truth)[0] ** 2) for x in (background, came[0]))
            assert after < 0.5 * before


def test_gradient_with_means_against_finite_differences(method, truth, rng):
    cost = shining(method).cost(truth + error(rng), START, [radiation(truth, points=10)])
    v = 0.3 * rng.normal(size=cost.controls)
    J, gradient = cost(v)
    step = 0.01 * gradient / np.linalg.norm(gradient)
    slope = (cost(v + step)[0] - cost(v - step)[0]) / 2
    np.testing.assert_allclose(slope, gradient @ step, rtol=1e-3)


def test_modalities_that_cannot_be_used_change_no_bit(method, truth, rng):
    """The model has no such means, the window another length, nobody knows the errors, all NaN."""
    background, batch = truth + error(rng), radiation(truth, points=20)
    early = radiation(truth, hours=12, points=20)
    unseen = replace(batch, modalities={"olr": np.full((1, *GRID.shape), np.nan, "f4")})
    blind = with_model(replaced(method), Drifting(curvature=0.2))
    blind.modality_errors = shining(method).modality_errors
    unfitted = with_model(replaced(method), Shining(curvature=0.2))
    for one, given in (
        (blind, batch),
        (shining(method), early),
        (unfitted, batch),
        (shining(method, modalities=[]), batch),
        (shining(method), unseen),
    ):
        wanted = one.analyse_states(background, START, [replace(given, modalities={})])
        np.testing.assert_array_equal(one.analyse_states(background, START, [given]), wanted)


def test_errors_of_modalities_are_fitted_and_saved(method, tmp_path):
    def shone():
        for batch in training():
            seen = {"olr": np.full((1, *GRID.shape), batch.background.mean(), "f4")}
            yield replace(batch, modalities=seen, background_modalities={"olr": 0.5 * seen["olr"]})

    fitted = type(method).fit(shone())
    fitted.save(tmp_path)
    for one in fitted, load_method(tmp_path):
        half = np.array([batch.modalities["olr"].mean() / 2 for batch in shone()])
        np.testing.assert_allclose(one.modality_errors["olr"].bias, half.mean(), rtol=1e-5)
        np.testing.assert_allclose(one.modality_errors["olr"].std, half.std(), rtol=1e-5)
    assert method.modality_errors == {}


def test_a_damaged_file_is_refused(method, tmp_path):
    method.save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="Fit the method again"):
        type(method).load(tmp_path)


def replaced(method, **options):
    """The same with other options."""
    other = type(method)(
        method.channels, method.covariance, method.bias, **{**method.options, **options}
    )
    other.view = method.view
    return other


def test_a_single_time_is_a_task_for_3d_var(method, window):
    with pytest.raises(TaskError, match=r"Use var3d; or run it .* baselines/cycle.py .*var4d"):
        method.assimilate(window[0])


def test_observations_outside_the_window_are_refused(method, truth, window):
    late = START + np.timedelta64(7, "h")
    with pytest.raises(DataError, match=r"2022-01-01T06 lie before the window, .* 2022-01-01T07"):
        method.assimilate_window(truth, late, window)
    far = replace(window[0], time=window[0].time + np.timedelta64(60, "h"))
    with pytest.raises(ForecastError, match="66 h is longer than the 48 h .* drifting allows"):
        method.assimilate_window(truth, START, [far])
    between = replace(window[0], time=window[0].time + np.timedelta64(1, "h"))
    with pytest.raises(ForecastError, match="7 h is no whole number"):
        method.assimilate_window(truth, START, [between])


def test_models_that_cannot_serve_are_refused(fitted, method, truth, window):
    with pytest.raises(ForecastError, match="jumping is not differentiable"):
        with_model(fitted, Jumping()).assimilate_window(truth, START, window)
    with pytest.raises(ForecastError, match="diverged in step 2"):
        with_model(fitted, Drifting(growth=1e300)).assimilate_window(truth, START, window)
    method.view = None
    with pytest.raises(TaskError, match="set method.view"):
        method.assimilate_window(truth, START, window)
    method.view = ChannelStates(Drifting(), ("z500", "v500"), GRID)
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate_window(truth, START, window)


def test_backgrounds_and_batches_that_cannot_be_used_are_refused(method, truth, window):
    with pytest.raises(DataError, match="background is not finite"):
        method.assimilate_window(np.full_like(truth, np.nan), START, window)
    with pytest.raises(ForecastError, match=r"shape \(2, 9, 16\)"):
        method.assimilate_window(truth[:, 1:], START, window)
    other = replace(window[0], channels=("z500", "v500"))
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate_window(truth, START, [other])
    coarse = observe(truth, 6, 3, np.random.default_rng(0))
    coarse = replace(coarse, grid=Grid(5, 8), background=np.zeros((1, 2, 5, 8), np.float32))
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate_window(truth, START, [coarse])
    one = window[0]
    twice = {
        name: np.repeat(getattr(one, name), 2, axis=0)
        for name in ("time", "background", "observation_index", "observation_values")
    }
    with pytest.raises(DataError, match="one sample for each time, got 2"):
        method.assimilate_window(truth, START, [replace(one, **twice)])


@pytest.mark.parametrize(
    "options",
    [
        {"lead_hours": 0.0},
        {"background_scale": 0.0},
        {"tolerance": 0.0},
        {"max_iterations": 0},
        {"growth_hours": 0.0},
    ],
)
def test_options_out_of_range_are_refused(method, options):
    with pytest.raises(TaskError, match="Wanted lead_hours > 0, background_scale > 0"):
        replaced(method, **options)


def test_modalities_are_named(method):
    assert replaced(method, modalities="olr").modalities == ("olr",)
    with pytest.raises(TaskError, match=r"no modality 'orl'. Did you mean 'olr'"):
        replaced(method, modalities=["precipitation", "orl"])


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(TaskError, match="needs training samples"):
        method_class("var4d").fit([])
