"""Adas: gated convolutions and gated cross-attention of background and observations.

Tokens are (B, D, H, W, C): depth D has a slot for each pressure level and one for the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.attention import SwinBlock, linear
from dambench_hub.models.layers.checks import require_odd, require_positive
from dambench_hub.models.layers.patches import PATCH, ChannelSlots, PatchEmbedding, PatchRecovery
from dambench_hub.models.layers.sphere import pad_to_multiple, run_block
from dambench_hub.models.learned import Inputs, LearnedAssimilator

MULTIPLE = 8
"""The grid is padded to multiples of this, for the patches and two mergers of 2×2 tokens."""

SMALLEST_LOSS = 1e-8
"""Floor of the absolute error by which a channel's loss is divided."""

AXES = ("depth", "latitude", "longitude")
"""Axes of the tokens, as messages call them."""

Streams: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Tokens of the background, of the observations, and the gate between the two."""


class Adas(LearnedAssimilator):
    """U-shaped network of three streams: background, observations and a gate from where those are.

    Any channels fit: those that a variable lacks on a level are zero on the way in, and dropped on
    the way out. The grid is padded by reflection to multiples of 8 rows; longitude wraps around.
    A number of longitudes that is not a multiple of 8 is padded, too, and then wraps with a seam.

    Args:
        channels: See `LearnedAssimilator`.
        grid: See `LearnedAssimilator`.
        dim: Channels of the finest tokens; coarser ones have 2 and 4 times as many.
        heads: Heads of each attention.
        depth: Swin blocks of the decoder.
        window: Tokens of an attention window in depth, latitude, longitude; smaller in longitude
            where it does not divide the tokens.
        kernels: Sizes of the convolutions' kernels from finest to coarsest tokens, in depth,
            latitude, longitude; odd.
        stochastic_depth: Probability that training skips the decoder's last branch; it rises
            linearly from 0 at the first one.
        increments: Work on innovations and increments, in units of the background error, instead of
            states, as published.
        upstream_padding: Convolutions meet zeros at the date line, as published, instead of
            wrapping around.

    Raises:
        TaskError: When a value is out of range.

    References:
        Chen et al. (2023), Towards an end-to-end artificial intelligence driven global weather
        forecasting system, arXiv:2312.12462.
    """

    name = "adas"
    skip_rates: Tensor

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        dim: int = 96,
        heads: int = 4,
        depth: int = 8,
        window: Sequence[int] = (2, 4, 8),
        kernels: Sequence[Sequence[int]] = ((3, 5, 7), (3, 3, 5), (3, 3, 3)),
        stochastic_depth: float = 0.1,
        increments: bool = False,
        upstream_padding: bool = False,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=increments)
        _require_in_range(dim, heads, depth, window, kernels, stochastic_depth)
        y, x = self.grid.shape
        if -y % MULTIPLE >= y or -x % MULTIPLE > x:
            raise TaskError(f"Adas needs 5 or more latitudes and 4 or more longitudes, got {grid}.")
        self.checkpointing = False
        self.slots = ChannelSlots(self.channels)
        rows, columns = (-(-n // MULTIPLE) * MULTIPLE // PATCH for n in (y, x))
        sizes = [(self.slots.depth, rows >> level, columns >> level) for level in range(3)]
        self.embed = three(lambda: PatchEmbedding(self.slots, dim))
        self.position = nn.Parameter(torch.empty(*sizes[0], dim))
        nn.init.trunc_normal_(self.position, std=0.02)

        def stage(level: int, resample: nn.ModuleList, joined: int = 1) -> StreamStage:
            width, kernel = dim << level, kernels[level]
            return StreamStage(
                resample,
                three(lambda: TokenConvolution(joined * width, width, kernel, upstream_padding)),
                GatedAttention(width, heads, sizes[level], tuple(window)),
            )

        self.first = stage(0, three(nn.Identity))
        self.second = stage(1, squashed(lambda: PatchMerging(dim)))
        self.third = stage(2, squashed(lambda: PatchMerging(2 * dim)))
        self.fourth = stage(1, squashed(lambda: PatchExpansion(4 * dim)), joined=2)
        self.fifth = stage(0, squashed(lambda: PatchExpansion(2 * dim)), joined=2)
        self.fuse = TokenConvolution(3 * dim, dim, kernels[0], upstream_padding)
        self.decoder = nn.ModuleList(
            SwinBlock(dim, heads, sizes[0], tuple(window), shifted=bool(number % 2))
            for number in range(depth)
        )
        self.recover = PatchRecovery(self.slots, dim)
        rates = torch.linspace(0, stochastic_depth, depth)[:, None]
        self.register_buffer("skip_rates", rates, persistent=False)

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """(dim, H, W): added to the observations' tokens of all depths.

        It holds one value for each patch of the padded grid.
        """
        _, rows, columns, dim = self.position.shape
        return dim, rows, columns

    def analyse(self, inputs: Inputs) -> Analysis:
        """The analysis, in one pass."""
        return Analysis(self._analysis(inputs))

    def loss(self, inputs: Inputs) -> Tensor:
        """Mean absolute error, the channels' gradients equalised.

            L = (1/C) Σ_c ℓ_c · sg(ℓ / ℓ_c),   ℓ = (1/C) Σ_c ℓ_c,

        for each sample, where ℓ_c is the mean absolute error of channel c and sg stops the
        gradient. A channel counts by ∇ log ℓ_c, whether its errors are large or small. The paper
        has ℓ_0, the error of the first channel, in place of ℓ: the same gradient up to a factor,
        but a value that says nothing about the others. Here the value is ℓ.
        """
        assert inputs.reference is not None
        errors = (self._analysis(inputs) - inputs.reference).abs().mean((-2, -1))
        weights = errors.mean(1, keepdim=True) / errors.clamp_min(SMALLEST_LOSS)
        return (errors * weights.detach()).mean()

    def _analysis(self, inputs: Inputs) -> Tensor:
        """x^a, float32, (B, C, Y, X)."""
        scales = self._branch_scales(inputs)
        streams = self._encode(inputs)
        first = self._run(self.first, *streams)
        second = self._run(self.second, *first)
        streams = self._run(self.third, *second)
        streams = self._run(self.fourth, *streams, second)
        streams = self._run(self.fifth, *streams, first)
        tokens = self._run(self.fuse, torch.cat(streams, -1))
        for number, block in enumerate(self.decoder):
            scale = None if scales is None else scales[:, number]
            tokens = self._run(block, tokens, None, scale)
        y, x = self.grid.shape
        return self.recover(tokens)[..., :y, :x].float()

    def _run(self, block: nn.Module, *tokens: Any) -> Any:
        return run_block(block, *tokens, checkpointing=self.checkpointing)

    def _encode(self, inputs: Inputs) -> Streams:
        """Tokens of the background and the observations, and the gate in (0, 1)."""
        observations = torch.where(inputs.observed > 0, inputs.observations, 0.0)
        fields = (inputs.background, observations, inputs.observed)
        background, observations, gate = _each(
            self.embed, [pad_to_multiple(field, MULTIPLE) for field in fields]
        )
        if inputs.context is not None:
            observations = observations + inputs.context.permute(0, 2, 3, 1)[:, None]
        position = self.position
        return background + position, observations + position, gate.sigmoid() + position

    def _branch_scales(self, inputs: Inputs) -> Tensor | None:
        """0 or 1 / (1 − rate) for both branches of each decoder block, (B, depth, 2)."""
        if not self.training:
            return None
        kept = inputs.noise.uniform(len(self.decoder), 2) >= self.skip_rates
        return kept / (1 - self.skip_rates)


class TokenConvolution(nn.Conv3d):
    """Convolution of tokens that keeps their number; longitude wraps around.

    Args:
        inputs: Channels of the tokens.
        outputs: Channels of the result.
        kernel: Odd sizes in depth, latitude, longitude.
        zeros: Let the date line meet zeros, as all other edges do, instead of wrapping around.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Sequence[int], zeros: bool) -> None:
        depth, latitude, longitude = kernel
        columns = 0 if zeros else longitude // 2
        padding = (depth // 2, latitude // 2, longitude // 2 - columns)
        super().__init__(inputs, outputs, (depth, latitude, longitude), padding=padding)
        self.columns = columns

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, D, H, W, outputs) of (B, D, H, W, inputs)."""
        if self.columns:
            east, west = tokens[:, :, :, : self.columns], tokens[:, :, :, -self.columns :]
            tokens = torch.cat([west, tokens, east], 3)
        return super().forward(tokens.permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)


class PatchMerging(nn.Module):
    """Tokens of half the resolution and twice the channels, from neighbourhoods of 2×2."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduce = linear(4 * dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, D, H / 2, W / 2, 2·C) of (B, D, H, W, C)."""
        pairs = tokens.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        return self.reduce(self.norm(pairs.transpose(3, 4).flatten(-3)))


