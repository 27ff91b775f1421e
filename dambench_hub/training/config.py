"""`TrainConfig`, all that a training depends on beside its data: one flat YAML file."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from dambench_hub.data.modality_controls import CONTROLS
from dambench_hub.errors import DambenchError, TrainingError
from dambench_hub.models.registry import MULTI, method_class
from dambench_hub.runtime.settings import read_mapping, refuse_unknown
from dambench_hub.tasks.task import load_task
from dambench_hub.training.schedules import SCHEDULES

NOT_CHOSEN = ("channels", "grid")
"""Arguments of a method's constructor that its data set decides."""

WITHOUT_EFFECT = ("checkpoint_every", "keep", "max_minutes", "timeout_minutes", "tracker")
"""Keys that change no weight, so that a training may go on with others."""


@dataclass(frozen=True)
class TrainConfig:
    """How a method is trained. The defaults are the preset `paper`.

    Attributes:
        method: Name of a learned method.
        preset: Which recipe gives the keys that are not set: `paper`, the one recipe that the paper
            states for all methods, or `upstream`, that of the method's own release.
        task: Its config and observation settings are trained on, in the split `train`.
        epochs: Passes over the training split; the learning rate is planned in them.
        batch_size: Samples of an optimiser step, over all processes. What does not fill a batch at
            the end of an epoch is left out.
        micro_batch_size: Samples at a time in a process, to save memory; gradients accumulate until
            `batch_size` is reached. None: all of a process's share at once.
        learning_rate: The highest.
        betas: Decay rates of AdamW's two moments.
        weight_decay: Of AdamW; 0 makes it Adam.
        schedule: Key of `SCHEDULES`.
        clip_norm: Longest gradient; longer ones are scaled down. 0 for no limit.
        mixed_precision: Number format inside the network: `no` (float32), `bf16` or `fp16`.
        ema_decay: Of the moving average of the weights, which is then what is validated and saved
            as the model. 0 for none.
        compile: Compile the network's parts (`torch.compile`); not together with `checkpointing`.
        checkpointing: Recompute activations instead of keeping them, to save memory.
        seed: Of initial weights, sample order, noise, redrawn observations and rolling.
        roll_longitude: Turn each training sample about the Earth's axis by a random longitude.
        redraw: New observations in each epoch; else those of the task.
        validation_every: Epochs between validations.
        validation_samples: How many, evenly spread over the split; None for all.
        checkpoint_every: Steps between training states, beside those at each validation.
        initial: Folder of a trained model to start from: of the same method, or the host of a
            `multi_` method.
        modality_control: Key of `CONTROLS`, or `none`.
        tracker: Where metrics go beside `metrics.jsonl`: `trackio`, `tensorboard` or `none`.
        keep: How many of the last training states are kept; that of the best model is, too.
        max_minutes: Longest training, over all its runs; it then stops where it is. None for no
            limit.
        timeout_minutes: Longest wait of a process for the others, after which the run ends.
        hyper_parameters: Arguments of the method's constructor; flat in the file.

    Raises:
        TrainingError: When values are out of range; the message lists them all.
    """

    method: str
    preset: str = "paper"
    task: str = "unimodal"
    epochs: int = 40
    batch_size: int = 8
    micro_batch_size: int | None = None
    learning_rate: float = 1e-4
    betas: Sequence[float] = (0.9, 0.999)
    weight_decay: float = 0.01
    schedule: str = "paper"
    clip_norm: float = 1.0
    mixed_precision: str = "bf16"
    ema_decay: float = 0.0
    compile: bool = False
    checkpointing: bool = False
    seed: int = 0
    roll_longitude: bool = False
    redraw: bool = True
    validation_every: int = 1
    validation_samples: int | None = None
    checkpoint_every: int | None = None
    initial: str | None = None
    modality_control: str = "none"
    tracker: str = "trackio"
    keep: int = 2
    max_minutes: float | None = None
    timeout_minutes: float = 30.0
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {rule.words}, got {getattr(self, name)!r}"
            for name, rule in RULES.items()
            if not rule.holds(getattr(self, name))
        ]
        if wrong:
            raise TrainingError("; ".join(wrong) + ".")
        task, multi = load_task(self.task), self.method.startswith(MULTI)
        if multi and task.config == "unimodal":
            raise TrainingError(
                f"{self.method} needs modalities and the task {task.name} gives none; choose "
                "another one, such as multimodal."
            )
        if self.compile and self.checkpointing:
            raise TrainingError(
                "torch cannot compile blocks that are recomputed: set compile or checkpointing to "
                "false."
            )
        if self.modality_control != "none" and not multi:
            raise TrainingError(
                f"modality_control is for methods that begin with {MULTI}; set it to none for "
                f"{self.method}."
            )

    def flat(self) -> dict[str, Any]:
        """All keys as in the file."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        hyper_parameters = values.pop("hyper_parameters")
        return {**values, "betas": list(self.betas), **hyper_parameters}


PRESETS = ("paper", "upstream")

_SET_CONVOLUTION = {
    "epochs": 20,
    "batch_size": 4,
    "betas": (0.9, 0.9),
    "schedule": "one-cycle",
    "mixed_precision": "no",
}
_DIFFUSION = {
    "learning_rate": 2e-4,
    "weight_decay": 1e-3,
    "schedule": "linear",
    "clip_norm": 0.0,
    "mixed_precision": "no",
}
UPSTREAM: dict[str, dict[str, Any]] = {
    "fnp": _SET_CONVOLUTION,
    "conv_cnp": _SET_CONVOLUTION,
    "adas": {**_SET_CONVOLUTION, "clip_norm": 0.0},
    "vae_var": {
        "epochs": 20,
        "batch_size": 4,
        "weight_decay": 0.0,
        "schedule": "constant",
        "clip_norm": 0.0,
        "mixed_precision": "no",
    },
    "sda": {**_DIFFUSION, "epochs": 4096, "batch_size": 32},
    "slams": {**_DIFFUSION, "epochs": 64, "batch_size": 64},
}
"""What each method's own release differs in from the paper's recipe."""


@dataclass(frozen=True)
class Rule:
    """What a value may be, for people and for the computer."""

    words: str
    holds: Callable[[Any], bool]


def _one_of(known: Collection[str]) -> Rule:
    return Rule(
        f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known
    )


def _whole(least: int) -> Rule:
    return Rule(
        f"a whole number from {least} on", lambda value: type(value) is int and value >= least
    )


def _number(words: str, holds: Callable[[float], bool]) -> Rule:
    return Rule(
        f"a number {words}",
        lambda value: type(value) in (int, float) and math.isfinite(value) and holds(value),
    )


def _or_null(rule: Rule) -> Rule:
    return Rule(f"null or {rule.words}", lambda value: value is None or rule.holds(value))


POSITIVE = _number("greater than 0", lambda value: value > 0)
NOT_NEGATIVE = _number("from 0 on", lambda value: value >= 0)
SHARE = _number("from 0 to less than 1", lambda value: 0 <= value < 1)
SWITCH = Rule("true or false", lambda value: type(value) is bool)

RULES: dict[str, Rule] = {
    "preset": _one_of(PRESETS),
    "task": Rule("the name of a task", lambda value: isinstance(value, str)),
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "micro_batch_size": _or_null(_whole(1)),
    "learning_rate": POSITIVE,
    "betas": Rule(
        "two numbers from 0 to less than 1",
        lambda value: (
            isinstance(value, Sequence) and len(value) == 2 and all(map(SHARE.holds, value))
        ),
    ),
    "weight_decay": NOT_NEGATIVE,
    "schedule": _one_of(SCHEDULES),
    "clip_norm": NOT_NEGATIVE,
    "mixed_precision": _one_of(("no", "bf16", "fp16")),
    "ema_decay": SHARE,
    "compile": SWITCH,
    "checkpointing": SWITCH,
    "seed": _whole(0),
    "roll_longitude": SWITCH,
    "redraw": SWITCH,
    "validation_every": _whole(1),
    "validation_samples": _or_null(_whole(1)),
    "checkpoint_every": _or_null(_whole(1)),
    "initial": _or_null(Rule("a folder", lambda value: isinstance(value, str))),
    "modality_control": _one_of(("none", *CONTROLS)),
    "tracker": _one_of(("none", "trackio", "tensorboard")),
    "keep": _whole(1),
    "max_minutes": _or_null(POSITIVE),
    "timeout_minutes": POSITIVE,
}
"""What each key may be."""


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The configuration of a file.

    Args:
        path: Flat YAML: `method`, any other field of `TrainConfig`, and any argument of the
            method's constructor but channels and grid.
        overrides: `KEY=VALUE`, stronger than the file.

    Raises:
        TrainingError: When the file cannot be read, a key is unknown or a value out of range.
        TaskError: When there is no such method or task.
    """
    raw = read_mapping(path, TrainingError, _parsed)
    try:
        return make_config({**raw, **dict(map(_key_and_value, overrides))})
    except DambenchError as error:
        raise type(error)(f"{path}: {error}") from error


