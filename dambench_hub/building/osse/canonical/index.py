"""`index.json`: what is shipped of a canonical world, in which steps, and the hash of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.osse.world import Days, World
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import sha256, write_atomic

EXPANSION = 1
"""Version of what is done with the shipped bytes; it rises when any expanded value changes by more
than rounding, and the revision with it."""

INDEX = "index.json"

FOLDER = Path(str(files("dambench_hub.building.osse.canonical"))) / "shipped"


@dataclass(frozen=True)
class ShippedFile:
    """One file, which holds some days of a split.

    Attributes:
        path: Beside the index.
        sha256: Hash of the file.
        split: `train`, `validation` or `test`.
        days: Their 00 UTC, ascending.
        members: Whether it holds the ensemble, or else reference and background.
    """

    path: str
    sha256: str
    split: str
    days: tuple[str, ...]
    members: bool


@dataclass(frozen=True)
class Index:
    """What is shipped, and how it is read.

    Attributes:
        seed: Of the world.
        grid: Of the data set, Y×X.
        presets: Days of each split of each canonical preset.
        ensemble_splits: Splits of a preset whose every day has members.
        ensemble_size: M.
        shapes: Of each field on one day: (K, orders, degrees), or (columns, rows).
        steps: Of each field's levels, (K,); those of the members' deviations by `members/NAME`.
        files: What is where.
        geography_sha256: Hash of the file with surface, levels and grid.
        settings: What the world was simulated with, for card and manifest.
        versions: Packages that simulated it.
        precision: What was measured when the files were made.
        sha256: Hash of the index file, so of everything that is shipped.
        folder: Where the files are.
    """

    seed: int
    grid: str
    presets: Mapping[str, Mapping[str, Days]]
    ensemble_splits: Mapping[str, tuple[str, ...]]
    ensemble_size: int
    shapes: Mapping[str, tuple[int, ...]]
    steps: Mapping[str, np.ndarray]
    files: tuple[ShippedFile, ...]
    geography_sha256: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    precision: Mapping[str, Any]
    sha256: str
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Index:
        """The index in a folder.

        Raises:
            BuildError: When it is damaged.
        """
        content = (folder / INDEX).read_bytes()
        try:
            raw = json.loads(content)
            return cls(
                **raw
                | {
                    "presets": {
                        preset: {split: Days(**days) for split, days in splits.items()}
                        for preset, splits in raw["presets"].items()
                    },
                    "ensemble_splits": {
                        preset: tuple(splits) for preset, splits in raw["ensemble_splits"].items()
                    },
                    "shapes": {name: tuple(shape) for name, shape in raw["shapes"].items()},
                    "steps": {name: np.array(steps) for name, steps in raw["steps"].items()},
                    "files": tuple(
                        ShippedFile(**file | {"days": tuple(file["days"])}) for file in raw["files"]
                    ),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "folder": folder,
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BuildError(f"{folder / INDEX} is damaged ({error}). {REINSTALL}") from error

    def write(self) -> None:
        """Write `index.json` in its folder; `sha256` and `folder` are not in it."""
        raw = asdict(self) | {"steps": {name: s.tolist() for name, s in self.steps.items()}}
        del raw["sha256"], raw["folder"]
        write_atomic(self.folder / INDEX, json.dumps(raw, indent=1) + "\n")

    def path(self, name: str, digest: str) -> Path:
        """A shipped file, once its bytes are known to be right.

        Raises:
            BuildError: When it is absent or damaged.
        """
        path = self.folder / name
        if not path.is_file() or sha256(path) != digest:
            state = "damaged" if path.is_file() else "missing"
            raise BuildError(f"{path}, which belongs to the package, is {state}. {REINSTALL}")
        return path


REINSTALL = "Install the package again: pip install --force-reinstall --no-deps dambench-hub"


def shipped() -> Iterator[Index]:
    """The canonical worlds that come with this package."""
    for path in sorted(FOLDER.glob(f"*/{INDEX}")):
        yield Index.read(path.parent)


def canonical_index(world: World) -> Index | None:
    """What is shipped of a world; None if it has to be simulated."""
    if world.soundings != 1:
        return None
    found = (i for i in shipped() if i.seed == world.seed and world.name in i.presets)
    return next(found, None)


def canonical_presets() -> list[str]:
    """Names of the presets that need no simulation."""
    return sorted({preset for index in shipped() for preset in index.presets})
