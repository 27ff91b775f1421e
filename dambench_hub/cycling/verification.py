"""Errors and spread of an ensemble over the sphere, by channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dambench_hub.metrics.fields import weighted_mean


class Verification(NamedTuple):
    """How far an ensemble's mean is from the reference, and how far apart its members are.

    Attributes:
        error: Root mean square error of the mean, weighted by area, (C,).
        spread: Root of the members' variance (over M − 1), weighted by area, (C,); 0 for one
            member. A reliable ensemble has an error of √((M + 1) / M) times its spread.
    """

    error: np.ndarray
    spread: np.ndarray


def verify(members: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> Verification:
    """Error and spread of members.

    Args:
        members: (M, C, Y, X), physical units.
        reference: (C, Y, X), same units.
        weights: w_y, (Y,), mean 1.
    """
    square = np.empty((2, *reference.shape[:2]))
    for c, one in enumerate(reference):  # in double precision, and little memory
        channel = members[:, c].astype(np.float64)
        variance = channel.var(axis=0, ddof=1) if len(members) > 1 else np.zeros_like(channel[0])
        error = channel.mean(axis=0) - one
        square[:, c] = (error**2).mean(axis=-1), variance.mean(axis=-1)
    return Verification(*np.sqrt(weighted_mean(square, weights)))
