"""The best model: the one of the largest skill, whatever its error is."""

from dambench_hub.training.selection import Validation
from dambench_hub.training.state import Progress


def test_the_best_is_that_of_the_largest_skill():
    assert Progress().is_best(Validation(-3.0, 0.2, 0.1)), "the first is the best so far"
    progress = Progress(best_step=2, best_mse=0.2, best_skill=10.0)
    assert progress.is_best(Validation(11.0, 0.3, 0.4))
    assert not progress.is_best(Validation(9.0, 0.1, 0.4))
    assert not progress.is_best(Validation(10.0, 0.1, 0.4)), "the first of equals stays"


def test_without_skill_the_smallest_error_counts():
    older = Progress(best_step=2, best_mse=0.2)
    assert older.is_best(Validation(10.0, 0.1, 0.4))
    assert not older.is_best(Validation(10.0, 0.3, 0.4))
    perfect_background = Validation(None, 0.1, 0.0)
    assert Progress(best_step=2, best_mse=0.2, best_skill=10.0).is_best(perfect_background)
