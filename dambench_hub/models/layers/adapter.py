"""`ModalityAdapter`: what further observations say, as a map that a method adds to its features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import MODALITIES
from dambench_hub.errors import DataError, TaskError, did_you_mean
from dambench_hub.models.layers.noise import Noise
from dambench_hub.models.layers.sphere import run_block


class ModalityAdapter(nn.Module):
    """Departures of modalities on the grid → context for a method, (B, K, h, w).

    Of each modality E are given the departure from the background's equivalent, 0 where it is
    missing, and a channel that says where it is not. They are cut into patches, embedded with their
    positions and encoded by self-attention, e = LN(E + Attn(E)). A shared transformer mixes the
    tokens of all modalities; the tokens of a patch, side by side, are projected to K channels and
    interpolated to the host's grid. That projection starts at zero, so that an untrained adapter
    adds nothing. What is missing, padding included, is never confused with a departure of zero.

    Args:
        grid: Y×X grid of the modalities.
        context_shape: (K, h, w). Cells of the context are squares of X / w grid points, the first
            one in the north-west; rows beyond the south pole are padding.
        modalities: Names of the M modalities.
        width: d, of a token.
        heads: Of every attention; they divide the width.
        layers: Of the shared transformer.
        patch: Side of a patch, grid points.
        dropout: Share of samples in training from which a modality is withheld, each on its own.
        share_attention: One attention encodes all modalities; else each has its own.

    Raises:
        TaskError: When a value is out of range.

    References:
        The multi-modal representation adapter of DAMBench; post-norm transformer layers of Vaswani
        et al. (2017), arXiv:1706.03762.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self,
        *,
        grid: Grid,
        context_shape: tuple[int, int, int],
        modalities: Sequence[str],
        width: int = 128,
        heads: int = 4,
        layers: int = 2,
        patch: int = 8,
        dropout: float = 0.1,
        share_attention: bool = False,
    ) -> None:
        super().__init__()
        _require_known(modalities)
        _require_sizes(width=width, heads=heads, layers=layers, patch=patch)
        if width % heads:
            raise TaskError(f"The adapter's heads ({heads}) must divide its width ({width}).")
        if not 0 <= dropout < 1:
            raise TaskError(f"modality_dropout is at least 0 and less than 1, got {dropout}.")
        count, (channels, height, breadth) = len(modalities), context_shape
        self.modalities = tuple(modalities)
        self.grid = grid
        self.patch = patch
        self.dropout = dropout
        self.checkpointing = False
        self.tokens = math.ceil(grid.latitudes / patch), math.ceil(grid.longitudes / patch)
        self.embeddings = nn.ModuleList(nn.Conv2d(2, width, patch, patch) for _ in modalities)
        self.positions = nn.Parameter(0.02 * torch.randn(count, math.prod(self.tokens), width))
        encoders = 1 if share_attention else count
        self.encoders = nn.ModuleList(SelfAttention(width, heads) for _ in range(encoders))
        self.layers = nn.ModuleList(
            nn.Sequential(SelfAttention(width, heads), FeedForward(width)) for _ in range(layers)
        )
        self.projection = nn.Linear(count * width, channels)
        nn.init.zeros_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        # As matrices, because the gradient of torch's interpolation is not deterministic on GPUs.
        cell = grid.longitudes / breadth / patch
        rows = interpolation(height, cell, self.tokens[0], periodic=False)
        columns = interpolation(breadth, cell, self.tokens[1], periodic=True)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, departures: Mapping[str, Tensor], noise: Noise) -> Tensor:
        """The context of a batch; in training, some modalities are withheld.

        Args:
            departures: By modality, numbers of order one, (B, Y, X), NaN where missing.
            noise: Says which are withheld; nothing is drawn from it otherwise.

        Returns:
            (B, K, h, w).

        Raises:
            DataError: When a modality is not there.
        """
        values = torch.stack([self._values(departures, name) for name in self.modalities], 1)
        valid = values.isfinite()
        if self.training and self.dropout:
            valid = valid & (noise.uniform(len(self.modalities), 1, 1) >= self.dropout)
        # `where`, because NaN · 0 is NaN.
        pairs = torch.stack([torch.where(valid, values, 0.0), valid.to(values.dtype)], 2)
        south, east = (-size % self.patch for size in self.grid.shape)
        pairs = functional.pad(pairs, (0, east, 0, south))
        tokens = torch.cat([self._encoded(pairs[:, m], m) for m in range(pairs.shape[1])], 1)
        for layer in self.layers:
            tokens = run_block(layer, tokens, checkpointing=self.checkpointing)
        by_patch = tokens.unflatten(1, (len(self.modalities), -1)).transpose(1, 2).flatten(2)
        context = self.projection(by_patch).mT.unflatten(2, self.tokens)
        return self.rows @ (context @ self.columns.mT)

    def _values(self, departures: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in departures:
            raise DataError(
                f"The method needs {' and '.join(self.modalities)}, and the batch has no {name}. "
                "Use the task multimodal; if the data set lacks it, name those that it has in "
                "`modalities`, or train the method without multi_."
            )
        return departures[name]

    def _encoded(self, pair: Tensor, number: int) -> Tensor:
        """Tokens of one modality, (B, T, d), from its values and where they are, (B, 2, Y, X)."""
        embedded = self.embeddings[number](pair).flatten(2).mT + self.positions[number]
        encoder = self.encoders[number % len(self.encoders)]
        return run_block(encoder, embedded, checkpointing=self.checkpointing)


class SelfAttention(nn.Module):
    """LN(x + Attn(x)), multi-head, for tokens (B, T, d)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of the same shape."""
        heads = self.query_key_value(x).unflatten(2, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        # The fused kernels sum logits and softmax in float32, under autocast too.
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.norm(x + self.merge(attended.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """LN(x + MLP(x)) for tokens (B, T, d), with 4d hidden values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of the same shape."""
        return self.norm(x + self.mlp(x))


def interpolation(cells: int, cell: float, sources: int, *, periodic: bool) -> Tensor:
    """Linear interpolation from source cells of length 1 to the centres of others, as a matrix.

    Args:
        cells: How many to interpolate to; the first begins where the first source cell does.
        cell: Their length.
        sources: How many there are.
        periodic: Whether the last source is next to the first; else its value goes on.

    Returns:
        (cells, sources); every row sums to 1.
    """
    position = (torch.arange(cells) + 0.5) * cell - 0.5
    if not periodic:
        position = position.clamp(0, sources - 1)
    distance = position[:, None] - torch.arange(sources)
    if periodic:
        distance = (distance + sources / 2) % sources - sources / 2
    weights = (1 - distance.abs()).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


def _require_known(modalities: Sequence[str]) -> None:
    if not modalities or len(set(modalities)) < len(modalities):
        raise TaskError(f"`modalities` lists names, each once, got {list(modalities)}.")
    for name in modalities:
        if name not in MODALITIES:
            raise TaskError(f"Unknown modality {name!r}. {did_you_mean(name, MODALITIES)}")


def _require_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise TaskError(f"adapter_{name} is at least 1, got {size}.")
