"""Diffusion: noise added to a state, and taken away again in the light of observations.

The state x becomes x_t = μ(t) x + σ(t) ε with ε ~ N(0, I) and 0 ≤ t ≤ 1, from the state itself to
pure noise. A network estimates ε from x_t, and with it the distribution of states can be sampled;
as ∇ log p(x_t | y) = ∇ log p(x_t) + ∇ log p(y | x_t), also that given observations y, of a kind
which the network has never seen.

States have any shape after their leading dimensions. A network is called with states (*, …) and
times that broadcast to (*), as `network(x, t)`.

References:
    Rozet and Louppe (2023), Score-based Data Assimilation, NeurIPS 36; Salimans and Ho (2022),
    Progressive Distillation, ICLR (for the velocity).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.noise import Noise
from dambench_hub.models.learned import Inputs

Network = Callable[[Tensor, Tensor], Tensor]
"""Estimates ε from (x_t, t)."""

Prediction = Literal["noise", "velocity"]
"""What a network gives: ε, or the velocity v = με − σx, from which ε = σx_t + μv.

An error of ε is divided by μ in the estimate of x, an error of v is not: v takes less training and
fewer steps.
"""

SMALLEST_SIGNAL = 1e-3
"""η, the share of the state that is left at t = 1."""


def signal(t: Tensor) -> Tensor:
    """μ(t) = cos²(t arccos √η), from 1 to η."""
    return (math.acos(math.sqrt(SMALLEST_SIGNAL)) * t).cos().square()


def noise_level(t: Tensor) -> Tensor:
    """σ(t) = √(1 − μ(t)² + η²), from η to 1: a state of variance 1 keeps it."""
    return (1 - signal(t).square() + SMALLEST_SIGNAL**2).sqrt()


def denoising_loss(
    network: Network, state: Tensor, t: Tensor, noise: Tensor, prediction: Prediction = "noise"
) -> Tensor:
    """Mean square error of what the network makes of μx + σε.

    Args:
        network: Gives what `prediction` says.
        state: x, (*, …), of about unit variance.
        t: Times, U(0, 1), (*).
        noise: ε, of the state's shape.
        prediction: What the network gives.
    """
    level = t.reshape(*t.shape, *[1] * (state.ndim - t.ndim))
    mu, sigma = signal(level), noise_level(level)
    target = noise if prediction == "noise" else mu * noise - sigma * state
    return (network(mu * state + sigma * noise, t).float() - target).square().mean()


def noise_from_velocity(network: Network) -> Network:
    """The network that gives ε, from one that gives the velocity; t is one number."""
    return lambda x, t: noise_level(t) * x + signal(t) * network(x, t).float()


@dataclass(frozen=True, eq=False)
class Observations:
    """y = A(x) + N(0, r²), what is known of states x, (B, M, …).

    Attributes:
        values: y, broadcasts to A(x).
        error_std: r, broadcasts to A(x).
        observed: Where y counts, bool, broadcasts to A(x); None for everywhere.
        operator: A, differentiable; None for the identity.
    """

    values: Tensor
    error_std: Tensor
    observed: Tensor | None = None
    operator: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def of(cls, inputs: Inputs, operator: Callable[[Tensor], Tensor] | None = None) -> Observations:
        """The inputs' observations, of what `operator` makes of states (B, M, …).

        Tables take the place of the observations on the grid where there are some.
        """
        tables = inputs.tables
        if tables is None:
            return cls(
                inputs.observations[:, None],
                inputs.observation_error_std[:, None, None],
                inputs.observed[:, None] > 0,
                operator,
            )

        def seen(state: Tensor) -> Tensor:
            state = state if operator is None else operator(state)
            of_samples = [table(one) for table, one in zip(tables, state, strict=True)]
            return torch.cat(of_samples, dim=-1)  # (M, rows of all samples)

        values, error_std = (
            torch.cat([getattr(table, name) for table in tables])
            for name in ("values", "error_std")
        )
        return cls(values, error_std, operator=seen)

    def log_likelihood(self, state: Tensor, variance: Tensor, floor: Tensor | float) -> Tensor:
        """−½ Σ (y − A(x))² / max(r² + variance, floor), summed over all states; a number."""
        residual = self.values - (state if self.operator is None else self.operator(state)).float()
        if self.observed is not None:
            residual = torch.where(self.observed, residual, 0.0)
        variance = (self.error_std.square() + variance).clamp_min(floor)
        return -(residual.square() / variance).sum() / 2


@dataclass(frozen=True)
class Sampler:
    """Draws states from their distribution given observations.

    N predictor steps, each followed by C Langevin corrections, which repair what the approximate
    likelihood does wrong. In the predictor the likelihood is no sharper than a step can follow,
    r² + γs² ≥ s (s − s′) with s = σ/μ before and s′ after it, which for N → ∞ is no bound; and a
    correction is no longer than that of noise as it should be, δ = τ / max(mean ε², 1).

    Attributes:
        steps: N.
        corrections: C; 0 gives wrong posteriors.
        correction_step: τ, sets the length of a correction.
        guidance_variance: γ: the estimate x̂ of x from x_t is taken to have variance γ (σ/μ)².
        detach: The network's own derivative is left out of the likelihood's: no backward pass.
        member_batch: How many members the network sees at once; limits memory, changes nothing.

    Raises:
        TaskError: When a value is out of range.
    """

    steps: int = 256
    corrections: int = 1
    correction_step: float = 0.5
    guidance_variance: float = 1e-2
    detach: bool = False
    member_batch: int = 8

    def __post_init__(self) -> None:
        for name, smallest in (("steps", 1), ("corrections", 0), ("member_batch", 1)):
            if getattr(self, name) < smallest:
                raise TaskError(f"{name} must be at least {smallest}, got {getattr(self, name)}.")
        for name in ("correction_step", "guidance_variance"):
            if not getattr(self, name) > 0:
                raise TaskError(f"{name} must be positive, got {getattr(self, name)}.")

    @torch.no_grad()
    def sample(
        self,
        network: Network,
        state: Tensor,
        noise: Noise,
        observations: Sequence[Observations] = (),
        start: float = 1.0,
    ) -> Tensor:
        """States x given the observations.

        Args:
            network: ε.
            state: x_t at t = start, (B, M, …); at t = 1 it is N(0, I).
            noise: For the corrections.
            observations: What guides; their errors are independent. None for none.
            start: Where the reverse process starts, 0 < start ≤ 1.

        Returns:
            x, (B, M, …).
        """
        x, state_axes = state, tuple(range(2, state.ndim))
        for t, next_t in pairwise(torch.linspace(start, 0, self.steps + 1, device=x.device)):
            ratio, sigma = signal(next_t) / signal(t), noise_level(next_t)
            level, next_level = noise_level(t) / signal(t), sigma / signal(next_t)
            # With a smaller variance the step would carry x̂ beyond the observations, and diverge.
            floor = level * (level - next_level)
            epsilon = self._estimate(network, x, t, observations, floor)
            x = ratio * x + (sigma - ratio * noise_level(t)) * epsilon
            for _ in range(self.corrections):
                epsilon = self._estimate(network, x, next_t, observations)
                # Noise has mean square 1. After a predictor that left less, a step that is longer
                # for that would overshoot sharp observations.
                power = epsilon.square().mean(state_axes, keepdim=True).clamp_min(1.0)
                delta = self.correction_step / power
                z = noise.normal(*x.shape[1:])
                x = x - sigma * (delta * epsilon + (2 * delta).sqrt() * z)
        return x

    def guided_noise(
        self,
        network: Network,
        x: Tensor,
        t: Tensor,
        observations: Sequence[Observations] = (),
        floor: Tensor | float = 0.0,
    ) -> Tensor:
        """ε(x_t, t) − σ ∇ log p(y | x_t), where p(y | x_t) ≈ N(A(x̂), r² + γ (σ/μ)²).

        Args:
            network: ε.
            x: x_t, (B, M, …).
            t: A number.
            observations: y, of independent errors.
            floor: The smallest variance of y.
        """
        if not observations:
            return network(x, t).float()
        mu, sigma = signal(t), noise_level(t)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            with torch.set_grad_enabled(not self.detach):
                epsilon = network(x, t).float()
            clean = (x - sigma * epsilon) / mu
            variance = self.guidance_variance * (sigma / mu).square()
            likelihoods = [each.log_likelihood(clean, variance, floor) for each in observations]
            (gradient,) = torch.autograd.grad(torch.stack(likelihoods).sum(), x)
        return epsilon.detach() - sigma * gradient

    def _estimate(
        self,
        network: Network,
        x: Tensor,
        t: Tensor,
        observations: Sequence[Observations],
        floor: Tensor | float = 0.0,
    ) -> Tensor:
        """The guided noise of all members, a chunk at a time."""
        chunks = x.split(self.member_batch, dim=1)
        return torch.cat(
            [self.guided_noise(network, chunk, t, observations, floor) for chunk in chunks], dim=1
        )


def summarise(members: Tensor) -> Analysis:
    """The analysis whose samples are `members`, (B, M, C, Y, X)."""
    spread = members.std(dim=1) if members.shape[1] > 1 else None
    return Analysis(mean=members.mean(dim=1), std=spread, members=members)
