"""From segments of states, backgrounds and daily products to examples, and the list of gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dambench_hub.building.era5.alignment import product_day
from dambench_hub.building.era5.ingestion import Segments
from dambench_hub.building.sources.states import MissingData
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.storage.manifest import Gap


@dataclass(frozen=True)
class Triplets:
    """Examples of a data set, put together from what was brought in.

    Attributes:
        times: Valid times of each split.
        states: References, and with them backgrounds by persistence.
        backgrounds: Forecasts by valid time; None for persistence.
        products: Daily products by modality.
        product_names: Keys of `alignment.PRODUCTS`, by modality.
        lead_hours: Age of the background.
        alignment: Key of `alignment.MODES`.
    """

    times: Mapping[str, np.ndarray]
    states: Segments
    backgrounds: Segments | None
    products: Mapping[str, Segments]
    product_names: Mapping[str, str]
    lead_hours: int
    alignment: str

    def read(self, split: str, index: int) -> dict[str, np.ndarray]:
        """The fields of one example; a modality without a value is NaN everywhere.

        Raises:
            MissingData: When reference or background is missing.
        """
        time = self.times[split][index]
        example = {"reference": self.states.read(time)}
        if self.backgrounds is None:
            example["background"] = self.states.read(time - np.timedelta64(self.lead_hours, "h"))
        else:
            example["background"] = self.backgrounds.read(time)
        for modality, segments in self.products.items():
            try:
                example[modality] = segments.read(self.day(modality, time))
            except MissingData:
                example[modality] = np.full(segments.stream.shape, np.nan, np.float32)
        return example

    def day(self, modality: str, time: np.datetime64) -> np.datetime64:
        """The day, at 00 UTC, whose value of a modality an analysis at `time` uses."""
        day = product_day(self.product_names[modality], self.alignment, time)
        return np.datetime64(str(day), "h")

    def gaps(self) -> tuple[Gap, ...]:
        """What is missing of which example, in the order of splits and times."""
        states = self.states.gaps()
        backgrounds = states if self.backgrounds is None else self.backgrounds.gaps()
        lead = self.lead_hours if self.backgrounds is None else 0
        products = {modality: segments.gaps() for modality, segments in self.products.items()}

        def found() -> Iterator[Gap]:
            for split, times in self.times.items():
                for time in times:
                    hours = int(hours_since_epoch(time))
                    if reason := states.get(hours):
                        yield Gap(split, hours, "example", f"reference: {reason}")
                    elif reason := backgrounds.get(hours - lead):
                        yield Gap(split, hours, "example", f"background: {reason}")
                    else:
                        for modality, gaps in products.items():
                            day = int(hours_since_epoch(self.day(modality, time)))
                            if reason := gaps.get(day):
                                yield Gap(split, hours, modality, reason)

        return tuple(found())
