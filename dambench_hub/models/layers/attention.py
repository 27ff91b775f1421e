"""Attention within shifted windows of tokens on the sphere: Swin blocks in two or three dimensions.

Tokens are (B, H, W, C) or (B, D, H, W, C). The last token axis, W, is longitude and periodic; the
others, latitude H and depth D, end at a seam across which nobody attends.

References:
    Liu et al. (2021), Swin Transformer, ICCV, arXiv:2103.14030.
    Liu et al. (2022), Video Swin Transformer, CVPR, arXiv:2106.13230.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Windows:
    """How a grid of tokens is cut into windows.

    Axes other than longitude are padded at their end to whole windows; padding is never attended.

    Attributes:
        size: Tokens along each axis, longitude last.
        window: Tokens of a window along each axis; that of longitude divides it.
        shift: By how many tokens the windows are displaced along each axis.
    """

    size: tuple[int, ...]
    window: tuple[int, ...]
    shift: tuple[int, ...]

    @classmethod
    def fit(cls, size: tuple[int, ...], window: tuple[int, ...], shifted: bool) -> Self:
        """Windows as large as `window`, or smaller where the tokens ask for it.

        Along longitude, the largest divisor of its size: windows then wrap around without padding.
        An axis that one window covers is not shifted, unless it is periodic.

        >>> Windows.fit((14, 64, 120), (2, 4, 8), shifted=True)
        Windows(size=(14, 64, 120), window=(2, 4, 8), shift=(1, 2, 4))
        >>> Windows.fit((1, 3, 30), (2, 4, 8), shifted=True)
        Windows(size=(1, 3, 30), window=(1, 3, 6), shift=(0, 0, 3))
        """
        *others, width = size
        fitted = [min(pair) for pair in zip(others, window[:-1], strict=True)]
        fitted.append(max(w for w in range(1, window[-1] + 1) if width % w == 0))
        shift = [
            w // 2 if shifted and (w < count or axis == len(size) - 1) else 0
            for axis, (w, count) in enumerate(zip(fitted, size, strict=True))
        ]
        return cls(size, tuple(fitted), tuple(shift))

    @property
    def counts(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple(-(-size // w) for size, w in zip(self.size, self.window, strict=True))

    @property
    def tokens(self) -> int:
        """Tokens of one window, n."""
        return prod(self.window)

    @property
    def padding(self) -> tuple[int, ...]:
        """Tokens added at the end of each axis."""
        whole = zip(self.size, self.counts, self.window, strict=True)
        return tuple(count * w - size for size, count, w in whole)

    @property
    def patterns(self) -> int:
        """Number P of different masks: one for each place in depth and latitude, or 1 if none."""
        masked = any(self.shift[:-1]) or any(self.padding)
        return prod(self.counts[:-1]) if masked else 1

    def order(self) -> Tensor:
        """Number of the token at each place of each window, −1 for padding: int64, (N·P, n).

        Tokens are numbered in row-major order; the P mask patterns come in order.
        """
        return self._cut(torch.arange(prod(self.size)).reshape(self.size)).flatten(0, 1)

    def allowed(self) -> Tensor:
        """Which tokens of a window may attend to which: bool, (P, n, n).

        The last windows of a shifted axis hold tokens of both its ends. Those of depth and latitude
        are no neighbours; those of longitude are.
        """
        places = torch.meshgrid(*(torch.arange(size) for size in self.size), indexing="ij")
        allowed = torch.ones(self.patterns, self.tokens, self.tokens, dtype=torch.bool)
        for place, window in zip(places[:-1], self.window[:-1], strict=True):
            seen = self._cut(place)[0]
            near = (seen[:, :, None] - seen[:, None, :]).abs() < window
            allowed &= near & ((seen >= 0)[:, :, None] == (seen >= 0)[:, None, :])
        return allowed

    def offsets(self) -> Tensor:
        """Number of the displacement between any two tokens of a window, int64, (n, n).

        Of the Π(2w − 1) displacements, from 0.
        """
        number = torch.zeros((), dtype=torch.long)
        places = torch.meshgrid(*(torch.arange(w) for w in self.window), indexing="ij")
        for w, place in zip(self.window, places, strict=True):
            place = place.flatten()
            number = number * (2 * w - 1) + (place[:, None] - place[None, :] + w - 1)
        return number

    def _cut(self, values: Tensor) -> Tensor:
        """One value for each token, (*size), by window: (N, P, n), −1 where there is padding."""
        pairs = [(0, pad) for pad in reversed(self.padding)]
        values = functional.pad(values, [end for pair in pairs for end in pair], value=-1)
        values = values.roll([-shift for shift in self.shift], tuple(range(values.ndim)))
        values = values.reshape(
            [n for pair in zip(self.counts, self.window, strict=True) for n in pair]
        )
        *others, longitude = range(0, values.ndim, 2)
        values = values.permute(longitude, *others, *range(1, values.ndim, 2))
        return values.reshape(-1, self.patterns, self.tokens)


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear layer as Swin starts it: truncated normal of std 0.02, no offset."""
    layer = nn.Linear(inputs, outputs, bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class WindowAttention(nn.Module):
    """Multi-head attention of tokens to the tokens of the same window.

        softmax(q kᵀ / √d + b) v,

    where b is learned for each displacement between two tokens and each head.

    Args:
        dim: Channels C, a multiple of `heads`.
        heads: Number of heads.
        windows: How the tokens are cut.
    """

    offsets: Tensor
    allowed: Tensor
    order: Tensor
    places: Tensor

    def __init__(self, dim: int, heads: int, windows: Windows) -> None:
        super().__init__()
        self.heads, self.windows = heads, windows
        self.query = linear(dim, dim)
        self.key_value = linear(dim, 2 * dim)
        self.project = linear(dim, dim)
        displacements = prod(2 * w - 1 for w in windows.window)
        self.displacement_bias = nn.Parameter(torch.empty(displacements, heads))
        nn.init.trunc_normal_(self.displacement_bias, std=0.02)
        self.register_buffer("offsets", windows.offsets(), persistent=False)
        self.register_buffer("allowed", windows.allowed(), persistent=False)
        order = windows.order().flatten()
        self.register_buffer("order", order.clamp_min(0), persistent=False)
        places = order.argsort()[-prod(windows.size) :]
        self.register_buffer("places", places, persistent=False)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """What tokens find in `context` or, if None, in each other; both are (B, *size, C).

        Windows and heads become one axis of P·heads, so that a mask serves all longitudes.
        """
        own = self._split(tokens)
        other = own if context is None else self._split(context)
        queries = self._per_head(self.query(own))
        keys, values = map(self._per_head, self.key_value(other).chunk(2, -1))
        with torch.autocast(tokens.device.type, enabled=False):
            scaled = queries.float() * queries.shape[-1] ** -0.5
            weights = (scaled @ keys.float().transpose(-2, -1) + self._bias()).softmax(-1)
        found = (weights.to(values.dtype) @ values).unflatten(1, (-1, self.heads))
        found = found.transpose(2, 3).reshape(len(tokens), -1, tokens.shape[-1])
        return self.project(found.index_select(1, self.places).view_as(tokens))

    def _split(self, tokens: Tensor) -> Tensor:
        """(B, *size, C) to (B·N, P, n, C); padding holds any token, as nobody attends to it."""
        chosen = tokens.flatten(1, -2).index_select(1, self.order)
        return chosen.reshape(-1, self.windows.patterns, self.windows.tokens, tokens.shape[-1])

    def _per_head(self, windows: Tensor) -> Tensor:
        """(B·N, P, n, C) to (B·N, P·heads, n, C / heads)."""
        return windows.unflatten(-1, (self.heads, -1)).transpose(2, 3).flatten(1, 2)

    def _bias(self) -> Tensor:
        """Learned bias, −∞ where attention is forbidden, (P·heads, n, n)."""
        bias = self.displacement_bias[self.offsets].permute(2, 0, 1)
        return torch.where(self.allowed[:, None], bias, -torch.inf).flatten(0, 1)


class SwinBlock(nn.Module):
    """Attention within windows, then a perceptron for each token, with 4·C hidden values.

        t ← t + s₀ · attention(norm(t), norm(context or t)),
        t ← t + s₁ · perceptron(norm(t)).

    Args:
        dim: Channels C of the tokens, a multiple of `heads`.
        heads: Number of attention heads.
        size: Tokens along each axis: (H, W) or (D, H, W).
        window: Tokens of a window along each axis; made smaller as `Windows.fit` says.
        shifted: Displace the windows by half a window; every second block should.
        cross: Attend to other tokens, which get a norm of their own, instead of to oneself.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        size: tuple[int, ...],
        window: tuple[int, ...],
        shifted: bool = False,
        cross: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.context_norm = nn.LayerNorm(dim) if cross else None
        self.attention = WindowAttention(dim, heads, Windows.fit(size, window, shifted))
        self.perceptron_norm = nn.LayerNorm(dim)
        self.perceptron = nn.Sequential(linear(dim, 4 * dim), nn.GELU(), linear(4 * dim, dim))

    def forward(
        self, tokens: Tensor, context: Tensor | None = None, scale: Tensor | None = None
    ) -> Tensor:
        """New tokens.

        Args:
            tokens: (B, *size, C).
            context: What to attend to, of the same shape; only of a block with `cross`.
            scale: s₀ and s₁ of each sample, for stochastic depth, (B, 2); 1 if None.
        """
        own = self.norm(tokens)
        other = None if self.context_norm is None else self.context_norm(context)
        tokens = _corrected(tokens, self.attention(own, other), scale, 0)
        return _corrected(tokens, self.perceptron(self.perceptron_norm(tokens)), scale, 1)


def _corrected(tokens: Tensor, correction: Tensor, scale: Tensor | None, branch: int) -> Tensor:
    if scale is None:
        return tokens + correction
    return tokens + scale[:, branch].reshape(-1, *[1] * (tokens.ndim - 1)) * correction
