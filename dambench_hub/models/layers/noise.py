"""Random numbers keyed by what they belong to: a seed and a valid time."""

from __future__ import annotations

import numpy as np
import torch

from dambench_hub.coordinates.times import hours_since_epoch


class Noise:
    """The random numbers of a batch.

    Each sample has a stream of its own, keyed by (seed, valid time). So a sample gets the same
    numbers in any batch, order or process, and a resumed training those it would have got.

    Args:
        seed: Makes other numbers; training takes another one each epoch.
        time: Valid times, datetime64[h], (B,).
        device: Where the numbers are drawn; they differ between CPU and GPU.
    """

    def __init__(self, seed: int, time: np.ndarray, device: torch.device | str = "cpu") -> None:
        keys = [
            np.random.SeedSequence([seed, int(hours)]).generate_state(1, np.uint64)[0]
            for hours in hours_since_epoch(time)
        ]
        self.device = torch.device(device)
        self.streams = [torch.Generator(self.device).manual_seed(int(key)) for key in keys]

    def normal(self, *shape: int) -> torch.Tensor:
        """N(0, 1), float32, (B, *shape)."""
        return torch.stack([torch.randn(shape, **self._from(s)) for s in self.streams])

    def uniform(self, *shape: int) -> torch.Tensor:
        """U(0, 1), float32, (B, *shape)."""
        return torch.stack([torch.rand(shape, **self._from(s)) for s in self.streams])

    def _from(self, stream: torch.Generator) -> dict:
        return {"generator": stream, "device": self.device}
