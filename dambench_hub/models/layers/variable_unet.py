"""`VariableUNet`, windowed attention for each variable, joined by a global transformer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.errors import TaskError
from dambench_hub.models.layers.attention import SwinBlock, linear
from dambench_hub.models.layers.checks import require_positive
from dambench_hub.models.layers.sphere import run_block

Positions = Sequence[Sequence[int]]
"""For each variable, where its channels stand."""


@dataclass(frozen=True)
class UNetSize:
    """Hyper-parameters of a `VariableUNet`; the defaults are the official ones.

    Attributes:
        width: Channels of a variable's tokens, one for 2×2 grid points; twice that for 4×4.
        blocks: Blocks of each stage of a variable.
        global_width: Channels of the tokens that join all variables.
        global_blocks: Blocks of the global transformer.
        heads: Attention heads at 2×2, at 4×4 and in the global transformer.
        window: Tokens along each side of a window.

    Raises:
        TaskError: When a value is out of range.
    """

    width: int = 96
    blocks: int = 2
    global_width: int = 1152
    global_blocks: int = 12
    heads: Sequence[int] = (3, 6, 6)
    window: int = 4

    def __post_init__(self) -> None:
        require_positive(**{name: n for name, n in vars(self).items() if name != "heads"})
        widths = (self.width, 2 * self.width, self.global_width)
        if len(self.heads) != 3 or any(
            heads < 1 or width % heads for width, heads in zip(widths, self.heads, strict=True)
        ):
            raise TaskError(
                f"heads must be three divisors of width, 2·width and global_width, {widths}, "
                f"got {list(self.heads)}."
            )


class VariableUNet(nn.Module):
    """Encoders of the variables, one transformer over all of them, decoders of the variables.

    Args:
        inputs: Where the channels of each variable stand in the input.
        outputs: The same for the output, which all of them fill.
        shape: Y and X, multiples of 4.
        size: Hyper-parameters.
    """

    def __init__(
        self, inputs: Positions, outputs: Positions, shape: tuple[int, int], size: UNetSize
    ) -> None:
        super().__init__()
        variables, rows, columns = len(inputs), shape[0] // 4, shape[1] // 4
        self.inputs = [list(positions) for positions in inputs]
        places = list(chain(*outputs))
        self.order = sorted(range(len(places)), key=places.__getitem__)
        self.encoders = nn.ModuleList(VariableEncoder(len(p), shape, size) for p in inputs)
        self.join = linear(variables * 2 * size.width, size.global_width)
        self.position = _position(rows, columns, size.global_width)
        self.transformer = SwinStage(
            size.global_width, size.heads[2], (rows, columns), size.window, size.global_blocks
        )
        self.part = linear(size.global_width, variables * 2 * size.width)
        self.decoders = nn.ModuleList(VariableDecoder(len(p), shape, size) for p in outputs)

    def forward(self, fields: Tensor, context: Tensor | None = None) -> Tensor:
        """Output fields, (B, C_out, Y, X).

        Args:
            fields: (B, C_in, Y, X).
            context: Added to the global tokens, (B, global_width, Y/4, X/4).
        """
        skips = [
            encoder(fields[:, positions])
            for encoder, positions in zip(self.encoders, self.inputs, strict=True)
        ]
        tokens = self.join(torch.cat([coarse for _, coarse in skips], -1)) + self.position
        if context is not None:
            tokens = tokens + context.permute(0, 2, 3, 1)
        parts = self.part(self.transformer(tokens)).chunk(len(skips), -1)
        variables = [
            decoder(part, *skip)
            for decoder, part, skip in zip(self.decoders, parts, skips, strict=True)
        ]
        return torch.cat(variables, 1)[:, self.order]


class VariableEncoder(nn.Module):
    """The channels of one variable, as tokens of 2×2 and of 4×4 grid points."""

    def __init__(self, channels: int, shape: tuple[int, int], size: UNetSize) -> None:
        super().__init__()
        width, (rows, columns) = size.width, (shape[0] // 2, shape[1] // 2)
        self.embed = nn.Conv2d(channels, width, 2, 2)
        self.position = _position(rows, columns, width)
        self.fine = SwinStage(width, size.heads[0], (rows, columns), size.window, size.blocks)
        self.merge_norm = nn.LayerNorm(4 * width)
        self.merge = linear(4 * width, 2 * width, bias=False)
        coarse = (rows // 2, columns // 2)
        self.coarse = SwinStage(2 * width, size.heads[1], coarse, size.window, size.blocks)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, fields: Tensor) -> tuple[Tensor, Tensor]:
        """Fine tokens (B, Y/2, X/2, width) and coarse ones (B, Y/4, X/4, 2·width)."""
        fine = self.fine(self.embed(fields).permute(0, 2, 3, 1) + self.position)
        coarse = self.coarse(self.merge(self.merge_norm(_gather(fine))))
        return fine, self.norm(coarse)


class VariableDecoder(nn.Module):
    """Back from tokens to the channels of one variable, with what its encoder kept."""

    def __init__(self, channels: int, shape: tuple[int, int], size: UNetSize) -> None:
        super().__init__()
        width, (rows, columns) = size.width, (shape[0] // 2, shape[1] // 2)
        self.coarse_skip = linear(4 * width, 2 * width)
        coarse = (rows // 2, columns // 2)
        self.coarse = SwinStage(2 * width, size.heads[1], coarse, size.window, size.blocks)
        self.expand = linear(2 * width, 4 * width, bias=False)
        self.expand_norm = nn.LayerNorm(width)
        self.fine_skip = linear(2 * width, width)
        self.fine = SwinStage(width, size.heads[0], (rows, columns), size.window, size.blocks)
        self.norm = nn.LayerNorm(width)
        self.recover = nn.ConvTranspose2d(width, channels, 2, 2)

    def forward(self, tokens: Tensor, fine_skip: Tensor, coarse_skip: Tensor) -> Tensor:
        """Fields, (B, channels, Y, X), of the variable's global tokens, (B, Y/4, X/4, 2·width)."""
        coarse = self.coarse(self.coarse_skip(torch.cat([tokens, coarse_skip], -1)))
        fine = self.expand_norm(_spread(self.expand(coarse)))
        fine = self.fine(self.fine_skip(torch.cat([fine, fine_skip], -1)))
        return self.recover(self.norm(fine).permute(0, 3, 1, 2))


class SwinStage(nn.Module):
    """Swin blocks one after another, every second one with shifted windows."""

    checkpointing: bool = False

    def __init__(
        self, width: int, heads: int, tokens: tuple[int, int], window: int, blocks: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, tokens, (window, window), shifted=number % 2 == 1)
            for number in range(blocks)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """New tokens, (B, H, W, width)."""
        for block in self.blocks:
            tokens = run_block(block, tokens, checkpointing=self.checkpointing)
        return tokens


def _position(rows: int, columns: int, width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(rows, columns, width), std=0.02))


def _gather(tokens: Tensor) -> Tensor:
    """2×2 tokens as one: (B, H, W, C) to (B, H/2, W/2, 4·C)."""
    return functional.pixel_unshuffle(tokens.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _spread(tokens: Tensor) -> Tensor:
    """One token as 2×2: (B, H, W, 4·C) to (B, 2·H, 2·W, C)."""
    return functional.pixel_shuffle(tokens.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
