"""VAE-Var: variational assimilation whose prior of the background error is a trained decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dambench_hub.coordinates.variables import variable_groups
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.checks import require_choice, require_positive
from dambench_hub.models.layers.vae import conv_vae, kl_divergence, swin_vae
from dambench_hub.models.layers.variable_unet import UNetSize
from dambench_hub.models.learned import Inputs, LearnedAssimilator

HISTORY = 10
"""Steps that L-BFGS remembers."""

SMALLEST_DECREASE = 1e-4
"""Relative decrease of J in one call of L-BFGS that is not worth another: float32 has no more."""


class VAEVar(LearnedAssimilator):
    """x^a = x^b + s Dec(z), where z minimises J(z) = ½ ‖z‖² + λ ½ Σ ((y − x^b − s Dec(z)) / r)².

    Training fits a variational autoencoder to the increments that would make the background
    perfect, (x − x^b) / s. Its decoder replaces B: with Dec(z) = U z, this is 3D-Var with
    B = s U Uᵀ s.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles, as text: `121x240`.
        network: `swin`, as published, or `conv`, small enough to be trained without a GPU.
        latent_channels: Channels of z; it has the full resolution in `swin`, a quarter in `conv`.
        width: Channels of the first feature map.
        blocks: Blocks at each resolution.
        global_width: Channels of the tokens that join all variables; `swin` only, as the rest.
        global_blocks: Blocks of the global transformer.
        heads: Attention heads at 2×2 and 4×4 grid points and in the global transformer.
        window: Tokens along each side of an attention window.
        likelihood_std: σ of the decoder's likelihood, in units of s. From 1 on, z keeps structured
            errors only and is a strong prior.
        observation_weight: λ, to be tuned on the validation split. Below 1 it makes up for what Dec
            cannot represent, which J counts as if the observations were wrong.
        subtract_zero_decoding: Use Dec(z) − Dec(0), so that no observations return x^b. Dec(0) has
            no context: what the modalities say of the error on average stays.
        iterations: Most iterations of a call of L-BFGS.
        outer_calls: Most calls of L-BFGS.

    Raises:
        TaskError: When a value is out of range.

    References:
        Xiao et al. (2024), VAE-Var: Variational-Autoencoder-Enhanced Variational Assimilation,
        arXiv:2405.13711.
    """

    name = "vae_var"

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        network: str = "swin",
        latent_channels: int = 32,
        width: int = 96,
        blocks: int = 2,
        global_width: int = 1152,
        global_blocks: int = 12,
        heads: Sequence[int] = (3, 6, 6),
        window: int = 4,
        likelihood_std: float = 2.0,
        observation_weight: float = 1.0,
        subtract_zero_decoding: bool = False,
        iterations: int = 10,
        outer_calls: int = 4,
    ) -> None:
        super().__init__(channels=channels, grid=grid)
        require_positive(
            latent_channels=latent_channels,
            width=width,
            blocks=blocks,
            iterations=iterations,
            outer_calls=outer_calls,
        )
        _require_above_0(likelihood_std=likelihood_std, observation_weight=observation_weight)
        self.likelihood_std = likelihood_std
        self.observation_weight = observation_weight
        self.subtract_zero_decoding = subtract_zero_decoding
        self.iterations = iterations
        self.outer_calls = outer_calls
        require_choice("network", network, NETWORKS)
        shape = self.grid.shape
        if network == "swin":
            size = UNetSize(width, blocks, global_width, global_blocks, tuple(heads), window)
            variables = list(variable_groups(self.channels).values())
            self.vae = swin_vae(variables, shape, latent_channels, size)
        else:
            self.vae = conv_vae(len(self.channels), shape, latent_channels, width, blocks)

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """Encoder's and decoder's halves, on cells of 4×4 grid points."""
        return self.vae.context_shape

    def loss(self, inputs: Inputs) -> Tensor:
        """−ELBO of the wanted increments e with one draw of z, in nats per value.

        ‖e − Dec(z)‖² / (2σ²) + KL(q(z|e) ‖ N(0, I)), divided by the number of values of e: the
        same minimum, and gradients of one size on all grids.
        """
        increment = wanted_increment(inputs)
        mean, log_variance = self.vae.encode(increment, inputs.context)
        z = mean + (log_variance / 2).exp() * inputs.noise.normal(*self.vae.latent_shape)
        misfit = (increment - self.vae.decode(z, inputs.context)) / self.likelihood_std
        divergence = kl_divergence(mean, log_variance)
        return (misfit.square().sum() / 2 + divergence.sum()) / increment.numel()

    def analyse(self, inputs: Inputs) -> Analysis:
        """One minimisation for each sample, since one line search for several would couple them."""
        increments = []
        # A line search needs more digits than half precision has.
        with torch.autocast(inputs.prior.device.type, enabled=False):
            for n in range(len(inputs.prior)):
                decode = self._decoder(inputs, slice(n, n + 1))
                observed, innovation, precision = self._observed(inputs, n, decode)
                z = minimise(
                    observed,
                    innovation,
                    self.observation_weight * precision,
                    self.vae.latent_shape,
                    iterations=self.iterations,
                    outer_calls=self.outer_calls,
                )
                increments.append(decode(z))
        return Analysis(mean=inputs.prior + torch.cat(increments))

    def _observed(
        self, inputs: Inputs, n: int, decode: Callable[[Tensor], Tensor]
    ) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
        """From z to H of the increment, the innovation, and 1 / r², of one sample."""
        prior = inputs.prior[n : n + 1]
        if inputs.tables is not None:
            H = inputs.tables[n]
            return lambda z: H(decode(z)), H.values - H(prior), H.error_std**-2
        observed = inputs.observed[n : n + 1]
        innovation = torch.where(observed.bool(), inputs.observations[n : n + 1] - prior, 0.0)
        return decode, innovation, observed / inputs.observation_error_std[:, None, None] ** 2

    def _decoder(self, inputs: Inputs, one: slice) -> Callable[[Tensor], Tensor]:
        """From z to the increment of one sample."""
        s = inputs.background_error_std[:, None, None]
        context = None if inputs.context is None else inputs.context[one]
        if not self.subtract_zero_decoding:
            return lambda z: s * self.vae.decode(z, context)
        zero = s.new_zeros(1, *self.vae.latent_shape)
        offset = self.vae.decode(zero, None)
        return lambda z: s * (self.vae.decode(z, context) - offset)


NETWORKS = ("swin", "conv")


def wanted_increment(inputs: Inputs) -> Tensor:
    """What would make the background perfect, e = (x − x^b) / s, (B, C, Y, X)."""
    assert inputs.reference is not None
    return (inputs.reference - inputs.prior) / inputs.background_error_std[:, None, None]


def minimise(
    decode: Callable[[Tensor], Tensor],
    innovation: Tensor,
    precision: Tensor,
    latent_shape: Sequence[int],
    *,
    iterations: int = 10,
    outer_calls: int = 4,
) -> Tensor:
    """The control z that minimises J(z) = ½ ‖z‖² + ½ Σ precision · (innovation − decode(z))².

    By L-BFGS with a strong Wolfe line search, from z = 0.

    Args:
        decode: From controls, (1, *latent_shape), to what is observed of increments, in the shape
            of `innovation`.
        innovation: y − H(x^b), finite also where nothing is observed.
        precision: λ / r², 0 where nothing is observed.
        latent_shape: Of one control.
        iterations: Most iterations of a call of L-BFGS.
        outer_calls: Most calls; they end earlier when J hardly decreases.

    Returns:
        z, (1, *latent_shape).

    References:
        Nocedal & Wright (2006), Numerical Optimization, algorithms 3.5 and 7.5.
    """
    z = innovation.new_zeros(1, *latent_shape).requires_grad_()
    search = torch.optim.LBFGS(
        [z], max_iter=iterations, history_size=HISTORY, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        residual = innovation - decode(z)
        return (z.square().sum() + (precision * residual.square()).sum()) / 2

    def cost_with_gradient() -> Tensor:
        value = cost()
        # Of z alone: the decoder's weights keep the gradients they have.
        (z.grad,) = torch.autograd.grad(value, z)
        return value.detach()

    value = float(cost().detach())
    for _ in range(outer_calls):
        search.step(cost_with_gradient)
        before, value = value, float(cost().detach())
        if before - value <= SMALLEST_DECREASE * before:
            break
    return z.detach()


def _require_above_0(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise TaskError(f"{name} must be above 0, got {value}.")
