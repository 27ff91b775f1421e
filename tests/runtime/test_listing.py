"""Several things in words: all of a few, or the first with the number of the rest."""

import numpy as np
import pytest

from dambench_hub.runtime.listing import NAMED, listed


@pytest.mark.parametrize("count", range(6))
def test_the_first_are_named_and_the_rest_counted(count):
    text = listed(list(range(count)))
    named = text.partition(" and ")[0].split(", ") if count else []
    assert named == [str(number) for number in range(min(count, NAMED))]
    assert text.endswith(f" and {count - NAMED} more") == (count > NAMED)


def test_times_are_whole_hours():
    assert listed(np.array(["2024-02-27T06"], "datetime64[ms]")) == "2024-02-27T06"