def make_config(flat: Mapping[str, Any]) -> TrainConfig:
    """The configuration with these keys, the preset's for those that are not given.

    Raises:
        TrainingError: When a key is unknown or a value out of range.
        TaskError: When there is no such method or task.
    """
    method = flat.get("method")
    if not isinstance(method, str):
        raise TrainingError("The key `method` is missing; it names what is trained: conv_cnp.")
    model_class = method_class(method)
    if not model_class.needs_training:
        raise TrainingError(f"{method} has nothing to train; predict.py fits it by itself.")
    own = {f.name for f in fields(TrainConfig)} - {"hyper_parameters"}
    of_model = set(inspect.signature(model_class).parameters) - set(NOT_CHOSEN)
    refuse_unknown(flat, own | of_model, f"method {method}", TrainingError)
    multi = method.startswith(MULTI)
    values: dict[str, Any] = {"task": "multimodal" if multi else "unimodal"}
    if flat.get("preset") == "upstream":
        values |= _upstream(method.removeprefix(MULTI))
    values |= {key: value for key, value in flat.items() if key in own}
    hyper_parameters = {key: value for key, value in flat.items() if key not in own}
    return TrainConfig(**values, hyper_parameters=hyper_parameters)


def _upstream(method: str) -> Mapping[str, Any]:
    if method not in UPSTREAM:
        raise TrainingError(
            f"The preset upstream knows {', '.join(UPSTREAM)}, and not {method}. Leave it out, and "
            "set the keys that differ."
        )
    return UPSTREAM[method]


class Yaml12(yaml.SafeLoader):
    """YAML as in version 1.2, where `1e-4` is a number and `no` is a word."""

    yaml_implicit_resolvers = {
        first: [
            (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _tag, _pattern, _first in (
    ("bool", r"(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _parsed(text: str) -> Any:
    return yaml.load(text, Loader=Yaml12)


def _key_and_value(override: str) -> tuple[str, Any]:
    key, equals, value = override.partition("=")
    if not equals:
        raise TrainingError(f"An override is KEY=VALUE, such as epochs=3, got {override!r}.")
    try:
        return key.strip(), _parsed(value)
    except yaml.YAMLError as error:
        raise TrainingError(f"The value of {override!r} cannot be read ({error}).") from error
