"""Errors by time and channel come back as they were, to the digits of float32."""

import numpy as np
import pytest

from dambench_hub.leaderboard.store.packed_errors import packed, unpacked


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (120, 69), (3, 0)])
def test_what_is_packed_is_unpacked(rng, shape):
    errors = np.exp(rng.normal(0, 8, size=shape))
    found = unpacked(packed(errors))
    assert (found.shape, found.dtype) == (shape, np.float64)
    np.testing.assert_allclose(found, errors, rtol=1e-6)


def test_what_float32_holds_is_exact(rng):
    errors = rng.normal(size=(5, 4)).astype("f4")
    np.testing.assert_array_equal(unpacked(packed(errors)), errors)


def test_neighbours_that_are_alike_take_fewer_bytes(rng):
    errors = np.exp(rng.normal(0, 0.3, size=(120, 69)))
    assert len(packed(errors)) < 4 * errors.size
