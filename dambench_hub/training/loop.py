"""The training loop: any learned method, on any number of processes, stopped and resumed at will.

    OUT/
      config.yaml         all that the training depends on
      metrics.jsonl       a line for each step and each validation
      best/ last/         models: of the largest skill in validation, of the last validation
      checkpoints/        training states to go on from

What happens at a step is a function of the configuration, the data and the step alone: a training
that was killed and begun again ends with the same weights, to the last bit on the same machine and
as many processes; on fewer or more, up to the rounding of sums.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, broadcast

from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.errors import TrainingError
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import StopRequests
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.training.batches import training_batches
from dambench_hub.training.checkpoints import (
    checkpoint_steps,
    newest_checkpoint,
    remove_partial_folders,
    write_model,
)
from dambench_hub.training.config import TrainConfig
from dambench_hub.training.initial_model import initial_model
from dambench_hub.training.plan import TrainingPlan
from dambench_hub.training.run_folder import STATES_FOLDER, claimed, describe_run
from dambench_hub.training.schedules import SCHEDULES
from dambench_hub.training.selection import VALIDATION, validate
from dambench_hub.training.state import Progress, TrainingState
from dambench_hub.training.trackers import JsonLines, trackers


def train(config: TrainConfig, data: Data, out: Path, command: str = "") -> Progress:
    """Train a method, or go on where an earlier run of the same training in `out` stopped.

    Args:
        config: What to train, and how.
        data: Data set with the splits `train` and `validation`.
        out: Folder of the training; several machines have to share it.
        command: How it was called, for `config.yaml`.

    Raises:
        TrainingError: When the configuration does not fit, another training was begun in `out`, or
            loss or weights are not finite.
        DambenchError: When the data or the disk fail.
        KeyboardInterrupt: After SIGTERM or Ctrl-C, once the training state is saved.
    """
    accelerator = make_accelerator(config, out)
    trainer = Trainer(config, data, out, accelerator)
    description = describe_run(config, data, accelerator.num_processes, command)
    main, batch_norms = accelerator.is_main_process, trainer.state.has_batch_norms
    with claimed(out, description, main=main, batch_norms=batch_norms):
        trainer.resume()
        accelerator.init_trackers(
            "dambench",
            {key: v if isinstance(v, int | float) else str(v) for key, v in description.items()},
            {"trackio": {"name": out.name, "resume": "allow"}},
        )
        try:
            trainer.run()
        finally:
            for tracker in accelerator.trackers:
                tracker.finish()
    return trainer.state.progress


def make_accelerator(config: TrainConfig, out: Path) -> Accelerator:
    """Processes, device and number format.

    Raises:
        TrainingError: When the device cannot do the number format.
    """
    if config.mixed_precision == "fp16" and not torch.cuda.is_available():
        raise TrainingError("mixed_precision fp16 needs a GPU; choose no or bf16.")
    return Accelerator(
        cpu=not torch.accelerator.is_available(),  # else processes on CPUs do not find each other
        mixed_precision=config.mixed_precision,
        log_with=trackers(config.tracker, out / "metrics.jsonl"),
        project_dir=out,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=timedelta(minutes=config.timeout_minutes)),
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
        ],
    )


class Trainer:
    """One training in one process.

    Args:
        config: What to train, and how.
        data: Data set with the splits `train` and `validation`.
        out: Folder of the training.
        accelerator: Processes, device and number format.
    """

    def __init__(
        self, config: TrainConfig, data: Data, out: Path, accelerator: Accelerator
    ) -> None:
        self.config, self.data, self.out, self.accelerator = config, data, out, accelerator
        self.checkpoints = out / STATES_FOLDER
        self.plan = TrainingPlan(
            config, data.size(TRAIN_SPLIT), accelerator.process_index, accelerator.num_processes
        )
        data.size(VALIDATION)  # a missing split is told now, not after an epoch
        accelerator.gradient_accumulation_steps = self.plan.accumulation
        self.state = TrainingState(initial_model(config, data), config, accelerator)
        self.started = time.monotonic()

    def resume(self) -> None:
        """Go on from the newest training state that is complete, if there is one."""
        newest = None
        if self.accelerator.is_main_process:
            for folder in (self.out, self.checkpoints):
                remove_partial_folders(folder)
            newest = newest_checkpoint(self.checkpoints, self._say)
            JsonLines(self.out / "metrics.jsonl").drop_after(newest or 0)
        found = torch.tensor(newest or 0, device=self.accelerator.device)
        if step := int(broadcast(found)):
            self.state.load(self.checkpoints, step)
            self._say(f"Going on from step {step} of {self.plan.steps}.")

    def run(self) -> None:
        """Train to the end, to the limit of time, or until asked to stop."""
        progress, device = self.state.progress, self.accelerator.device
        self.started = time.monotonic() - progress.seconds
        spent = self._is_spent(progress.seconds)  # which all processes have read
        with StopRequests() as requests:
            micro_batches = training_batches(self.data, self.plan, progress.step, device)
            for step in self._shown(range(progress.step, self.plan.steps)):
                if spent:
                    self._say("max_minutes are spent; the same command with more goes on.")
                    break
                interrupted, spent = self._step(step, micro_batches, requests)
                progress.step, progress.seconds = step + 1, self._seconds()
                self._conclude(interrupted, spent)
                if interrupted:
                    raise KeyboardInterrupt

    def _step(
        self,
        step: int,
        micro_batches: Iterator[tuple[Batch, torch.Generator]],
        requests: StopRequests,
    ) -> tuple[bool, bool]:
        """One optimiser step.

        Returns:
            Whether any process was asked to stop, and whether the time is spent.
        """
        started, waiting = time.perf_counter(), 0.0
        losses = []
        for _ in range(self.plan.accumulation):
            asked = time.perf_counter()
            batch, generator = next(micro_batches)
            waiting += time.perf_counter() - asked
            with self.accelerator.accumulate(self.state.wrapped):
                loss = self.state.wrapped(batch, generator)
                self.accelerator.backward(loss)
            losses.append(loss.detach().float())
        local = torch.stack(losses).mean()
        flags = local.new_tensor([requests.received, self._is_spent(self._seconds())])
        agreed = self.accelerator.reduce(torch.cat([local[None], flags]), "mean")
        loss, interrupted, spent = agreed.tolist()
        self._require_finite("loss", loss, step)
        rate, norm = self._update(step)
        self._log(
            step + 1,
            epoch=step // self.plan.steps_per_epoch,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            seconds=time.perf_counter() - started,
            waiting_seconds=waiting,
        )
        return interrupted > 0, spent > 0

    def _update(self, step: int) -> tuple[float, float]:
        """Change the weights along the accumulated gradient; returns rate and gradient norm."""
        config, state = self.config, self.state
        progress = step / max(1, self.plan.steps - 1)
        rate = config.learning_rate * SCHEDULES[config.schedule](progress)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        longest = config.clip_norm or math.inf
        norm = float(self.accelerator.clip_grad_norm_(list(state.parameters.values()), longest))
        if state.scaler is None:  # which leaves out steps that overflow, by itself
            self._require_finite("norm of the gradient", norm, step)
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.average:
            state.average.update(step)
        return rate, norm

    def _conclude(self, interrupted: bool, spent: bool) -> None:
        """Validate and save after a step, when it is time to."""
        config, step = self.config, self.state.progress.step
        end_of_epochs = step % (config.validation_every * self.plan.steps_per_epoch) == 0
        validate = end_of_epochs or step == self.plan.steps or spent
        if validate:
            self._validate()
        if validate or interrupted or step % (config.checkpoint_every or step + 1) == 0:
            self.state.require_finite()
            if self.accelerator.is_main_process:
                self.state.save(self.checkpoints, config.keep)

    def _validate(self) -> None:
        """Compare with the background, and save the model if it is the best so far."""
        model, progress = self.state.model, self.state.progress
        for buffer in model.buffers():
            broadcast(buffer)  # batch statistics are each process's own between two steps
        with self.state.average.applied() if self.state.average else nullcontext():
            self.state.require_finite()
            found = validate(
                model, self.data, self.config, self.plan.micro_batch_size, self.accelerator
            )
            if not math.isfinite(found.mse):
                raise TrainingError(
                    f"The validation error after step {progress.step} is {found.mse}, though the "
                    "weights are finite. The last model stays; train anew with a smaller "
                    "learning_rate."
                )
            if best := progress.is_best(found):
                progress.best_step = progress.step
                progress.best_mse, progress.best_skill = found.mse, found.skill
            if self.accelerator.is_main_process:
                for name in ("last", "best") if best else ("last",):
                    write_model(model, self.out / name)
        values = {"validation_mse": found.mse, "background_mse": found.background_mse}
        skill = "" if found.skill is None else f"skill {found.skill:.2f} %, "
        if found.skill is not None:
            values["validation_skill"] = found.skill
        self._log(progress.step, **values)
        self._say(
            f"Step {progress.step} of {self.plan.steps}: validation {skill}error {found.mse:.5f}, "
            f"background {found.background_mse:.5f}{', the best so far' if best else ''}"
        )

    def _require_finite(self, name: str, value: float, step: int) -> None:
        if math.isfinite(value):
            return
        times = self.data.times(TRAIN_SPLIT)[self.plan.batch(step)]
        saved = checkpoint_steps(self.checkpoints)
        untouched = f"The training state of step {saved[-1]} is untouched. " if saved else ""
        raise TrainingError(
            f"The {name} of step {step + 1} is {value}. Its samples are those of "
            f"{', '.join(map(str, times))}. {untouched}Look for wrong values in these samples; if "
            "there are none, train anew with a smaller learning_rate."
        )

    def _seconds(self) -> float:
        """How long the training takes so far, over all runs."""
        return time.monotonic() - self.started

    def _is_spent(self, seconds: float) -> bool:
        limit = self.config.max_minutes
        return limit is not None and seconds >= 60 * limit

    def _log(self, step: int, **values: float) -> None:
        self.accelerator.log(values, step=step)

    def _shown(self, steps: range) -> Iterable[int]:
        if not steps or not self.accelerator.is_main_process:
            return steps
        return track(steps, len(steps), "Training")

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            print(text, file=sys.stderr, flush=True)
