"""`VAE`, a variational autoencoder of fields, as windowed attention or plain convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.errors import TaskError
from dambench_hub.models.layers.convolution import SphereConvolution
from dambench_hub.models.layers.sphere import pad_to_multiple, run_block
from dambench_hub.models.layers.variable_unet import UNetSize, VariableUNet

COARSENING = 4
"""Grid points along each side of a cell of the coarsest feature maps."""


class VAE(nn.Module):
    """An encoder q(z|e) and a decoder Dec(z), with z ∼ N(0, I) a priori.

    The decoder sees nothing of the encoder but z. A context makes both conditional: the first half
    of its channels is the encoder's, the second the decoder's.

    Args:
        encoder: Fields (B, C, Y, X), padded to multiples of `COARSENING`, and its context or None
            to (B, 2·L, h, w).
        decoder: z, (B, L, h, w), and its context or None to padded fields.
        shape: Y and X.
        latent_shape: (L, h, w).
        context_channels: Of the context of either.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        shape: tuple[int, int],
        latent_shape: tuple[int, int, int],
        context_channels: int,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.shape, self.latent_shape = shape, latent_shape
        self.context_shape = (2 * context_channels, *cells(shape))

    def encode(self, fields: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|e), (B, L, h, w), of fields e, (B, C, Y, X)."""
        own = None if context is None else context.chunk(2, 1)[0]
        padded = pad_to_multiple(fields, COARSENING)
        mean, log_variance = self.encoder(padded, own).float().chunk(2, 1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Dec(z), (B, C, Y, X)."""
        own = None if context is None else context.chunk(2, 1)[1]
        rows, columns = self.shape
        return self.decoder(z, own)[..., :rows, :columns].float()


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(μ, σ²) from N(0, 1), of each value: (μ² + σ² − 1 − ln σ²) / 2."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2


def swin_vae(
    variables: Sequence[Sequence[int]], shape: tuple[int, int], latent_channels: int, size: UNetSize
) -> VAE:
    """The published network: z has the full resolution, and each variable a share of its channels.

    Args:
        variables: For each variable, where its channels stand.
        shape: Y and X.
        latent_channels: L, at least one for each variable.
        size: Hyper-parameters of encoder and decoder.
    """
    padded = cells(shape)[0] * COARSENING, cells(shape)[1] * COARSENING
    shares = latent_shares(latent_channels, [len(positions) for positions in variables])
    starts = [sum(shares[:n]) for n in range(len(shares))]
    latent = [range(start, start + share) for start, share in zip(starts, shares, strict=True)]
    # The means of all variables come first, then their log-variances.
    moments = [[*own, *(latent_channels + n for n in own)] for own in latent]
    return VAE(
        VariableUNet(variables, moments, padded, size),
        VariableUNet(latent, variables, padded, size),
        shape,
        (latent_channels, *padded),
        size.global_width,
    )


def latent_shares(latent_channels: int, sizes: Sequence[int]) -> list[int]:
    """Latent channels of each variable, at least 1, about in proportion to its number of channels.

    Raises:
        TaskError: When there are too few.

    >>> latent_shares(32, [4, 13, 13, 13, 13, 13])
    [2, 6, 6, 6, 6, 6]
    """
    if latent_channels < len(sizes):
        raise TaskError(
            f"latent_channels is at least {len(sizes)}, one for each variable, "
            f"got {latent_channels}."
        )
    shares = [1] * len(sizes)
    while sum(shares) < latent_channels:
        lacking = [
            latent_channels * n / sum(sizes) - own for n, own in zip(sizes, shares, strict=True)
        ]
        shares[lacking.index(max(lacking))] += 1
    return shares


def conv_vae(
    channels: int, shape: tuple[int, int], latent_channels: int, width: int, blocks: int
) -> VAE:
    """A small network: z has a quarter of the resolution along each side.

    It is not told the longitude, so that all longitudes train the same weights.

    Args:
        channels: C.
        shape: Y and X.
        latent_channels: L.
        width: Channels at full resolution; twice that at a half and a quarter.
        blocks: Residual blocks at a half and at a quarter of the resolution.
    """
    return VAE(
        ConvEncoder(channels, 2 * latent_channels, width, blocks),
        ConvDecoder(latent_channels, channels, width, blocks),
        shape,
        (latent_channels, *cells(shape)),
        2 * width,
    )


def cells(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the coarsest feature maps."""
    rows, columns = (-(-size // COARSENING) for size in shape)
    return rows, columns


class ConvEncoder(nn.Module):
    """From full resolution to a quarter of it along each side.

    It starts out with q(z|e) = N(0, I): an untrained mean and variance would make z, and then the
    loss, as large as they happen to be.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            SphereConvolution(inputs, width, 3),
            SphereConvolution(width, 2 * width, 3, stride=2),
            *residual_blocks(2 * width, blocks),
            SphereConvolution(2 * width, 2 * width, 3, stride=2),
        )
        moments = zeroed(SphereConvolution(2 * width, outputs, 3))
        self.coarse = nn.Sequential(*residual_blocks(2 * width, blocks), moments)

    def forward(self, fields: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, inputs, Y, X) to (B, outputs, Y/4, X/4); the context is added at 2·width channels."""
        features = self.fine(fields)
        return self.coarse(features if context is None else features + context)


class ConvDecoder(nn.Module):
    """From a quarter of the resolution along each side to all of it."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.first = SphereConvolution(inputs, 2 * width, 3)
        self.rest = nn.Sequential(
            *residual_blocks(2 * width, blocks),
            nn.Upsample(scale_factor=2),
            SphereConvolution(2 * width, 2 * width, 3),
            *residual_blocks(2 * width, blocks),
            nn.Upsample(scale_factor=2),
            SphereConvolution(2 * width, width, 3),
            SphereConvolution(width, outputs, 3),
        )

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, 4·h, 4·w); the context is added at 2·width channels."""
        features = self.first(z)
        return self.rest(features if context is None else features + context)


class ResidualBlock(nn.Module):
    """x + Conv(SiLU(Conv(x))), at first the identity: the network starts out linear.

    There is no normalisation, since that would hide how large the errors are.
    """

    checkpointing: bool = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = SphereConvolution(width, width, 3)
        self.second = zeroed(SphereConvolution(width, width, 3))

    def forward(self, fields: Tensor) -> Tensor:
        """(B, width, Y, X) to the same."""
        return fields + run_block(self._correction, fields, checkpointing=self.checkpointing)

    def _correction(self, fields: Tensor) -> Tensor:
        return self.second(functional.silu(self.first(fields)))


def residual_blocks(width: int, count: int) -> list[ResidualBlock]:
    """A list of `count` residual blocks."""
    return [ResidualBlock(width) for _ in range(count)]


def zeroed(convolution: SphereConvolution) -> SphereConvolution:
    """The convolution with weights and biases set to 0."""
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution
