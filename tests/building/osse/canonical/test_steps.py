import numpy as np

from dambench_hub.building.osse.canonical.steps import coarsest_steps, find_sensitivity


def test_each_bound_is_used_up_where_rows_touch_one_channel_each(rng):
    sensitivity, allowed = np.diag(rng.uniform(1, 5, 6)), rng.uniform(1, 3, 6)
    steps = coarsest_steps(sensitivity, allowed, rng.integers(1, 50, 6))
    np.testing.assert_allclose(steps, allowed / np.sqrt(np.diag(sensitivity)), rtol=1e-6)


def test_one_bound_is_shared_by_the_number_of_coefficients(rng):
    """Largest Σ n log s² with Σ E s² = a²: E_r s_r² = a² n_r / Σ n."""
    sensitivity, counts = rng.uniform(1, 5, (1, 4)), np.array([5, 1, 3, 1])
    steps = coarsest_steps(sensitivity, np.array([2.0]), counts)
    np.testing.assert_allclose(sensitivity[0] * steps**2, 4 * counts / 10, rtol=1e-6)


def test_no_other_steps_within_the_bounds_need_fewer_bits(rng):
    sensitivity, allowed = rng.uniform(0, 1, (8, 5)) ** 3, rng.uniform(1, 2, 8)
    counts = np.array([9, 1, 4, 4, 2])
    steps = coarsest_steps(sensitivity, allowed, counts)
    assert np.all(sensitivity @ steps**2 <= allowed**2 * (1 + 1e-9))
    best = (counts * np.log(steps)).sum()
    for _ in range(300):
        other = steps * np.exp(0.2 * rng.standard_normal(5))
        other /= np.sqrt((sensitivity @ other**2 / allowed**2).max())
        assert (counts * np.log(other)).sum() < best + 1e-3


def test_sensitivity_is_a_twelfth_of_the_squared_gain(rng):
    gains = rng.uniform(0.5, 2, (3, 2))
    numbers = {"a": rng.standard_normal((4, 2, 5000))}

    def see(rows):
        return np.einsum("cr,nrx->ncx", gains, rows["a"])[..., None]

    found = find_sensitivity(numbers, see, rng)
    np.testing.assert_allclose(found, gains**2 / 12, rtol=0.05)