class PatchExpansion(nn.Module):
    """Tokens of twice the resolution and half the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.expand = linear(dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, D, 2·H, 2·W, C / 2) of (B, D, H, W, C)."""
        pairs = self.expand(self.norm(tokens)).unflatten(-1, (2, 2, -1))
        return pairs.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 5).flatten(2, 3)


class GatedAttention(nn.Module):
    """Background and observations attend to each other in turn, twice.

        a₁ = a (1 − g) + B₁(a g; o),     o₁ = O₁(o; a),
        a₂ = a₁ (1 − g) + B₂(a₁ g; o₁),  o₂ = O₂(o₁; a₁),  g′ = σ(W g + w),

    with cross-attention blocks B and O. The windows of the second round are shifted.
    """

    def __init__(
        self, dim: int, heads: int, size: tuple[int, ...], window: tuple[int, ...]
    ) -> None:
        super().__init__()

        def rounds() -> nn.ModuleList:
            return nn.ModuleList(
                SwinBlock(dim, heads, size, window, shifted, cross=True)
                for shifted in (False, True)
            )

        self.background, self.observations = rounds(), rounds()
        self.gate = nn.Linear(dim, dim)

    def forward(self, a: Tensor, o: Tensor, g: Tensor) -> Streams:
        """New streams of the streams a, o and g."""
        for background, observations in zip(self.background, self.observations, strict=True):
            a, o = a * (1 - g) + background(a * g, o), observations(o, a)
        return a, o, self.gate(g).sigmoid()


