"""How coarse numbers may be so that no channel suffers.

A number is rounded to a whole multiple of its row's step s_r. That is uniform noise of variance
s_r² / 12, and what it does to channel c is Σ_r E_cr s_r², with E found by adding such noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Rows = Mapping[str, np.ndarray]
"""Numbers of some fields by name, (n, K, N) each; see `model_fields`."""


def coarsest_steps(sensitivity: np.ndarray, allowed: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The steps that need the fewest bits: the largest Σ n_r log s_r with Σ_r E_cr s_r² ≤ a_c².

    With multipliers λ_c ≥ 0 of the bounds, s_r² = n_r / Σ_c λ_c E_cr; each λ_c grows while its
    channel has more than is allowed. At the end all steps shrink until every bound holds.

    Args:
        sensitivity: E, (C, R).
        allowed: a, root mean square error that a channel may have, (C,).
        counts: n, numbers of a row, (R,).

    Returns:
        s, (R,).
    """
    relative = sensitivity / allowed[:, None] ** 2
    multipliers = np.full(len(allowed), counts.sum() / len(allowed))
    for _ in range(2000):
        squares = counts / (multipliers @ relative)
        multipliers *= np.sqrt(relative @ squares)
    return np.sqrt(squares / (relative @ squares).max())


def find_sensitivity(
    numbers: Rows, see: Callable[[Rows], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """What noise in each row does to each channel, per square of the step: E, (C, R).

    Args:
        numbers: Of some examples; rows are counted in this order of fields, then by level.
        see: Channels of the numbers, (n, C, Y, X).
        rng: Draws the noise, which is small.
    """
    undisturbed, columns = see(numbers), []
    for name, values in numbers.items():
        for level in range(values.shape[1]):
            step = 1e-3 * values[:, level].std()
            noise = np.zeros_like(values)
            noise[:, level] = step * rng.uniform(-0.5, 0.5, values[:, level].shape)
            change = see({**numbers, name: values + noise}) - undisturbed
            columns.append(np.mean(change**2, axis=(0, 2, 3)) / step**2)
    return np.stack(columns, axis=1)


def by_field(steps: np.ndarray, numbers: Rows) -> dict[str, np.ndarray]:
    """Steps of all rows, (R,), as steps of each field's levels, (K,)."""
    levels = [values.shape[1] for values in numbers.values()]
    parts = np.split(steps, np.cumsum(levels)[:-1])
    return dict(zip(numbers, parts, strict=True))
