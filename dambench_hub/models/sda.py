"""SDA: sample states by diffusion, guided to the observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import TaskError
from dambench_hub.models.diffusion import (
    Network,
    Observations,
    Prediction,
    Sampler,
    denoising_loss,
    noise_from_velocity,
    noise_level,
    signal,
    summarise,
)
from dambench_hub.models.layers.checks import require_choice
from dambench_hub.models.layers.score_unet import ScoreUNet, require_levels
from dambench_hub.models.layers.sphere import LatitudePadding
from dambench_hub.models.learned import Inputs, LearnedAssimilator

BackgroundMode = Literal["context", "as_obs", "sdedit"]
Target = Literal["state", "increment"]

CONTEXT_DROPOUT = 0.1
"""Share of training samples that are learned without their context."""


class SDA(LearnedAssimilator):
    """Score-based data assimilation of single times.

    Training sees no observations: a network learns to take noise from states. At analysis time
    states are sampled in the light of the observations, whatever these are; the mean of the samples
    is the analysis. The method as published has no background; it comes in by one of three ways:

    - `context`: as further input channels of the network;
    - `as_obs`: as an observation of everything, whose errors are independent;
    - `sdedit`: noised up to time `start`, as the state at which sampling starts.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text.
        widths: Features of each level of the U-Net.
        blocks: Blocks of each level, on each way.
        embedding: Length of its time embedding.
        background_mode: How the background comes in.
        target: What is diffused, the state or, easier on little data, its increment in units of
            the background error (then the background is `context`).
        prediction: What the U-Net gives, see `Prediction`.
        steps: N, of the reverse process.
        corrections: C, Langevin corrections after each step.
        correction_step: τ, sets their length.
        guidance_variance: γ, see `Sampler`.
        detach: Whether guidance leaves out the network's derivative, which is faster and,
            at equal steps, worse; see `Sampler`.
        members: S, how many states are sampled; may be set later, too.
        member_batch: How many members the network sees at once.
        start: Time at which `sdedit` starts.
        upstream_padding: As published: latitude wraps around, too.

    Raises:
        TaskError: When a value is out of range.

    References:
        Rozet and Louppe (2023), Score-based Data Assimilation, NeurIPS 36; Meng et al. (2022),
        SDEdit, ICLR (for `sdedit`).
    """

    name = "sda"

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        widths: Sequence[int] = (96, 192, 384),
        blocks: int = 3,
        embedding: int = 64,
        background_mode: BackgroundMode = "context",
        target: Target = "state",
        prediction: Prediction = "noise",
        steps: int = 256,
        corrections: int = 1,
        correction_step: float = 0.5,
        guidance_variance: float = 1e-2,
        detach: bool = False,
        members: int = 8,
        member_batch: int = 8,
        start: float = 0.4,
        upstream_padding: bool = False,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=target == "increment")
        require_choice("background_mode", background_mode, get_args(BackgroundMode))
        require_choice("target", target, get_args(Target))
        require_choice("prediction", prediction, get_args(Prediction))
        if target == "increment" and background_mode != "context":
            raise TaskError(
                "An increment is relative to the background, which would count twice as "
                f"{background_mode}: give background_mode: context or target: state."
            )
        if members < 1 or not 0 < start <= 1:
            raise TaskError(f"Wanted members ≥ 1 and 0 < start ≤ 1, got {members} and {start}.")
        require_levels(widths, self.grid)
        self.background_mode, self.prediction = background_mode, prediction
        self.members, self.start = members, start
        self.sampler = Sampler(
            steps, corrections, correction_step, guidance_variance, detach, member_batch
        )
        count = len(self.channels)
        inputs = 2 * count if background_mode == "context" else count
        latitude: LatitudePadding = "circular" if upstream_padding else "reflect"
        self.network = ScoreUNet(inputs, count, widths, blocks, embedding, latitude=latitude)

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """The shape of the U-Net's first features."""
        return (self.network.first.out_channels, *self.grid.shape)

    def loss(self, inputs: Inputs) -> Tensor:
        """See `denoising_loss`; one time and one noise for each sample."""
        assert inputs.reference is not None
        state = inputs.reference
        t, noise = inputs.noise.uniform(), inputs.noise.normal(*state.shape[1:])
        if inputs.context is not None:
            kept = inputs.noise.uniform(1, 1, 1) >= CONTEXT_DROPOUT
            inputs = replace(inputs, context=kept * inputs.context)
        network = self._network(inputs)
        return denoising_loss(network, state[:, None], t[:, None], noise[:, None], self.prediction)

    def analyse(self, inputs: Inputs) -> Analysis:
        """Mean, spread and members of the sampled states."""
        observations = [Observations.of(inputs)]
        shape = (self.members, *inputs.background.shape[1:])
        state, start = inputs.noise.normal(*shape), 1.0
        if self.background_mode == "as_obs":
            error_std = inputs.background_error_std[:, None, None]
            observations.append(Observations(inputs.prior[:, None], error_std))
        if self.background_mode == "sdedit":
            t, start = torch.tensor(self.start, device=state.device), self.start
            state = signal(t) * inputs.prior[:, None] + noise_level(t) * state
        network = self._network(inputs)
        if self.prediction == "velocity":
            network = noise_from_velocity(network)
        return summarise(self.sampler.sample(network, state, inputs.noise, observations, start))

    def _network(self, inputs: Inputs) -> Network:
        """The U-Net, given all but the noisy states, (B, M, C, Y, X)."""
        background = inputs.background[:, None]
        context = None if inputs.context is None else inputs.context[:, None]

        def network(state: Tensor, t: Tensor) -> Tensor:
            if self.background_mode == "context":
                state = torch.cat([state, background.expand_as(state)], dim=2)
            return self.network(state, t, context)

        return network