class StreamStage(nn.Module):
    """Changes the resolution of all streams, then corrects them.

        a = SiLU(conv a),  g = σ(conv g),  o = SiLU(conv o) · g,

    gated attention among them, and the sum with what came in.

    Args:
        resample: One module for each stream.
        convolve: One convolution for each stream.
        attention: What the streams learn from each other.
    """

    def __init__(
        self, resample: nn.ModuleList, convolve: nn.ModuleList, attention: GatedAttention
    ) -> None:
        super().__init__()
        self.resample, self.convolve, self.attention = resample, convolve, attention

    def forward(self, a: Tensor, o: Tensor, g: Tensor, skip: Streams | None = None) -> Streams:
        """New streams; `skip` are streams of the same resolution to look at beside them."""
        streams = _each(self.resample, (a, o, g))
        seen = streams
        if skip is not None:
            seen = [torch.cat(pair, -1) for pair in zip(streams, skip, strict=True)]
        a, o, g = _each(self.convolve, seen)
        g = g.sigmoid()
        changes = self.attention(functional.silu(a), functional.silu(o) * g, g)
        a, o, g = (stream + change for stream, change in zip(streams, changes, strict=True))
        return a, o, g


def three(make: Callable[[], nn.Module]) -> nn.ModuleList:
    """A module for each stream."""
    return nn.ModuleList(make() for _ in range(3))


def squashed(make: Callable[[], nn.Module]) -> nn.ModuleList:
    """A module for each stream; that of the gate ends in (0, 1)."""
    return nn.ModuleList([make(), make(), nn.Sequential(make(), nn.Sigmoid())])


def _each(modules: nn.ModuleList, streams: Sequence[Tensor]) -> list[Tensor]:
    return [module(stream) for module, stream in zip(modules, streams, strict=True)]


def _require_in_range(
    dim: int,
    heads: int,
    depth: int,
    window: Sequence[int],
    kernels: Sequence[Sequence[int]],
    stochastic_depth: float,
) -> None:
    """Raise TaskError where a hyper-parameter makes no network."""
    if len(window) != 3 or [len(kernel) for kernel in kernels] != [3, 3, 3]:
        raise TaskError(
            "Adas wants a window of three sizes (depth, latitude, longitude) and three kernels of "
            f"as many, got {window} and {kernels}."
        )
    require_positive(dim=dim, heads=heads, depth=depth)
    require_positive(**{f"window in {axis}": n for axis, n in zip(AXES, window, strict=True)})
    for kernel in kernels:
        require_odd(**{f"kernel in {axis}": n for axis, n in zip(AXES, kernel, strict=True)})
    if dim % heads:
        raise TaskError(f"dim must be a multiple of heads, got {dim} and {heads}.")
    if not 0 <= stochastic_depth < 1:
        raise TaskError(f"stochastic_depth must be in [0, 1), got {stochastic_depth}.")
