"""`Scorer`: every score of the benchmark in one pass, in float64 and constant memory.

A sample is scored one channel at a time by fixed operations in numpy (no BLAS, no threads), and
what comes out are sums that add. So batches, processes and containers do not change a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid, latitude_weights
from dambench_hub.coordinates.labels import is_labelled, label_problem, labels
from dambench_hub.coordinates.missing import FILL
from dambench_hub.coordinates.variables import are_known
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.accumulate import Sums
from dambench_hub.metrics.arrays import as_array
from dambench_hub.metrics.ensemble import ensemble_statistics, spread_skill
from dambench_hub.metrics.fields import point_statistics, weighted_mean, zonal_means
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.metrics.spectra import high_spectrum, spectral_statistics

SCORER_VERSION = "2"
"""Raised with every change to a score; results of two versions are never ranked together.

1 ranked by `mse`; 2 ranks by `skill`.
"""

SUSPICIOUS = 1e30
"""Statistics beyond it ask for a look at the values: a single fill value has larger squares."""
STD_RANGE = (1e-30, 1e30)


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
            self.channels = _channel_names(self.channels)
        if self.std is not None:
            self.std = _standard_deviations(self.std)
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
        self, analysis: np.ndarray, reference: np.ndarray, background: np.ndarray | None = None
    ) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), or (N, M, C, Y, X) for an ensemble of M members.
            reference: x, (N, C, Y, X), same units.
            background: x^b, (N, C, Y, X), same units; without it, `skill` is absent.

        Raises:
            ScoreError: When shapes do not fit, labels (of xarray's arrays) say that axes do not,
                a value is not finite, masked or a fill value (beyond 1e20); the message names
                sample, channel and cell; or when some batches have a background and others do not.
        """
        self._require_labels(analysis, reference, background)
        analysis, reference = as_array("analysis", analysis), as_array("reference", reference)
        batch = self._empty_sums(analysis.shape, reference.shape)
        if background is not None:
            background = as_array("background", background)
            batch.given = frozenset({"background"})
            if background.shape != reference.shape:
                raise ScoreError(
                    f"Background {background.shape} and reference {reference.shape} do not fit; "
                    "they have the same samples, channels and grid."
                )
        sums = self.sums or batch
        sums.require_same(batch)
        members = analysis if batch.members else analysis[:, None]
        statistics = []
        for sample in range(len(reference)):
            sample_values = sample_statistics(
                members[sample], reference[sample], batch.weights, ensemble=bool(batch.members)
            )
            if background is not None:
                square = mean_square_error(background[sample], reference[sample], batch.weights)
                sample_values["background_square"] = square
            if not all(np.all(np.abs(value) <= SUSPICIOUS) for value in sample_values.values()):
                came = None if background is None else background[sample]
                self._require_values(members[sample], reference[sample], came, sample)
            statistics.append(sample_values)
        for sample_values in statistics:
            sums.include(sample_values)
        self.sums = sums

    def compute(self) -> dict[str, Any]:
        """The scores so far, as plain floats ready for JSON.

        Returns:
            `rmse`, `rmse_pooled` and `bias` by channel, in physical units; `mse`, `mae`, `specdiv`
            and `specres`, each also `…_by_channel`; with members `crps`, `spread_skill` and
            `rank_histogram` (M + 1 frequencies) by channel; with a background and channels of
            `VARIABLES`, `skill` and what else `rmse_skill` gives.

        Raises:
            ScoreError: When nothing was added.
        """
        if self.sums is None:
            raise ScoreError("There is nothing to score yet: no sample was added.")
        mean, std = self.sums.mean, self._std()
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
        if members := self.sums.members:
            ratio = spread_skill(mean("variance"), mean("square_weighted"), members)
            scores["crps"] = self._named(mean("crps"))
            scores["spread_skill"] = self._named(ratio)
            scores["rank_histogram"] = self._named(mean("ranks"))
        return scores

    def _skill(self) -> dict[str, Any]:
        """`rmse_skill` of what was added; empty without backgrounds, or names of variables."""
        if self.sums is None or "background" not in self.sums.given or not len(self.sums):
            return {}
        if self.channels is None or not are_known(self.channels):
            return {}
        rmse, background_rmse = (
            np.sqrt(self.sums.mean(name)) for name in ("square_weighted", "background_square")
        )
        return rmse_skill(self.channels, rmse, background_rmse, self._sigma())

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
        return (self.sums.by_sample("square") / self._std() ** 2).mean(axis=1)

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
        fit = len(reference) == 4 and analysis[:1] + analysis[-3:] == reference
        if not fit or len(analysis) not in (4, 5) or 0 in analysis[1:]:
            raise ScoreError(
                f"Analysis {analysis} and reference {reference} do not fit. Wanted: reference "
                "(sample, channel, latitude, longitude), analysis the same, or with members "
                "(sample, member, channel, latitude, longitude)."
            )
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

    def _names(self) -> Sequence[str]:
        if self.channels is not None:
            return self.channels
        return [f"c{index}" for index in range(self.sums.shape[0] if self.sums else 0)]

    def _named(self, values: np.ndarray) -> dict[str, Any]:
        return dict(zip(self._names(), values.tolist(), strict=True))

    def _std(self) -> np.ndarray | float:
        return 1.0 if self.std is None else self.std

    def _sigma(self) -> np.ndarray:
        """σ_c, (C,)."""
        channels = self.sums.shape[0] if self.sums else 0
        return np.ones(channels) if self.std is None else self.std

    def _require_values(
        self,
        members: np.ndarray,
        reference: np.ndarray,
        background: np.ndarray | None,
        sample: int,
    ) -> None:
        """Refuse a sample with a value that is not finite or stands for a missing one."""
        where = f"sample {sample} of this batch ({len(self) + sample} in all)"
        fields = {"reference": reference[None], "analysis": members}
        if background is not None:
            fields["background"] = background[None]
        for name, field in fields.items():
            bad = ~(np.abs(field, dtype=np.float64) < FILL)
            if not bad.any():
                continue
            member, channel, row, column = np.argwhere(bad)[0]
            value = field[member, channel, row, column]
            kind = "fill values" if np.isfinite(value) else "not finite"
            label = self.channels[channel] if self.channels is not None else f"c{channel}"
            of_member = f", member {member}" if len(members) > 1 and name == "analysis" else ""
            raise ScoreError(
                f"The {name} has {bad.sum()} values that are {kind} in {where}; the first is "
                f"{value} in channel {label!r}{of_member}, latitude row {row}, longitude column "
                f"{column}. A score needs every cell: nothing is skipped or filled."
            )

    def _require_labels(self, analysis: Any, reference: Any, background: Any) -> None:
        """Refuse labelled arrays whose axes are not those of each other, or of this scorer."""
        both = is_labelled(analysis) and is_labelled(reference)
        given = {"reference": reference, "analysis": analysis, "background": background}
        for name, values in given.items():
            if not is_labelled(values) or len(values.shape) not in (4, 5):
                continue
            grid = Grid(*values.shape[-2:])
            wanted: dict[str, Any] = dict.fromkeys(("time", "member", "channel"))
            if len(values.shape) == 4:
                del wanted["member"]
            wanted["channel"] = self.channels
            wanted["latitude"] = grid.latitude if self.latitude is None else self.latitude
            wanted["longitude"] = None if both else grid.longitude
            northward = wanted | {"latitude": grid.latitude[::-1]}
            if name != "reference":
                wanted |= labels(reference)
            elif both and self.latitude is None and not label_problem(values, northward):
                continue  # the grid with poles has the same weights from south to north
            if problem := label_problem(values, wanted):
                assumed = " A grid with poles is assumed unless latitude= says which it is."
                raise ScoreError(f"The {name} {problem}{assumed * (self.latitude is None)}")


