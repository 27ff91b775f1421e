"""The folder of a training: how it was begun, which is how it goes on, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from dambench_hub.data.dataset import Data
from dambench_hub.errors import TrainingError
from dambench_hub.models.entry_points import packaged_code
from dambench_hub.models.pretrained import RUN_CONFIG
from dambench_hub.models.registry import method_class
from dambench_hub.runtime.files import write_atomic
from dambench_hub.training.checkpoints import STATE, checkpoint_steps
from dambench_hub.training.config import WITHOUT_EFFECT, TrainConfig
from dambench_hub.version import __version__

STATES_FOLDER = "checkpoints"
MAY_DIFFER = (
    *WITHOUT_EFFECT,
    *("command", "data_name", "method_package", "micro_batch_size", "version", "world_size"),
)
"""What a training may go on with otherwise. A batch has the same samples in any number of processes
and micro-batches, with the same noise; only the order of sums differs."""


def describe_run(config: TrainConfig, data: Data, world_size: int, command: str) -> dict[str, Any]:
    """All that a training depends on, as in `config.yaml`."""
    code = packaged_code(method_class(config.method))
    return {
        **config.flat(),
        "data_name": data.manifest.name,
        "data_revision": data.manifest.revision,
        "world_size": world_size,
        "version": __version__,
        **({"method_package": code} if code else {}),
        "command": command,
    }


@contextmanager
def claimed(
    out: Path, description: Mapping[str, Any], *, main: bool, batch_norms: bool = False
) -> Iterator[None]:
    """Begin a training in a folder, or go on with the one that was begun there.

    Args:
        out: The folder.
        description: From `describe_run`.
        main: Whether this process is the one that writes. Inside, no other one does.
        batch_norms: Whether the method has some, so that micro-batches must keep their size.

    Raises:
        TrainingError: When another training left a state there (the message says what differs), or
            one is running there.
        DambenchError: When the folder cannot be written.
    """
    path = out / RUN_CONFIG
    if path.exists() and checkpoint_steps(out / STATES_FOLDER):
        _require_same(path, description, batch_norms)
    if not main:
        yield
        return
    write_atomic(path, yaml.safe_dump(dict(description), sort_keys=False, width=10**6))
    try:
        lock = FileLock(out / ".lock", timeout=0).acquire()
    except Timeout:
        raise TrainingError(
            f"A training is running in {out}. Wait for it, or choose another --out."
        ) from None
    with lock:
        yield


def training_minutes(out: Path) -> float:
    """How long the training in a folder took, over all its runs; NaN before its first state."""
    states = [json.loads(path.read_text()) for path in (out / STATES_FOLDER).glob(f"*/{STATE}")]
    return max((state["seconds"] for state in states), default=float("nan")) / 60


def _require_same(path: Path, description: Mapping[str, Any], batch_norms: bool) -> None:
    try:
        begun = dict(yaml.safe_load(path.read_text("utf-8")))
        before, now = _samples_at_a_time(begun), _samples_at_a_time(description)
    except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read ({error}). Choose another --out.") from error
    names = [name for name in {**begun, **description} if name not in MAY_DIFFER]
    differing = [
        f"- {name} was {begun.get(name)} and is {description.get(name)}"
        for name in names
        if begun.get(name) != description.get(name)
    ]
    if batch_norms and before != now:
        differing.append(
            f"- samples at a time were {before} and are {now}, and batch norms depend on them: set "
            f"micro_batch_size={before}"
        )
    if differing:
        raise TrainingError(
            f"Another training was begun in {path.parent}:\n" + "\n".join(differing) + "\nTo go on "
            "with it, run its command again (it stands in config.yaml). To train anew, choose "
            f"another --out; initial={path.parent / 'last'} starts from its weights."
        )


def _samples_at_a_time(description: Mapping[str, Any]) -> int:
    """Samples of a micro-batch."""
    return description["micro_batch_size"] or (
        description["batch_size"] // description["world_size"]
    )
