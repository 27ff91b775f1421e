"""Tasks: what is assimilated, which split is scored, and by which score. One YAML file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.resources import files
from typing import Any, Literal, get_args

import numpy as np
import yaml

from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.observations import ObservationSettings
from dambench_hub.runtime.settings import refuse_unknown
from dambench_hub.storage.manifest import Manifest

Config = Literal["multimodal", "unimodal", "reports"]
MainScore = Literal["skill", "mse", "mae", "specdiv", "station_rmse"]


@dataclass(frozen=True)
class Task:
    """What a method is given and by what it is ranked; the data set is the user's to choose.

    Attributes:
        name: Also the name of its file.
        description: One sentence for people.
        config: `multimodal`, with precipitation and outgoing longwave radiation, or `unimodal`; or
            `reports`, of data sets whose reference is reports.
        split: The split that is scored.
        main_score: The score that ranks; see `larger_is_better`.
        observations: Settings that differ from those of the data set's stored observations.
        stride: Every how many test times are assimilated and scored.
        cycle_hours: Of a task whose backgrounds are the method's own forecasts: hours between two
            analyses, and so between the data set's times.

    Raises:
        TaskError: When a value is not one of those above.
    """

    name: str
    description: str
    config: Config = "multimodal"
    split: str = "test"
    main_score: MainScore = "skill"
    observations: Mapping[str, Any] = field(default_factory=dict)
    stride: int = 1
    cycle_hours: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("config", self.config, get_args(Config)),
            ("main_score", self.main_score, get_args(MainScore)),
        ):
            if value not in known:
                advice = did_you_mean(str(value), known)
                raise TaskError(f"Task {self.name}: unknown {name} {value!r}. {advice}")
        if self.stride < 1:
            raise TaskError(f"Task {self.name}: stride is at least 1, got {self.stride}.")
        ObservationSettings.from_dict(dict(self.observations))

    @property
    def larger_is_better(self) -> bool:
        """Whether the main score is better when it is larger, as `skill` is; errors are not."""
        return self.main_score == "skill"

    def modalities(self, manifest: Manifest) -> tuple[str, ...]:
        """Names of the modalities that the task gives with each sample.

        Raises:
            TaskError: When the task is multi-modal and the data set is not.
        """
        if self.config != "multimodal":
            return ()
        if not manifest.modalities:
            raise TaskError(
                f"Task {self.name} needs modalities, and the data set {manifest.name} has none. "
                f"Use the task {'cycling' if self.cycle_hours else 'unimodal'}."
            )
        return manifest.modalities

    def observation_settings(self, manifest: Manifest) -> ObservationSettings:
        """How the task's observations are drawn from this data set's reference."""
        return replace(manifest.observations, **dict(self.observations))

    def times(self, manifest: Manifest) -> np.ndarray:
        """The valid times that are assimilated and scored, ascending, datetime64[h].

        Raises:
            TaskError: When a task that cycles finds times of another spacing.
        """
        times = manifest.times(self.split)[:: self.stride]
        spacings = np.unique(np.diff(times).astype(int))
        if self.cycle_hours and any(spacings != self.cycle_hours):
            raise TaskError(
                f"Task {self.name} needs analyses every {self.cycle_hours} h, the {self.split} "
                f"times of {manifest.name} are {' and '.join(map(str, spacings[:3]))} h apart. Use "
                "a data set of consecutive days, such as `dambench build cycle --out cycle` "
                "makes."
            )
        return times

    def other_reference(self, manifest: Manifest) -> str | None:
        """Why analyses of this task cannot be scored with a data set, whatever they are."""
        if manifest.reference_is_reports == (self.config == "reports"):
            return None
        lacks, advice = (
            ("reference fields", "the task synop, whose reference is reports")
            if manifest.reference_is_reports
            else ("withheld reports", "a data set such as builders/synop/build.py makes")
        )
        return (
            f"The data set {manifest.name} has no {lacks}, which {self.name} needs; use {advice}."
        )

    def lacking(self, manifest: Manifest) -> str | None:
        """What a data set does not have that the task needs, in a few words; None if it fits."""
        if self.split not in manifest.splits:
            return f"no {self.split} split"
        if self.other_reference(manifest):
            return "no reference fields" if manifest.reference_is_reports else "no withheld reports"
        if self.config == "multimodal" and not manifest.modalities:
            return "no modalities"
        try:
            self.times(manifest)
        except TaskError:
            return f"times are not {self.cycle_hours} h apart"
        try:
            self.observation_settings(manifest).points(manifest.grid)
        except TaskError:
            return f"blocks do not fit {manifest.grid}"
        return None


def task_names() -> tuple[str, ...]:
    """Names of all tasks, sorted."""
    folder = files("dambench_hub.tasks")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_task(name: str | Task) -> Task:
    """The task called `name`; a `Task` is returned as it is.

    Raises:
        TaskError: When there is no such task; the message names the closest one.
    """
    if isinstance(name, Task):
        return name
    if name not in task_names():
        raise TaskError(f"Unknown task {name!r}. {did_you_mean(name, task_names())}")
    raw = yaml.safe_load(files("dambench_hub.tasks").joinpath(f"{name}.yaml").read_text("utf-8"))
    known = [f.name for f in fields(Task) if f.name != "name"]
    refuse_unknown(raw, known, f"Task {name}", TaskError)
    return Task(name=name, **raw)
