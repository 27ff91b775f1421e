"""Masks are found however deep they lie."""

import numpy as np
import pytest

from dambench_hub.coordinates.missing import is_masked

HIDDEN = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize("values", [HIDDEN, [HIDDEN], ([1.0], [HIDDEN]), [[np.ma.masked]]])
def test_a_mask_is_found(values):
    assert is_masked(values)


@pytest.mark.parametrize("values", [1.0, [1, 2.0], np.zeros(3), np.ma.zeros(3), [np.ma.zeros(3)]])
def test_what_is_not_masked(values):
    assert not is_masked(values)
