"""Keyed randomness of what is drawn at one time."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch


def draw_generator(
    seed: int, valid_time: np.datetime64, redraw: int | None = None
) -> np.random.Generator:
    """The generator of what is drawn at one time.

    Args:
        seed: Of the network.
        valid_time: A whole hour.
        redraw: Further key from 0 on, for other observations of the same time (an epoch).

    Raises:
        DataError: When the time is no whole hour.
    """
    hours = int(hours_since_epoch(valid_time))
    # From 1 on, as numpy takes a key that ends with 0 for the key without it.
    return np.random.default_rng([seed, hours] + ([] if redraw is None else [1 + redraw]))
