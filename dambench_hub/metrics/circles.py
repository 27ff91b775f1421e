"""Fourier coefficients along circles of latitude, laid out so that fits in latitude are fast."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.parity import parity_parts


class Circles:
    """Coefficients of the wavenumbers 0 … N of two fields, real and imaginary parts apart.

    Values along a meridian are next to each other, and those even and odd about the equator apart,
    so that for each wavenumber two small real matrix products fit all channels.

    Args:
        scalars: Positions of the channels that are scalars, (S,).
        winds: Positions of u and of v, (2, W).
        largest: N.
        latitudes: Y.

    Attributes:
        scalar: Wavenumbers, parities, fields, parts, channels, northern rows:
            (N + 1, 2, 2, 2, S, H), H = (Y + 1) // 2.
        wind: The same of û, and then i v̂, which has the other parity: (N + 1, 2, 2, 2, W, 2H).
    """

    def __init__(
        self, scalars: np.ndarray, winds: np.ndarray, largest: int, latitudes: int
    ) -> None:
        self.count, self.half = largest + 1, (latitudes + 1) // 2
        self.scalar = np.empty((self.count, 2, 2, 2, len(scalars), self.half))
        self.wind = np.empty((self.count, 2, 2, 2, winds.shape[1], 2 * self.half))
        self._u, self._v = ({int(c): n for n, c in enumerate(row)} for row in winds)
        self._scalars = {int(channel): n for n, channel in enumerate(scalars)}

    def put(self, field: int, channel: int, modes: np.ndarray) -> None:
        """Take one channel of a field, 0 or 1.

        Args:
            field: Which field.
            channel: Position of the channel.
            modes: Its `numpy.fft.rfft` along circles, (Y, X // 2 + 1).
        """
        of_wind, H = self.wind[:, :, field], self.half
        parts = [(part.real.T, part.imag.T) for part in parity_parts(modes[:, : self.count])]
        if (n := self._scalars.get(channel)) is not None:
            of_channel = self.scalar[:, :, field, :, n]
        elif (n := self._u.get(channel)) is not None:
            of_channel = of_wind[:, :, :, n, :H]
        else:
            of_channel = of_wind[:, ::-1, :, self._v[channel], H:]
            of_channel = of_channel[:, :, ::-1]  # i v̂ has the real part of v̂ for its imaginary one
        for parity, part in enumerate(parts):
            of_channel[:, parity, 0], of_channel[:, parity, 1] = part
        if channel in self._v:
            np.negative(of_channel[:, :, 1], out=of_channel[:, :, 1])
