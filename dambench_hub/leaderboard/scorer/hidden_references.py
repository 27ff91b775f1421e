"""A public data set that is scored against references which nobody but the scorer may read.

A split is hidden when the data set that everybody has holds other values in its `reference`. The
scorer then gets a second data set beside it, the private one, with the references. Predictions are
made and checked with the public one alone, and name its revision; only `reference` differs. What
stations measured cannot be hidden so: of some hundred values, scores are either told so coarsely
that they rank nothing, or they tell the values.

The private manifest names in its `source` the `public_revision` that it belongs to. So there is no
mixing up, and the public revision that a score names says which references it was made with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError

PUBLIC_REVISION = "public_revision"


class HiddenReferences(Data):
    """The public data set, with the references of the private one in the splits that it has.

    Attributes:
        private: The private data set.

    Raises:
        DataError: When the two do not belong together.
    """

    def __init__(self, public: Data, private: Data) -> None:
        _require_pair(public, private)
        super().__init__(public.folder, public.manifest, public.statistics)
        self.private = private

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay behind when a worker process gets a copy."""
        public = Data(self.folder, self.manifest, self.statistics)
        return {"args": (public, self.private)}

    def reference(self, split: str, index: int) -> np.ndarray:
        """The reference of one example, (C, Y, X), float32, perhaps read-only."""
        if split in self.private.manifest.splits:
            return self.private.reference(split, index)
        return super().reference(split, index)


def _require_pair(public: Data, private: Data) -> None:
    ours, theirs = public.manifest, private.manifest
    if ours.reference_is_reports:
        raise DataError(
            f"{ours.name} is scored at stations, whose values cannot be kept private: its board "
            "would tell them, or rank by chance. Run the scorer without --private."
        )
    named = theirs.source.get(PUBLIC_REVISION)
    if named != public.revision:
        raise DataError(
            f"The private references belong to revision {named} of a public data set, "
            f"{ours.name} is {public.revision}. Build them with {PUBLIC_REVISION}: "
            f"{public.revision} in their source, or give the other data set."
        )
    same_times = all(
        split in ours.splits and ours.hours(split) == theirs.hours(split) for split in theirs.splits
    )
    if ours.channels != theirs.channels or ours.grid != theirs.grid or not same_times:
        raise DataError(
            f"The private references of {ours.name} have other channels, another grid or other "
            "times. Build them with the recipe of the public data set."
        )
