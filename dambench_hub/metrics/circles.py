"""Fourier coefficients along circles of latitude, laid out so that fits in latitude are fast."""

from __future__ import annotations

import numpy as np


class Circles:
    """Coefficients of the wavenumbers 0 … N of two fields, real and imaginary parts apart.

    Values along a meridian are next to each other, so that for each wavenumber one real matrix
    product fits all channels.

    Args:
        scalars: Positions of the channels that are scalars, (S,).
        winds: Positions of u and of v, (2, W).
        largest: N.
        latitudes: Y.

    Attributes:
        scalar: (2, S, 2, N + 1, Y): fields, channels, parts, wavenumbers, latitudes.
        wind: û, and then i v̂, (2, W, 2, N + 1, 2Y).
    """

    def __init__(
        self, scalars: np.ndarray, winds: np.ndarray, largest: int, latitudes: int
    ) -> None:
        self.count, self.latitudes = largest + 1, latitudes
        self.scalar = np.empty((2, len(scalars), 2, self.count, latitudes))
        self.wind = np.empty((2, winds.shape[1], 2, self.count, 2 * latitudes))
        self._u, self._v = ({int(c): n for n, c in enumerate(row)} for row in winds)
        self._scalars = {int(channel): n for n, channel in enumerate(scalars)}

    def put(self, field: int, channel: int, modes: np.ndarray) -> None:
        """Take one channel of a field, 0 or 1.

        Args:
            field: Which field.
            channel: Position of the channel.
            modes: Its `numpy.fft.rfft` along circles, (Y, X // 2 + 1).
        """
        modes, Y = modes[:, : self.count].T, self.latitudes
        if (n := self._scalars.get(channel)) is not None:
            self.scalar[field, n] = modes.real, modes.imag
        elif (n := self._u.get(channel)) is not None:
            self.wind[field, n, ..., :Y] = modes.real, modes.imag
        else:
            self.wind[field, self._v[channel], ..., Y:] = -modes.imag, modes.real
