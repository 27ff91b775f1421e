"""`SpectralConvolution`: a linear map of the longest waves of a field, one matrix for each wave."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from dambench_hub.errors import TaskError


class SpectralConvolution(nn.Module):
    """Multiply each long wave of a field with a complex matrix of its own; drop the shorter ones.

    With x̂[κ, λ] the Fourier coefficients of x along latitude and longitude, −m ≤ κ < m and
    0 ≤ λ < m: ẑ[κ, λ] = x̂[κ, λ] w[κ, λ], and the result is the real field z. So few waves are kept
    that products with small matrices give them sooner than a fast transform gives all.

    Args:
        width: Channels in and out.
        modes: m.

    References:
        Li et al. (2021), Fourier Neural Operator for Parametric Partial Differential Equations,
        ICLR.
    """

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        shape = (2 * modes, modes, width, width)
        self.real = nn.Parameter(torch.rand(shape) / width**2)
        self.imaginary = nn.Parameter(torch.rand(shape) / width**2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, Y, X) to the same shape, in float32."""
        with torch.autocast(x.device.type, enabled=False):
            return self._convolve(x.float().permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _convolve(self, x: Tensor) -> Tensor:
        """(B, Y, X, width) to the same shape."""
        batch, rows, columns, width = x.shape
        m = self.modes
        along_x, along_y, back = fourier_matrices(rows, columns, m, x.device)
        waves = (along_x @ x).view(batch, 2 * rows, m * width)
        waves = (along_y @ waves).view(batch, 2, 2 * m, m, width)
        waves = waves.permute(2, 3, 1, 0, 4).reshape(2 * m, m, 2 * batch, width)
        (a, b), (c, d) = ((waves @ w).chunk(2, 2) for w in (self.real, self.imaginary))
        waves = torch.stack([a - d, b + c]).permute(3, 0, 1, 2, 4)
        waves = along_y.mT @ waves.reshape(batch, 4 * m, m * width)
        return back @ waves.view(batch, rows, 2 * m, width)


@lru_cache(maxsize=16)
def fourier_matrices(
    rows: int, columns: int, modes: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices to and from the long waves; real and imaginary parts are numbers of their own.

    Args:
        rows: Y.
        columns: X.
        modes: m.
        device: Where they go.

    Returns:
        From longitudes to (part, λ), (2·m, X); from (latitude, part) to (part, κ), (4·m, 2·Y),
        whose transpose leads back up to a factor Y; and from (part, λ) to longitudes, with all
        factors, (X, 2·m). κ is in the order 0 … m − 1, −m … −1.

    Raises:
        TaskError: When the grid does not resolve the waves.
    """
    require_resolved(modes, rows, columns)
    with torch.inference_mode(False):  # the cache serves training, too
        wavenumber = torch.arange(modes)
        angle = _angle(wavenumber, columns)
        along_x = torch.cat([angle.cos(), -angle.sin()])
        # A real field has a wave as λ and as −λ, but for λ = 0 and the shortest one.
        both = torch.where((wavenumber == 0) | (2 * wavenumber == columns), 1.0, 2.0).repeat(2)
        back = along_x.mT * both / (rows * columns)
        angle = _angle(torch.cat([wavenumber, wavenumber - modes]), rows)
        cosine, sine = angle.cos(), angle.sin()
        along_y = torch.stack([torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)])
        along_y = along_y.view(4 * modes, 2 * rows)
        to_device = (each.float().to(device) for each in (along_x, along_y, back))
        return tuple(to_device)  # type: ignore[return-value]


def require_resolved(modes: int, rows: int, columns: int) -> None:
    """Check that a grid resolves waves up to a number of modes.

    Raises:
        TaskError: When it does not.
    """
    most = min(rows // 2, columns // 2 + 1)
    if not 1 <= modes <= most:
        raise TaskError(
            f"modes must be from 1 to {most} on a grid of {rows}x{columns}, got {modes}."
        )


def _angle(wavenumber: Tensor, size: int) -> Tensor:
    """2π k p / size for points p = 0 … size − 1, (k, size), float64."""
    turns = wavenumber[:, None] * torch.arange(size) % size
    return 2 * torch.pi * turns.double() / size
