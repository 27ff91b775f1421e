"""Training states on disk: folders `step-N` of safetensors and JSON, loadable or ignored.

    step-120/
      model.safetensors       weights and buffers
      optimizer.safetensors   moments of the optimiser, by parameter
      average.safetensors     averaged weights, if there are any
      state.json              plain numbers
      COMPLETE.json           size and SHA-256 of these files; written last

There is no pickle, so a state cannot run code, and no pointer to the newest one, which could be
wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dambench_hub.errors import DambenchError
from dambench_hub.models.pretrained import CONFIG, WEIGHTS
from dambench_hub.runtime.files import atomic_path, require_space, sha256, write_atomic, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerate.optimizer import AcceleratedOptimizer
    from huggingface_hub import PyTorchModelHubMixin
    from torch.optim import Optimizer


COMPLETE, STATE = "COMPLETE.json", "state.json"
PREFIX, SUFFIX = "step-", ".safetensors"


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Save a training state, whole or not at all.

    Args:
        folder: Of all states of the training.
        step: Number of steps done.
        tensors: By file (without suffix) and name.
        state: What JSON can hold.

    Returns:
        The folder of the state.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written; older states stay.
    """
    size = sum(t.numel() * t.element_size() for group in tensors.values() for t in group.values())
    require_space(folder, size)
    final = folder / f"{PREFIX}{step}"
    with partial_folder(final) as partial:
        for name, group in tensors.items():
            with atomic_path(partial / f"{name}{SUFFIX}") as path, safetensors_errors(final):
                save_file({key: t.detach().contiguous() for key, t in group.items()}, path)
        write_atomic(partial / STATE, json.dumps(state, indent=1, allow_nan=False))
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(partial.iterdir())
        }
        write_atomic(partial / COMPLETE, json.dumps({"step": step, "files": files}, indent=1))
        shutil.rmtree(final, ignore_errors=True)  # one of the same step that was passed over
        partial.rename(final)
    return final


def newest_checkpoint(folder: Path, report: Callable[[str], object]) -> int | None:
    """The step of the newest state that is complete; None if there is none.

    Args:
        folder: Of all states of the training.
        report: Is told which states are damaged and passed over.
    """
    for step in sorted(checkpoint_steps(folder), reverse=True):
        problem = damage(folder / f"{PREFIX}{step}")
        if problem is None:
            return step
        report(f"{problem} It is passed over.")
    return None


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps of all states in a folder, complete or not, ascending."""
    names = (path.name.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*"))
    return sorted(int(name) for name in names if name.isdecimal())


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a state, one sentence; None if it is as it was written."""
    try:
        files = json.loads((checkpoint / COMPLETE).read_text("utf-8"))["files"]
        for name, wanted in files.items():
            path = checkpoint / name
            if path.stat().st_size != wanted["bytes"] or sha256(path) != wanted["sha256"]:
                return f"{path} is damaged."
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{checkpoint} is incomplete ({error})."
    return None


def read_checkpoint(folder: Path, step: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The tensors by file and name, and the state, of a complete state."""
    checkpoint = folder / f"{PREFIX}{step}"
    tensors = {path.stem: load_file(path) for path in checkpoint.glob(f"*{SUFFIX}")}
    return tensors, json.loads((checkpoint / STATE).read_text("utf-8"))


def prune_checkpoints(folder: Path, keep: Collection[int]) -> None:
    """Remove all states but those of the steps `keep`."""
    for step in set(checkpoint_steps(folder)) - set(keep):
        shutil.rmtree(folder / f"{PREFIX}{step}", ignore_errors=True)


def optimizer_tensors(
    optimizer: Optimizer | AcceleratedOptimizer, names: Sequence[str]
) -> dict[str, Tensor]:
    """What an optimiser remembers, as `PARAMETER/KEY`.

    Args:
        optimizer: One whose memory is tensors only, such as AdamW.
        names: Of its parameters, in order.
    """
    state = optimizer.state_dict()["state"]
    return {
        f"{names[index]}/{key}": tensor
        for index, memory in state.items()
        for key, tensor in memory.items()
    }


def load_optimizer(
    optimizer: Optimizer | AcceleratedOptimizer,
    names: Sequence[str],
    tensors: Mapping[str, Tensor],
) -> None:
    """Give an optimiser back what `optimizer_tensors` took from it.

    Raises:
        KeyError: When they are those of other parameters.
    """
    memory: dict[int, dict[str, Tensor]] = {}
    positions = {name: index for index, name in enumerate(names)}
    for path, tensor in tensors.items():
        name, _, key = path.rpartition("/")
        memory.setdefault(positions[name], {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})


def write_model(model: PyTorchModelHubMixin, folder: Path) -> None:
    """Save a model to a folder that may hold an earlier one of the same configuration.

    The weights are replaced in one step, so that a reader finds one model or the other. Other files
    in the folder, such as its card, stay.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written; the old model stays.
    """
    with partial_folder(folder) as partial:
        with safetensors_errors(folder):
            model.save_pretrained(partial)
        folder.mkdir(exist_ok=True)
        for path in sorted(partial.iterdir()):
            target = folder / path.name
            if path.name in (CONFIG, WEIGHTS) or not target.exists():
                flush(path)
                path.replace(target)


@contextmanager
def partial_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final`, to be moved there; what is left of it is removed."""
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial")
    with writing(final):
        try:
            partial.mkdir(parents=True)
            yield partial
            flush(final.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def remove_partial_folders(folder: Path) -> None:
    """Remove what killed writers left in a folder."""
    for partial in folder.glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def safetensors_errors(folder: Path) -> Iterator[None]:
    """Turn what safetensors says when it cannot write into advice.

    Raises:
        DambenchError: It names the folder.
    """
    try:
        yield
    except SafetensorError as error:
        raise DambenchError(
            f"Could not write {folder} ({error}). If the disk is full, free some space; then run "
            "the same command again."
        ) from error


def flush(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
