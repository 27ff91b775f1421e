"""A state of any channels as tokens with depth, and back.

Tokens are (B, D, H, W, C): depth D has a slot for each pressure level, from the top, and then one
for the surface.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.coordinates.variables import parse_channel, variable_groups

PATCH = 2
"""Grid points along each side of a patch; a patch is a token of each depth."""


class ChannelSlots(nn.Module):
    """Where each channel goes: to a variable at a depth.

    The pressure levels, from the top, come before the surface. They form two parts, each with
    slots for V variables at each of its L depths: every upper-air variable at every level, and the
    surface variables at one depth.

    Args:
        channels: Names of the C channels.
    """

    slot_channels: Tensor
    channel_slots: Tensor

    def __init__(self, channels: Sequence[str]) -> None:
        super().__init__()
        groups = variable_groups(list(channels))
        surface = groups.pop("surface", ())
        level_of = [parse_channel(channel).level or 0 for channel in channels]
        levels = sorted({level_of[at] for group in groups.values() for at in group})
        absent = len(channels)
        upper = [
            [
                next((at for at in group if level_of[at] == level), absent)
                for group in groups.values()
            ]
            for level in levels
        ]
        parts = [part for part in (upper, [list(surface)]) if part and part[0]]
        self.shapes = [(len(part), len(part[0])) for part in parts]
        slots = [channel for part in parts for depth in part for channel in depth]
        self.register_buffer("slot_channels", torch.tensor(slots), persistent=False)
        channel_slots = torch.tensor([slots.index(channel) for channel in range(absent)])
        self.register_buffer("channel_slots", channel_slots, persistent=False)

    @property
    def depth(self) -> int:
        """D, the number of depths of all parts."""
        return sum(depths for depths, _ in self.shapes)

    def split(self, state: Tensor) -> list[Tensor]:
        """Parts (B, L, V, Y, X) of a state (B, C, Y, X); zero where there is no channel."""
        with_absent = functional.pad(state, (0, 0, 0, 0, 0, 1))
        parts = with_absent[:, self.slot_channels].split([n * v for n, v in self.shapes], 1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The state (B, C, Y, X) of parts (B, L, V, Y, X)."""
        return torch.cat([part.flatten(1, 2) for part in parts], 1)[:, self.channel_slots]


class PatchEmbedding(nn.Module):
    """A state (B, C, Y, X) to tokens, one of each patch at each depth."""

    def __init__(self, slots: ChannelSlots, dim: int) -> None:
        super().__init__()
        self.slots = slots
        self.parts = nn.ModuleList(
            nn.Conv2d(variables, dim, PATCH, PATCH) for _, variables in slots.shapes
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, state: Tensor) -> Tensor:
        """(B, D, Y / 2, X / 2, dim)."""
        depths = [
            embed(part.flatten(0, 1)).unflatten(0, part.shape[:2])
            for embed, part in zip(self.parts, self.slots.split(state), strict=True)
        ]
        return self.norm(torch.cat(depths, 1).permute(0, 1, 3, 4, 2))


class PatchRecovery(nn.Module):
    """Tokens to a state: the mirror image of `PatchEmbedding`."""

    def __init__(self, slots: ChannelSlots, dim: int) -> None:
        super().__init__()
        self.slots = slots
        self.parts = nn.ModuleList(
            nn.ConvTranspose2d(dim, variables, PATCH, PATCH) for _, variables in slots.shapes
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, C, Y, X) of (B, D, Y / 2, X / 2, dim)."""
        depths = tokens.permute(0, 1, 4, 2, 3).split([n for n, _ in self.slots.shapes], 1)
        return self.slots.join(
            [
                recover(part.flatten(0, 1)).unflatten(0, part.shape[:2])
                for recover, part in zip(self.parts, depths, strict=True)
            ]
        )
