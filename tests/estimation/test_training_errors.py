"""Few errors are kept whole, many evenly thinned; all of them count for the mean."""

import numpy as np

from dambench_hub.estimation.training_errors import TrainingErrors


def filled(count, most):
    errors = TrainingErrors(most)
    for n in range(count):
        errors.add(np.full((2, 1, 3), float(n)), 240 * n)
    return errors


def test_few_errors_are_kept():
    errors = filled(5, most=8)
    assert len(errors) == 5
    np.testing.assert_array_equal(errors.hours, 240 * np.arange(5))
    np.testing.assert_allclose(
        (errors.deviations() + errors.bias)[:, 0, 0, 0], np.arange(5), atol=1e-6
    )


def test_many_are_thinned_evenly():
    for count in (9, 16, 17, 100, 1000):
        errors = filled(count, most=8)
        steps = np.diff(errors.hours)
        assert 4 <= len(errors) <= 8 and np.all(steps == steps[0]) and errors.hours[0] == 0
        assert errors.hours[-1] + steps[0] >= 240 * count


def test_all_errors_count_for_the_mean():
    errors = filled(100, most=8)
    np.testing.assert_allclose(errors.sums.mean, 49.5)
    np.testing.assert_allclose(errors.bias, 49.5, rtol=0.02)
