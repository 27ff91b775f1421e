"""`Scorer`: every score of the benchmark in one pass, in float64 and constant memory.

What comes out of a sample are sums that add, so batches, processes and containers do not change a
score. Errors and the paper's spectra are fixed operations in numpy without BLAS and threads, the
same bits everywhere; spectra by degree, distances and balance are matrix products, the same to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid, latitude_weights
from dambench_hub.coordinates.labels import labels
from dambench_hub.coordinates.variables import are_known
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.accumulate import Sums
from dambench_hub.metrics.arrays import as_array
from dambench_hub.metrics.distance_errors import require_mask
from dambench_hub.metrics.ensemble import infinite_ensemble_square, spread_skill
from dambench_hub.metrics.given_fields import (
    channel_names,
    companion,
    is_northward,
    require_labels,
    require_shapes,
    require_values,
    same_latitude,
    standard_deviations,
)
from dambench_hub.metrics.parts import Parts, parts_of
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.metrics.sample import Sample, sample_statistics

SCORER_VERSION = "2"
"""Raised with every change to a score; results of two versions are never ranked together.

1 ranked by `mse`; 2 ranks by `skill`.
"""

SUSPICIOUS = 1e30
"""Statistics beyond it ask for a look at the values: a single fill value has larger squares."""


@dataclass(eq=False)
class Scorer:
    """Scores of analyses against references.

    >>> scorer = Scorer(channels=["t850", "u850"], std=[15.0, 8.0])
    >>> reference = np.random.default_rng(0).normal(size=(3, 2, 33, 64))
    >>> scorer.update(reference + 0.5, reference)
    >>> round(scorer.compute()["rmse"]["t850"], 6)
    0.5

    Attributes:
        channels: Names of the channels; c0, c1 … if not given.
        latitude: Degrees, (Y,); if not given, the grid with poles, 90 − 180·i/(Y−1).
        std: σ_c, which `mse` and `mae` are in units of, (C,), physical units; 1 if not given.
        sums: What was added so far; `scorer_a + scorer_b` adds them, and a scorer can be pickled
            to gather those of several processes.

    Raises:
        ScoreError: When names, `std` and what was added disagree, or `std` is not positive.
        GridError: When a latitude is not a number between −90 and 90.
    """

    channels: Sequence[str] | None = None
    latitude: np.ndarray | None = None
    std: np.ndarray | None = None
    sums: Sums | None = None

    def __post_init__(self) -> None:
        if self.channels is not None:
            self.channels = channel_names(self.channels)
        if self.std is not None:
            self.std = standard_deviations(self.std)
        known = {
            "names": self.channels and len(self.channels),
            "values of std": None if self.std is None else len(self.std),
            "channels in the fields": self.sums and self.sums.shape[0],
        }
        counts = {name: count for name, count in known.items() if count is not None}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise ScoreError(f"The numbers of channels must agree, got {found}.")
        if self.latitude is not None:
            self.latitude = as_array("latitude", self.latitude).astype(np.float64)
            weights = latitude_weights(self.latitude)
            if self.sums is not None:
                self.sums.require_weights(weights)

    def update(
        self,
        analysis: np.ndarray,
        reference: np.ndarray,
        background: np.ndarray | None = None,
        observed: np.ndarray | None = None,
        std: np.ndarray | None = None,
    ) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), or (N, M, C, Y, X) for an ensemble of M members.
            reference: x, (N, C, Y, X), same units.
            background: x^b, (N, C, Y, X), same units; without it, `skill` and
                `increment_balance` are absent.
            observed: Boolean, where there is an observation, (N, Y, X) for all channels together,
                or (N, C, Y, X); without it, `rmse_by_distance` is absent.
            std: Standard deviation of the analysis's error as the method predicts it, above 0,
                (N, C, Y, X), same units; for `crps` of an analysis without members.

        Raises:
            ScoreError: When shapes do not fit, labels (of xarray's arrays) say that axes do not,
                a value is not finite, masked or a fill value (beyond 1e20); the message names
                sample, channel and cell; or when not all batches come with the same arguments.
        """
        optional = {"background": background, "std": std}
        given = {name: values for name, values in optional.items() if values is not None}
        fields = {"reference": reference, "analysis": analysis}
        require_labels(fields | given, self.channels, self.latitude)
        rows = labels(reference).get("latitude") if self.latitude is None else self.latitude
        northward = is_northward(rows)
        analysis, reference = as_array("analysis", analysis), as_array("reference", reference)
        batch = self._empty_sums(analysis.shape, reference.shape)
        given = {name: companion(name, values, reference) for name, values in given.items()}
        if observed is not None:
            given["observed"] = require_mask(observed, reference.shape)
        if "std" in given and batch.members:
            raise ScoreError("An ensemble has its spread from its members; give them, or a std.")
        batch.given = frozenset(given)
        sums = self.sums or batch
        sums.require_same(batch)
        members = analysis if batch.members else analysis[:, None]
        fields = {"reference": reference, "members": members} | given
        if northward:
            fields = {name: values[..., ::-1, :] for name, values in fields.items()}
        parts, statistics = self._parts(batch.shape), []
        for number in range(len(reference)):
            sample = Sample(
                ensemble=bool(batch.members), **{name: f[number] for name, f in fields.items()}
            )
            values = sample_statistics(sample, batch.weights, parts)
            if not all(np.all(np.abs(value) <= SUSPICIOUS) for value in values.values()):
                self._require_values(sample, number, northward)
            statistics.append(values)
        for values in statistics:
            sums.include(values)
        self.sums = sums

    def compute(self) -> dict[str, Any]:
        """The scores so far, as plain floats ready for JSON.

        Returns:
            `rmse`, `rmse_pooled` and `bias` by channel, in physical units; `mse`, `mae`, `specdiv`
            and `specres`, each also `…_by_channel`. With members `crps`, `spread_skill` and
            `rank_histogram` (M + 1 frequencies) by channel and, from two members on,
            `mse_infinite_ensemble`.
            Where the channels are those of `VARIABLES`, on a grid with poles: `power_ratio` and
            `coherence` by degree, `rmse_by_region`, `negative_humidity`; with a background `skill`
            and what else `rmse_skill` gives, and `increment_balance`; with observed points
            `rmse_by_distance`; with a predicted std `crps` of a Gaussian.

        Raises:
            ScoreError: When nothing was added.
        """
        if self.sums is None:
            raise ScoreError("There is nothing to score yet: no sample was added.")
        mean, std = self.sums.mean, self._sigma()
        by_channel = {
            "mse": mean("square") / std**2,
            "mae": mean("absolute") / std,
            "specdiv": mean("specdiv"),
            "specres": mean("specres"),
        }
        scores: dict[str, Any] = self._skill() | {
            "rmse": self._named(mean("rmse")),
            "rmse_pooled": self._named(np.sqrt(mean("square_weighted"))),
            "bias": self._named(mean("bias")),
        }
        for name, values in by_channel.items():
            scores[name] = float(values.mean())
            scores[f"{name}_by_channel"] = self._named(values)
        if parts := self._parts(self.sums.shape):
            scores |= parts.compute(self.sums.totals, len(self.sums))
        if members := self.sums.members:
            ratio = spread_skill(mean("variance"), mean("square_weighted"), members)
            scores["spread_skill"] = self._named(ratio)
            scores["rank_histogram"] = self._named(mean("ranks"))
        if members or "std" in self.sums.given:
            scores["crps"] = self._named(mean("crps"))
        return scores | self._infinite_ensemble()

    def _skill(self, square: np.ndarray | None = None) -> dict[str, Any]:
        """`rmse_skill` of what was added; empty without backgrounds, or names of variables.

        Args:
            square: Mean square error by channel, if not that of what was added.
        """
        if self.sums is None or "background" not in self.sums.given or not len(self.sums):
            return {}
        if self.channels is None or not are_known(self.channels):
            return {}
        square = self.sums.mean("square_weighted") if square is None else square
        background_rmse = np.sqrt(self.sums.mean("background_square"))
        return rmse_skill(self.channels, np.sqrt(square), background_rmse, self._sigma())

    def _infinite_ensemble(self) -> dict[str, Any]:
        """Scores that the mean of infinitely many such members would have."""
        if self.sums is None or (members := self.sums.members or 0) < 2:
            return {}
        mean = self.sums.mean
        square = infinite_ensemble_square(mean("variance_unweighted"), mean("square"), members)
        by_channel = square / self._sigma() ** 2
        scores: dict[str, Any] = {
            "mse_infinite_ensemble": float(by_channel.mean()),
            "mse_infinite_ensemble_by_channel": self._named(by_channel),
        }
        weighted = infinite_ensemble_square(mean("variance"), mean("square_weighted"), members)
        if found := self._skill(np.maximum(weighted, 0)):
            scores["skill_infinite_ensemble"] = found["skill"]
        return scores

    def _parts(self, shape: tuple[int, int, int]) -> Parts | None:
        """Further scores; None without names of variables, or on a grid without poles."""
        grid = Grid(*shape[1:])
        if self.channels is None or len(self.channels) != shape[0]:
            return None
        poles = self.latitude is None or same_latitude(self.latitude, grid.latitude)
        return (
            parts_of(tuple(self.channels), grid) if poles or is_northward(self.latitude) else None
        )

    @property
    def square_errors(self) -> np.ndarray:
        """Area-weighted mean square error of each sample, physical units squared, (N, C)."""
        return self.sums.by_sample("square_weighted") if self.sums else np.empty((0, 0))

    @property
    def background_square_errors(self) -> np.ndarray:
        """The same of the background, (N, C); (0, C) if there was none."""
        return self.sums.by_sample("background_square") if self.sums else np.empty((0, 0))

    @property
    def per_sample_mse(self) -> np.ndarray:
        """`mse` of each sample, in the order they were added, (N,); for paired comparisons."""
        if self.sums is None:
            return np.empty(0)
        return (self.sums.by_sample("square") / self._sigma() ** 2).mean(axis=1)

    def __len__(self) -> int:
        return len(self.sums) if self.sums else 0

    def __add__(self, other: Scorer) -> Scorer:
        for name in "channels", "latitude", "std":
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ScoreError(f"Two scorers add only with the same {name}.")
        if self.sums is None or other.sums is None:
            return replace(self, sums=deepcopy(self.sums or other.sums))
        return replace(self, sums=self.sums + other.sums)

    def _empty_sums(self, analysis: tuple[int, ...], reference: tuple[int, ...]) -> Sums:
        """Sums for a batch of these shapes, once they are found to fit."""
        require_shapes(analysis, reference)
        _, channels, latitudes, longitudes = reference
        for name, given in ("channel names", self.channels), ("values of std", self.std):
            if given is not None and len(given) != channels:
                raise ScoreError(f"The fields have {channels} channels, but {len(given)} {name}.")
        latitude = Grid(latitudes, longitudes).latitude
        if self.latitude is not None:
            if len(self.latitude) != latitudes:
                raise ScoreError(
                    f"The fields have {latitudes} latitudes, but {len(self.latitude)} were given. "
                    "Was a pole dropped?"
                )
            latitude = self.latitude
        members = analysis[1] if len(analysis) == 5 else None
        return Sums((channels, latitudes, longitudes), members, latitude_weights(latitude))

    def _names(self, channels: int) -> Sequence[str]:
        return self.channels or [f"c{index}" for index in range(channels)]

    def _named(self, values: np.ndarray) -> dict[str, Any]:
        return dict(zip(self._names(len(values)), values.tolist(), strict=True))

    def _sigma(self) -> np.ndarray:
        """σ_c, (C,), 1 if not given."""
        channels = self.sums.shape[0] if self.sums else 0
        return np.ones(channels) if self.std is None else self.std

    def _require_values(self, sample: Sample, number: int, northward: bool) -> None:
        where = f"sample {number} of this batch ({len(self) + number} in all)"
        fields = {"reference": sample.reference[None], "analysis": sample.members}
        given = {"background": sample.background, "std": sample.std}
        fields |= {name: field[None] for name, field in given.items() if field is not None}
        require_values(fields, self._names(len(sample.reference)), where, northward)