def sample_statistics(
    members: np.ndarray, reference: np.ndarray, weights: np.ndarray, *, ensemble: bool
) -> dict[str, np.ndarray]:
    """Everything the scores are means of, for one sample.

    Args:
        members: x̂_m, (M, C, Y, X); their mean x̂ gets the scores of an analysis.
        reference: x, (C, Y, X), same units.
        weights: w_y, (Y,), mean 1.
        ensemble: Whether the scores of an ensemble are wanted too.

    Returns:
        Statistics by name, (C,) each, `ranks` (C, M + 1). Not finite where a value is not.
    """
    latitudes, longitudes = reference.shape[1:]
    x_members, x = np.empty((len(members), latitudes, longitudes)), np.empty(reference.shape[1:])
    half_plane = np.empty((latitudes, longitudes // 2 + 1), np.complex128)
    zonal, spectra, of_ensemble = [], [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for channel in range(len(reference)):
            x_members[:], x[:] = members[:, channel], reference[channel]
            if ensemble:
                of_ensemble.append(ensemble_statistics(x_members, x, weights))
            x_hat = x_members.mean(axis=0) if ensemble else x_members[0]
            spectra.append([high_spectrum(x_hat, half_plane), high_spectrum(x, half_plane)])
            zonal.append(zonal_means(np.subtract(x_hat, x, out=x_hat)))
        statistics = point_statistics(np.stack(zonal, axis=1), weights)
        statistics |= spectral_statistics(*np.stack(spectra, axis=1))
    for name in of_ensemble[0] if ensemble else ():
        statistics[name] = np.array([values[name] for values in of_ensemble])
    return statistics


def mean_square_error(field: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area-weighted mean square of field − reference.

    Args:
        field: (C, Y, X), physical units.
        reference: (C, Y, X), same units.
        weights: w_y, (Y,), mean 1.

    Returns:
        Physical units squared, (C,), float64. Not finite where a value is not.
    """
    error, squares = np.empty(reference.shape[1:]), np.empty(reference.shape[:2])
    with np.errstate(over="ignore", invalid="ignore"):
        for channel in range(len(reference)):
            np.subtract(field[channel], reference[channel], out=error, dtype=np.float64)
            np.einsum("yx,yx->y", error, error, out=squares[channel])
        return weighted_mean(squares / reference.shape[-1], weights)


def _channel_names(channels: Sequence[str]) -> list[str]:
    names = [channels] if isinstance(channels, str) else list(channels)
    if not names or not all(isinstance(name, str) for name in names):
        raise ScoreError(f"channels must be a list of names, got {channels!r}.")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ScoreError(f"Channel names must differ; {', '.join(twice)} appears twice.")
    return names


def _standard_deviations(std: Any) -> np.ndarray:
    std = as_array("std", std).astype(np.float64)
    smallest, largest = STD_RANGE
    if std.ndim != 1 or not np.all((std >= smallest) & (std <= largest)):
        raise ScoreError(
            f"std must be one positive number per channel, got shape {std.shape} with values "
            f"{np.array2string(std, threshold=6)}."
        )
    return std
