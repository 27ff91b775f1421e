"""Parts about the equator: they are even and odd, and sums over them are sums over all rows."""

import numpy as np
import pytest

from dambench_hub.coordinates.parity import parity_matrices, parity_parts


@pytest.mark.parametrize("latitudes", [1, 8, 9])
def test_sums_over_the_parts_are_those_over_all_rows(latitudes, rng):
    matrix, field = rng.normal(size=(5, latitudes)), rng.normal(size=(latitudes, 3))
    parts = zip(parity_matrices(matrix), parity_parts(field), strict=True)
    np.testing.assert_allclose(sum(M @ part for M, part in parts), matrix @ field, atol=1e-13)


@pytest.mark.parametrize(("latitudes", "sign"), [(9, 1), (9, -1), (8, 1), (8, -1)])
def test_what_is_even_has_no_odd_part(latitudes, sign, rng):
    field = rng.normal(size=(latitudes, 3))
    field += sign * field[::-1]
    even, odd = parity_parts(field)
    assert not (odd if sign == 1 else even).any()
    kept = even if sign == 1 else odd
    np.testing.assert_array_equal(kept, 2 * field[: len(kept)])
