"""What networks see of the modalities: how far they depart from what the background says of them.

Raw radiation is climate and weather, which the background has too. Its departure, observation −
equivalent, is about the background's error; `benchmarks/departures.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError

SCALES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "precipitation": lambda observed, equivalent: (_log(observed) - _log(equivalent)) / 0.2,
    "olr": lambda observed, equivalent: (observed - equivalent) / 7.0,
}
"""The departure of each modality, from mm day⁻¹ or W m⁻², as a number of order one.

Daily precipitation is skewed with many zeros, so it departs in log(1 + mm). The units are the
standard deviations on the training days of the canonical `mini`, 0.206 and 6.6 W m⁻², as round
numbers. They are fixed, so that a model means the same on every data set.
"""


def scaled_departures(batch: Batch) -> dict[str, Tensor]:
    """The departures of a batch of tensors by modality, (B, Y, X), NaN where either is missing."""
    equivalents = batch.background_modalities
    return {
        name: SCALES[name](observed, equivalents[name])
        for name, observed in batch.modalities.items()
    }


def require_equivalents(batch: Batch) -> None:
    """Refuse modalities without one equivalent, of which a network would see nothing.

    Samples without modalities are no reason: a satellite may fail, and nothing is known then.

    Raises:
        DataError: When modalities were measured, and the background has no equivalent of any.
    """
    if _any_finite(batch.modalities) and not _any_finite(batch.background_modalities):
        raise DataError(
            f"The data set has no background equivalents of {' and '.join(batch.modalities)}, and "
            "methods see modalities as departures from these. Let a trained operator give them "
            "(python builders/equivalents.py), build a data set whose backgrounds have them "
            "(dambench build mini), or use the method without modalities: without multi_ before "
            "its name, or with aux: false. In cycles an emulator does not know them."
        )


def _log(mm_per_day: Tensor) -> Tensor:
    return mm_per_day.clamp_min(0.0).log1p()


def _any_finite(fields: Mapping[str, Any]) -> bool:
    return any(bool(torch.as_tensor(values).isfinite().any()) for values in fields.values())
