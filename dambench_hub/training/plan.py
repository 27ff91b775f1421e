"""`TrainingPlan`: which samples a process sees at each step, a function of the step alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.data.sampling import sample_order
from dambench_hub.errors import TrainingError
from dambench_hub.training.config import TrainConfig


@dataclass(frozen=True)
class TrainingPlan:
    """Batches over the epochs, and their split over processes.

    All processes together see the same samples at a step, however many they are. Nothing depends on
    what was called before, so a training that was stopped goes on with what it would have seen.

    Attributes:
        config: Batch sizes, epochs and seed.
        samples: Number of training samples.
        rank: This process, 0 … world_size − 1.
        world_size: Number of processes.

    Raises:
        TrainingError: When the batch does not divide into micro-batches, or there are fewer
            samples than one batch.
    """

    config: TrainConfig
    samples: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        size, share = self.config.batch_size, self.micro_batch_size * self.world_size
        if share == 0 or size % share:
            micro = self.config.micro_batch_size or 1
            fit = ", ".join(str(n) for n in range(1, size + 1) if size % (n * micro) == 0)
            advice = f"These fit: {fit} processes" if fit else "Use a smaller micro_batch_size"
            raise TrainingError(
                f"batch_size {size} is not a multiple of {self.world_size} processes x "
                f"micro_batch_size {micro}. {advice}, or train anew with another batch_size."
            )
        if self.samples < size:
            raise TrainingError(
                f"The training split has {self.samples} samples, batch_size is {size}; choose a "
                "smaller one."
            )

    @property
    def micro_batch_size(self) -> int:
        """Samples at a time in this process."""
        return self.config.micro_batch_size or self.config.batch_size // self.world_size

    @property
    def accumulation(self) -> int:
        """Micro-batches of a process at each step."""
        return self.config.batch_size // (self.micro_batch_size * self.world_size)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split."""
        return self.samples // self.config.batch_size

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.config.epochs * self.steps_per_epoch

    def epoch(self, number: int) -> np.ndarray:
        """Indices of all samples of an epoch by step, (steps_per_epoch, batch_size)."""
        order = sample_order(self.samples, seed=self.config.seed, epoch=number)
        full = self.steps_per_epoch * self.config.batch_size
        return order[:full].reshape(self.steps_per_epoch, self.config.batch_size)

    def batch(self, step: int) -> np.ndarray:
        """Indices of the samples that all processes see at a step, (batch_size,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self.epoch(epoch)[position]

    def share(self, epoch: int, first: int = 0) -> np.ndarray:
        """Indices that this process sees in an epoch, in order, from the step `first` of it on."""
        micro_batches = self.epoch(epoch)[first:].reshape(
            -1, self.accumulation, self.world_size, self.micro_batch_size
        )
        return micro_batches[:, :, self.rank].reshape(-1)


def epoch_key(seed: int, epoch: int) -> int:
    """What keys the noise, observations and augmentation of an epoch."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
