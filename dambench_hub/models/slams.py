"""SLAMS: score-based assimilation in the latent space of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import DataError, TaskError, TrainingError
from dambench_hub.models.departures import require_equivalents
from dambench_hub.models.diffusion import (
    Network,
    Observations,
    Prediction,
    Sampler,
    denoising_loss,
    noise_from_velocity,
    summarise,
)
from dambench_hub.models.layers.checks import require_choice
from dambench_hub.models.layers.convolution import SphereConvolution
from dambench_hub.models.layers.score_unet import ScoreUNet, require_levels
from dambench_hub.models.layers.sphere import LatitudePadding, Norm, normalisation
from dambench_hub.models.learned import Inputs, LearnedAssimilator

Stage = Literal["autoencoder", "score"]

AUXILIARIES = ("precipitation", "olr")
"""Modalities whose departures the encoder may see."""

KERNEL = 5

MEMORY = 100
"""Over how many batches the running moments of latents reach back."""


class Autoencoder(nn.Module):
    """Convolutions to few channels and back; the grid stays as it is.

    With inputs 12, widths (9, 8, 7, 6, 5) and outputs 10 it is the published one.

    Args:
        inputs: Channels that are encoded.
        widths: Channels after each layer of the encoder; the last are those of the latent.
        outputs: Channels that are decoded.
        norm: What stands before each activation.
        latitude: What is beyond the poles.
    """

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        outputs: int,
        norm: Norm = "batch",
        latitude: LatitudePadding = "reflect",
    ) -> None:
        super().__init__()

        def layers(widths: Sequence[int]) -> nn.Sequential:
            parts: list[nn.Module] = []
            for number, (coming, going) in enumerate(pairwise(widths)):
                if number:
                    parts += [normalisation(norm, coming), nn.ReLU()]
                parts.append(SphereConvolution(coming, going, KERNEL, latitude=latitude))
            return nn.Sequential(*parts)

        self.encoder = layers([inputs, *widths])
        self.decoder = layers([*reversed(widths), outputs])

    def encode(self, state: Tensor) -> Tensor:
        """(N, inputs, Y, X) to latents z, (N, K, Y, X)."""
        return self.encoder(state)

    def decode(self, latent: Tensor) -> Tensor:
        """Latents (*, K, Y, X) to (*, outputs, Y, X)."""
        return self.decoder(latent.flatten(0, -4)).unflatten(0, latent.shape[:-3])


class SLAMS(LearnedAssimilator):
    """An autoencoder embeds what is known, a diffusion samples in its latent space.

    The encoder sees a state, the observations and where they are. Its state is the reference,
    z_x = Enc(x, y), or the background, z_c = Enc(x_b, y); both are decoded to the reference. The
    diffusion learns the distribution of z_x. At analysis time it is guided by z_c as an observation
    of z_x with the error met in training; nothing but background and observations is seen then.

    Training has two stages. The first trains the autoencoder, and its analysis is Dec(z_c). The
    second, which starts from the weights of the first, trains the diffusion. Weights have the same
    names in both.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text.
        stage: What is trained, and used.
        latent_widths: Channels after each layer of the encoder; the last are the K of the latent.
            Few channels limit the accuracy, unless with `residual`.
        norm: Between the layers of the autoencoder; `group` suits small batches.
        residual: Whether states and observations are taken relative to the background, in units
            of its error, so that a correction is decoded.
        aux: Whether the encoder sees how far precipitation and outgoing longwave radiation depart
            from the background's equivalents, too.
        widths: Features of each level of the U-Net.
        blocks: Blocks of each level, on each way.
        embedding: Length of its time embedding.
        layer_norm: Whether it has norms; as published, it has none.
        prediction: What it gives, see `Prediction`.
        steps: N, of the reverse process.
        corrections: C, Langevin corrections after each step.
        correction_step: τ, sets their length.
        guidance_variance: γ, see `Sampler`.
        detach: Whether guidance leaves out the U-Net's derivative, which is faster and,
            at equal steps, worse; see `Sampler`.
        pixel_guidance: Whether the observations guide, too, through the decoder.
        members: S, how many latents are sampled; may be set later, too.
        member_batch: How many members the networks see at once.
        upstream_padding: As published: latitude wraps around, too.

    Raises:
        TaskError: When a value is out of range.

    References:
        Qu et al. (2024), Deep Generative Data Assimilation in Multimodal Setting, CVPR Workshops.
        There the encoder is given the true state at analysis time; here it is not.
    """

    name = "slams"
    latent_mean: Tensor
    latent_variance: Tensor
    latent_error_variance: Tensor
    latent_batches: Tensor

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        stage: Stage = "autoencoder",
        latent_widths: Sequence[int] = (64, 48, 32),
        norm: Norm = "batch",
        residual: bool = False,
        aux: bool = False,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 3,
        embedding: int = 64,
        layer_norm: bool = True,
        prediction: Prediction = "noise",
        steps: int = 512,
        corrections: int = 1,
        correction_step: float = 0.5,
        guidance_variance: float = 1e-2,
        detach: bool = False,
        pixel_guidance: bool = False,
        members: int = 8,
        member_batch: int = 8,
        upstream_padding: bool = False,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=residual)
        require_choice("stage", stage, get_args(Stage))
        require_choice("prediction", prediction, get_args(Prediction))
        if not latent_widths or min(*latent_widths, members) < 1:
            raise TaskError(
                "Wanted at least one latent width, all positive, and members ≥ 1; got "
                f"latent_widths {list(latent_widths)} and members {members}."
            )
        require_levels(widths, self.grid)
        self.stage, self.prediction = stage, prediction
        self.aux, self.pixel_guidance = aux, pixel_guidance
        self.members = members
        self.sampler = Sampler(
            steps, corrections, correction_step, guidance_variance, detach, member_batch
        )
        count, latent = len(self.channels), latent_widths[-1]
        inputs = 3 * count + (2 * len(AUXILIARIES) if aux else 0)
        latitude: LatitudePadding = "circular" if upstream_padding else "reflect"
        self.autoencoder = Autoencoder(inputs, latent_widths, count, norm, latitude)
        self.score = ScoreUNet(latent, latent, widths, blocks, embedding, layer_norm, latitude)
        self.register_buffer("latent_mean", torch.zeros(latent, 1, 1))
        self.register_buffer("latent_variance", torch.ones(latent, 1, 1))
        self.register_buffer("latent_error_variance", torch.ones(latent, 1, 1))
        self.register_buffer("latent_batches", torch.zeros(()))
        # Distributed training forbids trainable parameters that a loss does not use.
        (self.score if stage == "autoencoder" else self.autoencoder).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode; a trained autoencoder stays as it is."""
        super().train(mode)
        if self.stage == "score":
            self.autoencoder.eval()
        return self

    @property
    def context_shape(self) -> tuple[int, int, int] | None:
        """The shape of the U-Net's first features; None where it is not used."""
        if self.stage == "autoencoder":
            return None
        return (self.score.first.out_channels, *self.grid.shape)

    @property
    def reads_modalities(self) -> bool:
        """Of itself only where its encoder sees them."""
        return self.aux

    def inputs(self, batch: Batch, generator: torch.Generator | None = None) -> Inputs:
        """See `LearnedAssimilator.inputs`.

        Raises:
            DataError: Also when the encoder is to see modalities, and the background has no
                equivalent of any.
        """
        if self.aux:
            require_equivalents(batch)
        return super().inputs(batch, generator)

    def loss(self, inputs: Inputs) -> Tensor:
        """The error of decoded states in the first stage, `denoising_loss` of z_x in the second.

        Raises:
            DataError: When the modalities are missing that the encoder is to see.
            TrainingError: When the stage is `score` and the autoencoder was never trained.
        """
        if self.stage == "score" and not self.latent_batches:
            raise TrainingError(
                "slams with stage: score needs a trained autoencoder. Train with stage: "
                "autoencoder first, and start from its weights."
            )
        assert inputs.reference is not None
        reference = inputs.reference
        # The encoder sees the reference or the background as its state; each counts half.
        known = self._known(inputs)
        filled = [torch.cat([state, known], 1) for state in (reference, inputs.prior)]
        latents = self.autoencoder.encode(torch.cat(filled))
        z_x, z_c = latents.detach().float().chunk(2)
        if self.training:
            self._update_moments(z_x, z_c)
        if self.stage == "autoencoder":
            error = self.autoencoder.decode(latents).float() - torch.cat([reference, reference])
            return error.square().mean()
        state = self._standardised(z_x)
        t, noise = inputs.noise.uniform(), inputs.noise.normal(*state.shape[1:])
        return denoising_loss(
            self._network(inputs), state[:, None], t[:, None], noise[:, None], self.prediction
        )

    def analyse(self, inputs: Inputs) -> Analysis:
        """Dec(z_c), or mean, spread and members of what is decoded from the sampled latents."""
        z_c = self.autoencoder.encode(torch.cat([inputs.prior, self._known(inputs)], 1))[:, None]
        if self.stage == "autoencoder":
            return Analysis(self.autoencoder.decode(z_c).float()[:, 0])
        network = self._network(inputs)
        if self.prediction == "velocity":
            network = noise_from_velocity(network)
        latent = inputs.noise.normal(self.members, *z_c.shape[2:])
        latent = self.sampler.sample(network, latent, inputs.noise, self._guides(inputs, z_c))
        chunks = latent.split(self.sampler.member_batch, dim=1)
        return summarise(torch.cat([self._decoded(chunk) for chunk in chunks], 1))

    def _known(self, inputs: Inputs) -> Tensor:
        """What the encoder sees beside a state."""
        observations = torch.where(inputs.observed > 0, inputs.observations, 0.0)
        parts = [observations, inputs.observed]
        if self.aux:
            parts += _auxiliary(inputs.departures)
        return torch.cat(parts, 1)

    def _guides(self, inputs: Inputs, z_c: Tensor) -> list[Observations]:
        """z_c as an observation of z_x; with pixel guidance also y, as one of the decoded state."""
        error_std = (self.latent_error_variance / self.latent_variance).sqrt()
        guides = [Observations(self._standardised(z_c.float()), error_std)]
        if self.pixel_guidance:
            guides.append(Observations.of(inputs, self._decoded))
        return guides

    def _network(self, inputs: Inputs) -> Network:
        context = None if inputs.context is None else inputs.context[:, None]
        return lambda latent, t: self.score(latent, t, context)

    def _standardised(self, latent: Tensor) -> Tensor:
        return (latent - self.latent_mean) / self.latent_variance.sqrt()

    def _decoded(self, latent: Tensor) -> Tensor:
        """The states of standardised latents, (B, M, K, Y, X)."""
        raw = self.latent_mean + self.latent_variance.sqrt() * latent
        return self.autoencoder.decode(raw).float()

    @torch.no_grad()
    def _update_moments(self, z_x: Tensor, z_c: Tensor) -> None:
        """Running means: of all batches at first, exponential after `MEMORY` of them."""
        axes = (0, 2, 3)

        def mean(values: Tensor) -> Tensor:
            return values.mean(axes)[:, None, None]

        self.latent_batches += 1
        weight = self.latent_batches.reciprocal().clamp_min(1 / MEMORY)
        self.latent_mean.lerp_(mean(z_x), weight)
        self.latent_variance.lerp_(mean((z_x - self.latent_mean).square()), weight)
        self.latent_error_variance.lerp_(mean((z_c - z_x).square()), weight)


def _auxiliary(departures: Mapping[str, Tensor]) -> list[Tensor]:
    """Departure and validity of each modality, (B, 1, Y, X) each."""
    if missing := [name for name in AUXILIARIES if name not in departures]:
        raise DataError(
            f"slams with aux: true needs {' and '.join(missing)}, which the task does not give. "
            "Use a multimodal task or aux: false."
        )
    parts = []
    for name in AUXILIARIES:
        values = departures[name][:, None]
        valid = ~values.isnan()
        parts += [torch.where(valid, values, 0.0), valid.float()]
    return parts
