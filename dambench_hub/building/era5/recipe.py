"""A recipe: everything that decides what a data set made from the archives holds, as one YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from dambench_hub.building.era5.alignment import MODES
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channels
from dambench_hub.errors import BuildError, did_you_mean
from dambench_hub.observations import ObservationSettings
from dambench_hub.runtime.settings import read_mapping, refuse_unknown
from dambench_hub.storage.manifest import FORMATS

SOURCES = ("wb2", "arco", "cds")
BACKGROUNDS = ("persistence", "forecast", "fengwu")
CADENCES = {"24h": 24, "6h": 6}
SPLITS = {
    "train": ("2000-01-01", "2022-12-31"),
    "validation": ("2023-01-01", "2023-12-31"),
    "test": ("2024-01-01", "2024-12-31"),
}


@dataclass(frozen=True)
class Recipe:
    """What to build, and from where.

    Attributes:
        source: `wb2`, `arco` or `cds`: where the reference comes from.
        path: Address or folder of the source; None is the public store.
        start: First day, clips the splits; None where the splits begin.
        end: Last day.
        name: Of the data set.
        splits: First and last day of each, both included.
        background: `persistence` (the reference `lead_hours` earlier), `forecast` (a hosted
            forecast) or `fengwu`.
        background_path: Of the hosted forecast, or the folder with FengWu's files.
        precipitation: Files of NOAA CPC unified precipitation, or None.
        olr: Files of a daily outgoing longwave radiation product, or None.
        cadence: `24h` (00 UTC) or `6h`.
        lead_hours: Age of the background.
        channels: Channel names, in order.
        grid: `121x240`, or another grid with poles.
        alignment: How daily products are joined to the valid time; a key of `alignment.MODES`.
        density: Share of the grid points that are observed.
        error_scale: Observation error, in standard deviations of the background error.
        network: `column` or `stations`.
        seed: Of the observations.
        format: Of the shards.
        keep_bits: Mantissa bits of the backgrounds to keep, 1 to 23; None for all.
        geography: Whether to add the config `geography`.

    Raises:
        BuildError: When a value cannot be used; the message names it.
    """

    source: str
    path: str | None = None
    start: str | None = None
    end: str | None = None
    name: str = "era5"
    splits: Mapping[str, tuple[str, str]] = field(default_factory=lambda: dict(SPLITS))
    background: str = "persistence"
    background_path: str | None = None
    precipitation: str | None = None
    olr: str | None = None
    cadence: str = "24h"
    lead_hours: int = 24
    channels: tuple[str, ...] = STANDARD_CHANNELS
    grid: str = "121x240"
    alignment: str = "nominal"
    density: float = 0.05
    error_scale: float = 0.25
    network: str = "column"
    seed: int = 0
    format: str = "parquet"
    keep_bits: int | None = None
    geography: bool = True

    def __post_init__(self) -> None:
        for key, known in (
            ("source", SOURCES),
            ("background", BACKGROUNDS),
            ("cadence", CADENCES),
            ("alignment", MODES),
            ("format", FORMATS),
        ):
            value = getattr(self, key)
            if value not in known:
                raise BuildError(f"Unknown {key} {value!r}. {did_you_mean(str(value), known)}")
        if (self.background == "persistence") != (self.background_path is None):
            raise BuildError(
                f"background {self.background} and background_path {self.background_path} do not "
                "belong together: forecast and fengwu need a path, persistence has none."
            )
        if self.source == "cds" and self.path is None:
            raise BuildError("The source cds needs a path: the folder for its files.")
        if self.lead_hours < 1 or self.lead_hours % CADENCES["6h"]:
            raise BuildError(f"lead_hours is a positive multiple of 6, got {self.lead_hours}.")
        parse_channels(self.channels)
        Grid.parse(self.grid)
        self.observations()
        self.days()

    @property
    def modalities(self) -> dict[str, str]:
        """Paths of the daily products, by modality."""
        both = {"precipitation": self.precipitation, "olr": self.olr}
        return {name: path for name, path in both.items() if path}

    def observations(self) -> ObservationSettings:
        """How the stored observations are drawn."""
        return ObservationSettings.from_dict(
            {
                "network": self.network,
                "density": self.density,
                "error_scale": self.error_scale,
                "seed": self.seed,
            }
        )

    def days(self) -> dict[str, tuple[date, date]]:
        """First and last day of each split that is left between `start` and `end`, in order.

        Raises:
            BuildError: When a date is none, splits overlap, or nothing is left.
        """
        first = _date("start", self.start) if self.start else date.min
        last = _date("end", self.end) if self.end else date.max
        found = {}
        for split, period in self.splits.items():
            if split not in SPLITS:
                raise BuildError(f"Unknown split {split!r}. {did_you_mean(split, SPLITS)}")
            if len(period) != 2:
                raise BuildError(f"The split {split} needs a first and a last day, got {period}.")
            begin, end = (_date(f"splits.{split}", day) for day in period)
            begin, end = max(begin, first), min(end, last)
            if begin <= end:
                found[split] = (begin, end)
        if not found:
            raise BuildError(f"No day of the splits lies between {self.start} and {self.end}.")
        ordered = sorted(found.items(), key=lambda item: item[1])
        for (earlier, (_, end)), (later, (begin, _)) in zip(ordered, ordered[1:], strict=False):
            if end >= begin:
                raise BuildError(f"The splits {earlier} and {later} overlap on {begin}.")
        return dict(ordered)

    def times(self) -> dict[str, np.ndarray]:
        """Valid times of each split, datetime64[h]."""
        step = CADENCES[self.cadence]
        return {
            split: np.arange(
                np.datetime64(begin, "h"), np.datetime64(end + timedelta(days=1), "h"), step
            )
            for split, (begin, end) in self.days().items()
        }

    def settings(self) -> dict[str, Any]:
        """All of it as plain values, as in the YAML."""
        return {**asdict(self), "channels": list(self.channels)}


def read_recipe(path: Path | None, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of a YAML file, with changes from the command line.

    Args:
        path: The file; None if all is in `changes`.
        changes: Values that replace those of the file; None replaces nothing.

    Raises:
        BuildError: When the file cannot be read, has an unknown key, or a value of a wrong type.
    """
    raw = read_mapping(path, BuildError) if path else {}
    raw |= {key: value for key, value in changes.items() if value is not None}
    known = get_type_hints(Recipe)
    where = str(path) if path else "the command line"
    refuse_unknown(raw, known, where, BuildError)
    raw = {key: _typed(where, key, value, known[key]) for key, value in raw.items()}
    if "source" not in raw:
        raise BuildError(f"{where}: the key 'source' is missing; choose {', '.join(SOURCES)}.")
    return Recipe(**raw)


def recipe_keys() -> tuple[str, ...]:
    """Every key of a recipe."""
    return tuple(f.name for f in fields(Recipe))


def _typed(where: str, key: str, value: Any, hint: Any) -> Any:
    """The value in the type of the recipe's field; YAML reads dates as dates, 1 as an integer."""
    if isinstance(value, date):
        value = value.isoformat()
    if key == "splits" and isinstance(value, dict):
        return {name: tuple(map(_plain_date, _sequence(days))) for name, days in value.items()}
    if key == "channels" and isinstance(value, list | tuple):
        return tuple(map(str, value))
    types = get_args(hint) or (hint,)
    if float in types and type(value) is int:
        return float(value)
    if type(value) in types:
        return value
    wanted = getattr(types[0], "__name__", str(hint))
    raise BuildError(f"{where}: {key} must be a {wanted}, got {value!r}.")


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _plain_date(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _date(key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BuildError(f"{key} must be a day like 2020-12-31, got {text!r} ({error}).") from error
