import numpy as np
import pytest
from scipy.special import ndtr

from dambench_hub.building.osse.canonical.packed_integers import pack, unpack


@pytest.mark.parametrize("largest", [0, 1, 127, 128, 32639, 32640, 8_000_000])
def test_what_is_packed_comes_back(largest, rng):
    samples = rng.integers(-largest, largest + 1, (50, 3, 7))
    samples[0, 0, :2] = largest, -largest
    again = unpack(pack(samples), samples.shape)
    np.testing.assert_array_equal(again, samples)
    assert again.dtype.itemsize == (1 if largest <= 127 else 2 if largest <= 32639 else 4)


@pytest.mark.parametrize("size", [2, 20, 300])
def test_bytes_are_near_the_entropy(size, rng):
    """Numbers of many sizes, each a rounded Gaussian."""
    sizes = size * np.exp(rng.uniform(-1, 1, 100))
    samples = np.rint(rng.standard_normal((2000, 100)) * sizes).astype(int)
    edges = np.arange(-5000.5, 5001)[:, None]
    share = np.maximum(np.diff(ndtr(edges / sizes), axis=0), 1e-300)
    entropy = -2000 * (share * np.log2(share)).sum() / 8  # bytes
    assert 0.98 * entropy < len(pack(samples)) < 1.12 * entropy


def test_too_large_numbers_and_foreign_bytes_are_refused():
    with pytest.raises(ValueError, match="up to 8355711"):
        pack(np.full((1, 1), 10_000_000))
    with pytest.raises(ValueError, match="not packed numbers"):
        unpack(b"something else, for instance this", (1, 3))
    packed = pack(np.arange(300)[:, None])
    with pytest.raises(ValueError, match="reshape|digits"):
        unpack(packed, (7, 11))
