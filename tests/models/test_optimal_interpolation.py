"""Optimal interpolation is the best linear analysis, for every network, and within its limits."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.isotropic_covariance import IsotropicCovariance
from dambench_hub.models.optimal_interpolation import OptimalInterpolation
from dambench_hub.models.registry import load_method
from dambench_hub.observations.networks import ObservationSettings, draw_observations

GRID = Grid(9, 16)
CHANNELS = ("z500", "t850", "q700")
SCALE = np.array([300.0, 2.0, 1e-3])
MEAN = np.array([5e4, 280.0, 5e-3])[:, None, None]
NETWORKS = ("column", "stations", "iid")


@pytest.fixture(scope="module")
def B():
    modes = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    variances = np.array([[0.5, 1.5], [0.8, 0.0], [0.1, 0.1]])
    return IsotropicCovariance(GRID, SCALE, modes, variances, np.array([1500.0, 4000.0]))


@pytest.fixture(scope="module")
def dense(B):
    return B(np.eye(3 * GRID.size).reshape(-1, 3, *GRID.shape)).reshape(3 * GRID.size, -1)


def make_batch(dense, size=3, network="column", error_std=0.25 * SCALE, density=0.1, start=0):
    """References, backgrounds with errors from N(0, B), observations."""
    rng = np.random.default_rng([7, start])
    values, vectors = np.linalg.eigh(dense)
    root = vectors * np.sqrt(np.maximum(values, 0))
    shape = (size, 3, *GRID.shape)
    error = (rng.normal(size=(size, len(root))) @ root.T).reshape(shape)
    reference = (
        (MEAN + 3 * SCALE[:, None, None] * rng.normal(size=(size, 3, 1, 1)))
        .repeat(GRID.latitudes, axis=2)
        .repeat(GRID.longitudes, axis=3)
    )
    time = np.datetime64("2001-01-01", "h") + 24 * np.arange(start, start + size)
    settings = ObservationSettings(network=network, density=density)
    drawn = [
        draw_observations(settings, GRID, x, error_std, t)
        for x, t in zip(reference, time, strict=True)
    ]
    return Batch(
        channels=CHANNELS,
        grid=GRID,
        time=time,
        background=(reference + error).astype(np.float32),
        observation_index=np.stack([index for index, _ in drawn]),
        observation_values=np.stack([values for _, values in drawn]),
        observation_error_std=error_std,
        reference=reference.astype(np.float32),
    )


def double(batch):
    """The same batch in float64, so that results can be compared beyond single precision."""
    return replace(
        batch,
        background=batch.background.astype(np.float64),
        observation_values=batch.observation_values.astype(np.float64),
    )


def best_linear_increment(dense, batch, n, bias):
    """B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b) with matrices."""
    index = np.broadcast_to(batch.observation_index[n], batch.observation_values[n].shape)
    rows = (index + GRID.size * np.arange(3)[:, None]).ravel()
    R = np.diag(np.repeat(batch.observation_error_std**2, index.shape[1]))
    innovation = batch.observation_values[n].ravel() - (batch.background[n] - bias).ravel()[rows]
    gain = np.linalg.solve(dense[np.ix_(rows, rows)] + R, dense[rows]).T
    return (gain @ innovation).reshape(3, *GRID.shape)


@pytest.fixture
def method(B):
    return OptimalInterpolation(CHANNELS, B, np.zeros((3, *GRID.shape)))


@pytest.mark.parametrize("error_std", [0.25 * SCALE, SCALE * [0.1, 0.5, 1]], ids=["same", "other"])
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_dense_best_linear_analysis(B, dense, network, error_std):
    bias = np.random.default_rng(0).normal(size=(3, *GRID.shape)) * SCALE[:, None, None]
    batch = double(make_batch(dense, network=network, error_std=error_std))
    found = OptimalInterpolation(CHANNELS, B, bias).assimilate(batch).mean
    for n in range(len(batch)):
        wanted = batch.background[n] - bias + best_linear_increment(dense, batch, n, bias)
        difference = (found[n] - wanted) / SCALE[:, None, None]
        assert np.abs(difference).max() < 1e-8


@pytest.mark.parametrize("network", NETWORKS)
def test_useless_observations_leave_the_background(method, dense, network):
    batch = make_batch(dense, network=network, error_std=1e6 * SCALE)
    batch = replace(
        batch, observation_values=batch.observation_values * 0 + MEAN[:, 0].astype("f4")
    )
    np.testing.assert_allclose(method.assimilate(batch).mean, batch.background, rtol=1e-6)


def test_useless_observations_leave_the_background_without_its_bias(B, dense):
    bias = np.ones((3, *GRID.shape)) * SCALE[:, None, None]
    batch = make_batch(dense, error_std=1e9 * SCALE)
    batch = replace(batch, observation_values=batch.observation_values * 0)
    analysis = OptimalInterpolation(CHANNELS, B, bias).assimilate(batch).mean
    np.testing.assert_allclose(analysis, batch.background - bias, rtol=1e-6)


def test_exact_observations_are_fitted(method, dense):
    batch = make_batch(dense, error_std=0 * SCALE, density=0.05)
    analysis = method.assimilate(batch).mean.reshape(3, 3, -1)
    at = np.take_along_axis(analysis, batch.observation_index[:, None], axis=2)
    residual = (batch.observation_values - at) / SCALE[:, None]
    assert np.abs(residual).max() < 0.02  # the floor of the observation error is 0.01


def test_one_observation_spreads_as_a_column_of_the_covariance(method, dense):
    batch = make_batch(dense, size=1)
    point = np.array([[70]], np.int32)
    values = batch.background.reshape(1, 3, -1)[..., 70:71].copy()
    values[0, 1] += 2.0
    batch = replace(batch, observation_index=point, observation_values=values)
    increment = (method.assimilate(batch).mean - batch.background)[0] / SCALE[:, None, None]
    block = dense.reshape(3, GRID.size, 3, GRID.size)[..., 70]  # (C, Y·X, C)
    at_point = block[:, 70] + np.diag(batch.observation_error_std**2)
    innovation = values[0, :, 0] - batch.background[0].reshape(3, -1)[:, 70]
    wanted = (block @ np.linalg.solve(at_point, innovation)).reshape(3, *GRID.shape)
    np.testing.assert_allclose(increment, wanted / SCALE[:, None, None], atol=1e-4)


@pytest.mark.parametrize("network", ["column", "iid"])
def test_error_variance_is_what_theory_says(method, dense, network):
    """Var(x^a − x) = diag((I − K H) B), averaged over a network that changes."""
    expected, found = np.zeros(3), np.zeros(3)
    for start in range(0, 200, 20):
        batch = make_batch(dense, size=20, network=network, start=start)
        analysis = method.assimilate(batch).mean
        found += ((analysis - batch.reference) ** 2).mean(axis=(2, 3)).sum(axis=0)
        for n in range(20):
            index = np.broadcast_to(batch.observation_index[n], batch.observation_values[n].shape)
            rows = (index + GRID.size * np.arange(3)[:, None]).ravel()
            R = np.diag(np.repeat(batch.observation_error_std**2, index.shape[1]))
            explained = dense[rows] * np.linalg.solve(dense[np.ix_(rows, rows)] + R, dense[rows])
            variance = np.diagonal(dense) - explained.sum(axis=0)
            expected += variance.reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=0.1)


@pytest.mark.parametrize("network", ["column", "iid"])
def test_turning_the_globe_turns_the_analysis(method, dense, network):
    batch = make_batch(dense, size=1, network=network)
    rows, columns = np.divmod(batch.observation_index, GRID.longitudes)
    turned = rows * GRID.longitudes + (columns + 3) % GRID.longitudes
    order = np.argsort(turned, axis=-1)
    values = np.take_along_axis(
        batch.observation_values,
        np.broadcast_to(order if network == "iid" else order[:, None], (1, 3, order.shape[-1])),
        axis=2,
    )
    rolled = replace(
        batch,
        background=np.roll(batch.background, 3, axis=-1),
        observation_index=np.take_along_axis(turned, order, axis=-1),
        observation_values=values,
    )
    wanted = np.roll(method.assimilate(batch).mean, 3, axis=-1)
    np.testing.assert_allclose(method.assimilate(rolled).mean, wanted, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_samples_are_independent_and_runs_repeat(method, dense, network):
    batch = make_batch(dense, network=network)
    together = method.assimilate(batch).mean
    np.testing.assert_array_equal(method.assimilate(batch).mean, together)
    for n in range(3):
        alone = Batch(
            channels=CHANNELS,
            grid=GRID,
            time=batch.time[n : n + 1],
            background=batch.background[n : n + 1],
            observation_index=batch.observation_index[n : n + 1],
            observation_values=batch.observation_values[n : n + 1],
            observation_error_std=batch.observation_error_std,
        )
        np.testing.assert_allclose(method.assimilate(alone).mean[0], together[n], rtol=1e-6)


def test_reference_is_not_read(method, dense):
    batch = make_batch(dense)
    wanted = method.assimilate(batch).mean
    np.testing.assert_array_equal(method.assimilate(batch).time, batch.time)
    np.testing.assert_array_equal(method.assimilate(batch.without_reference()).mean, wanted)
    poisoned = replace(batch, reference=np.full_like(batch.reference, np.nan))
    np.testing.assert_array_equal(method.assimilate(poisoned).mean, wanted)


@pytest.fixture(scope="module")
def fitted(dense):
    training = (make_batch(dense, size=4, start=start) for start in range(1000, 1120, 4))
    return load_method("optimal_interpolation", training)


@pytest.mark.parametrize("network", NETWORKS)
def test_fitted_from_training_batches_it_beats_the_background(fitted, dense, network):
    batch = make_batch(dense, size=20, network=network, density=0.2)
    analysis = fitted.assimilate(batch).mean
    assert analysis.dtype == np.float32 and np.all(np.isfinite(analysis))

    def mse(x):
        return ((x - batch.reference) ** 2).mean(axis=(0, 2, 3))

    assert np.all(mse(analysis) < 0.8 * mse(batch.background))


def test_fitted_it_is_nearly_as_good_as_with_the_true_covariance(fitted, method, dense):
    batch = make_batch(dense, size=40)
    error = {
        name: (((m.assimilate(batch).mean - batch.reference) / SCALE[:, None, None]) ** 2).mean()
        for name, m in {"fitted": fitted, "true": method}.items()
    }
    assert error["true"] < error["fitted"] * 1.02
    assert error["fitted"] < 1.1 * error["true"]


def test_saved_and_loaded_it_is_the_same(fitted, dense, tmp_path):
    fitted.save(tmp_path)
    batch = make_batch(dense)
    again = load_method(tmp_path)
    np.testing.assert_array_equal(again.assimilate(batch).mean, fitted.assimilate(batch).mean)


def test_damaged_folder(fitted, tmp_path):
    fitted.save(tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    save_file(arrays | {"bias": arrays["bias"].astype("i1")}, path)
    with pytest.raises(DataError, match="bias of whole numbers"):
        load_method(tmp_path)
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match="Fit the method again"):
        load_method(tmp_path)


def test_another_data_set_is_refused(method, dense):
    batch = replace(make_batch(dense), channels=("u10", "v10", "t2m"))
    with pytest.raises(DataError, match="channels"):
        method.assimilate(batch)


def test_nothing_to_fit(dense):
    with pytest.raises(TaskError, match="training"):
        OptimalInterpolation.fit([])
    with pytest.raises(TaskError, match="reference"):
        OptimalInterpolation.fit([make_batch(dense).without_reference()])
