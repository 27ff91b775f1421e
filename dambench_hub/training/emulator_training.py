"""How an emulator is trained: from pairs of references a step apart, on one device.

    OUT/
      config.yaml         all that the training depends on
      metrics.jsonl       a line for each epoch
      best/ last/         emulators: of the smallest held-out error, of the last epoch
      checkpoints/        training states to go on from, one after each epoch

What happens in an epoch is a function of the configuration, the data and the epoch alone.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dambench_hub.data.dataset import Data
from dambench_hub.data.sampling import sample_order
from dambench_hub.errors import TrainingError
from dambench_hub.models.devices import find_device
from dambench_hub.models.emulator import Emulator
from dambench_hub.models.pretrained import weight_problems
from dambench_hub.runtime.prefetching import prefetched
from dambench_hub.runtime.progress import track
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.training.checkpoints import (
    load_optimizer,
    newest_checkpoint,
    optimizer_tensors,
    prune_checkpoints,
    read_checkpoint,
    remove_partial_folders,
    write_checkpoint,
    write_model,
)
from dambench_hub.training.config import RULES
from dambench_hub.training.forecast_pairs import ForecastPairs, find_pairs, forecast_statistics
from dambench_hub.training.run_folder import STATES_FOLDER, claimed
from dambench_hub.training.schedules import one_cycle
from dambench_hub.training.trackers import JsonLines
from dambench_hub.version import __version__


@dataclass(frozen=True)
class EmulatorConfig:
    """How an emulator is trained, by AdamW with one cycle of the learning rate.

    Attributes:
        epochs: Passes over the pairs; the learning rate is planned in them.
        batch_size: Pairs of an optimiser step. What does not fill one is left out of an epoch.
        learning_rate: The highest.
        weight_decay: Of AdamW.
        width: Of the emulator, as the other two.
        blocks: Of the emulator.
        kernel: Of the emulator.
        seed: Of initial weights and the order of pairs.

    Raises:
        TrainingError: When values are out of range; the message lists them all.
    """

    epochs: int = 30
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    width: int = 128
    blocks: int = 4
    kernel: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {RULES[name].words}, got {value!r}"
            for name, value in asdict(self).items()
            if name in RULES and not RULES[name].holds(value)
        ]
        if wrong:
            raise TrainingError("; ".join(wrong) + ".")


@dataclass
class EmulatorProgress:
    """How far a training is.

    Attributes:
        epoch: Epochs done.
        seconds: Time spent, over all runs.
        best_epoch: That of the smallest held-out error, None before the first.
        best_error: That error, in units of persistence's.
    """

    epoch: int = 0
    seconds: float = 0.0
    best_epoch: int | None = None
    best_error: float = math.inf


def train_emulator(
    config: EmulatorConfig, data: Data, out: Path, device: str = "auto", command: str = ""
) -> EmulatorProgress:
    """Train an emulator, or go on where an earlier run of the same training in `out` stopped.

    Args:
        config: How.
        data: Its training references are learned from.
        out: Folder of the training.
        device: As `find_device` has it.
        command: How it was called, for `config.yaml`.

    Raises:
        TrainingError: When the data have too few pairs, another training was begun in `out`, or the
            error is not finite.
        TaskError: When there is no such device.
        DambenchError: When the data or the disk fail.
    """
    pairs, place = find_pairs(data), find_device(device)
    description = {
        **asdict(config),
        "step_hours": pairs.step_hours,
        "data_name": data.manifest.name,
        "data_revision": data.manifest.revision,
        "micro_batch_size": config.batch_size,
        "version": __version__,
        "command": command,
    }
    with claimed(out, description, main=True):
        training = EmulatorTraining(config, data, pairs, out, place)
        training.resume()
        training.run()
    return training.progress


class EmulatorTraining:
    """One training.

    Args:
        config: How.
        data: Its training references are learned from.
        pairs: Of these references.
        out: Folder of the training.
        device: Where it computes.
    """

    def __init__(
        self,
        config: EmulatorConfig,
        data: Data,
        pairs: ForecastPairs,
        out: Path,
        device: torch.device,
    ) -> None:
        self.config, self.data, self.pairs, self.out = config, data, pairs, out
        self.steps = len(pairs.learned) // config.batch_size
        if not self.steps:
            raise TrainingError(
                f"There are {len(pairs.learned)} pairs to learn from and batch_size is "
                f"{config.batch_size}; choose a smaller one."
            )
        self.emulator = initial_emulator(config, data, pairs).to(device)
        self.parameters = dict(self.emulator.named_parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), betas=(0.9, 0.95), weight_decay=config.weight_decay
        )
        self.progress = EmulatorProgress()
        self.metrics = JsonLines(out / "metrics.jsonl")
        self.states = out / STATES_FOLDER

    def resume(self) -> None:
        """Go on from the newest training state that is complete, if there is one."""
        for folder in (self.out, self.states):
            remove_partial_folders(folder)
        epoch = newest_checkpoint(self.states, _say)
        self.metrics.drop_after(epoch or 0)
        if epoch is None:
            return
        tensors, numbers = read_checkpoint(self.states, epoch)
        if problems := weight_problems(tensors["model"], self.emulator.state_dict()):
            raise TrainingError(
                f"The training state of epoch {epoch} in {self.states} is that of another version "
                f"of the emulator ({' '.join(problems)}). config.yaml names the version to go on "
                "with."
            )
        self.emulator.load_state_dict(tensors["model"])
        load_optimizer(self.optimizer, list(self.parameters), tensors["optimizer"])
        self.progress = EmulatorProgress(**numbers)
        _say(f"Going on from epoch {epoch} of {self.config.epochs}.")

    def run(self) -> None:
        """Train to the end."""
        started = time.monotonic() - self.progress.seconds
        persistence = self._held_out_error(persist=True)
        epochs = range(self.progress.epoch, self.config.epochs)
        for epoch in track(epochs, len(epochs), "Training") if epochs else ():
            loss = self._epoch(epoch)
            error = self._held_out_error() / persistence
            self._require_finite(loss + error, epoch)
            self.progress.epoch, self.progress.seconds = epoch + 1, time.monotonic() - started
            self._save(loss, error)

    def _epoch(self, epoch: int) -> float:
        """Optimiser steps over all pairs; their mean loss."""
        config = self.config
        order = sample_order(len(self.pairs.learned), seed=config.seed, epoch=epoch)
        losses = []
        batches = self._batches(TRAIN_SPLIT, self.pairs.learned[order], whole=True)
        for number, batch in enumerate(batches):
            progress = (epoch * self.steps + number) / max(1, config.epochs * self.steps - 1)
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * one_cycle(progress)
            loss = self.emulator.loss(*batch)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    @torch.no_grad()
    def _held_out_error(self, persist: bool = False) -> float:
        """Mean loss of the pairs that are held out; or that of persistence."""
        total = 0.0
        for states, later, season in self._batches(self.pairs.held_out_split, self.pairs.held_out):
            forecast = states if persist else self.emulator(states, season)
            total += len(states) * float(self.emulator.squared_error(forecast, later))
        return total / len(self.pairs.held_out)

    def _batches(
        self, split: str, starts: np.ndarray, whole: bool = False
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """States, those a step later, and the season, (B, C, Y, X) twice and (B, 2)."""
        size, device = self.config.batch_size, self.emulator.mean.device
        count = len(starts) // size if whole else math.ceil(len(starts) / size)
        times = self.data.times(split)

        def read() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            for number in range(count):
                batch = starts[number * size : (number + 1) * size]
                states, later = (
                    np.stack([self.data.reference(split, int(start + step)) for start in batch])
                    for step in (0, 1)
                )
                yield states, later, times[batch]

        for states, later, valid in prefetched(read(), 1):
            season = self.emulator.season_of(valid)
            yield torch.as_tensor(states).to(device), torch.as_tensor(later).to(device), season

    def _save(self, loss: float, error: float) -> None:
        """Emulators, then the training state, of the epoch that is done."""
        progress = self.progress
        best = error < progress.best_error
        if best:
            progress.best_epoch, progress.best_error = progress.epoch, error
        for name in ("last", "best") if best else ("last",):
            write_model(self.emulator, self.out / name)
        self.metrics.log(
            {"loss": loss, "held_out_error": error, "seconds": progress.seconds}, progress.epoch
        )
        tensors = {
            "model": self.emulator.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer, list(self.parameters)),
        }
        write_checkpoint(self.states, progress.epoch, tensors, asdict(progress))
        prune_checkpoints(self.states, {progress.epoch})
        _say(
            f"Epoch {progress.epoch} of {self.config.epochs}: held-out error {error:.4f} of "
            f"persistence's{', the best so far' if best else ''}"
        )

    def _require_finite(self, value: float, epoch: int) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"The error of epoch {epoch + 1} is not finite; the state of the epoch before it "
                "is untouched. Look for wrong values in the references; if there are none, train "
                "anew with a smaller learning_rate."
            )


def initial_emulator(config: EmulatorConfig, data: Data, pairs: ForecastPairs) -> Emulator:
    """An emulator that forecasts persistence, with the scales of its data.

    The global random state of torch stays as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        emulator = Emulator(
            channels=data.channels,
            grid=str(data.grid),
            step_hours=pairs.step_hours,
            width=config.width,
            blocks=config.blocks,
            kernel=config.kernel,
        )
    return emulator.set_statistics(**vars(forecast_statistics(data, pairs)))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
