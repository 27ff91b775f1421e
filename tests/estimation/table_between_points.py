"""A table for tests of gains: rows of mixed channels at places between grid points."""

import numpy as np

from dambench_hub.coordinates.bilinear import bilinear_weights
from dambench_hub.estimation.observed_columns import ObservedColumns


class TableBetweenPoints:
    """H of ten rows at five places, as a matrix, (R, C·Y·X), and as `TableOperator`.

    One row is not seen.
    """

    def __init__(self, channels, grid, rng):
        self.shape = (channels, *grid.shape)
        latitude, longitude = rng.uniform(-90, 90, 5), rng.uniform(0, 360, 5)
        points, weights = bilinear_weights(grid, latitude, longitude)
        place = rng.permutation(np.repeat(np.arange(5), 2))
        levels = rng.dirichlet(np.ones(channels), 10)
        levels[:3] = np.eye(channels)[0]
        levels[7] = 0
        self.columns = ObservedColumns(points, weights, place, levels)
        at_places = np.zeros((5, grid.size))
        np.add.at(at_places, (np.arange(5)[:, None], points), weights)
        self.matrix = (levels[:, :, None] * at_places[place][:, None]).reshape(10, -1)

    def __call__(self, state):
        flat = state.reshape(len(state), -1)
        return (flat @ self.matrix.T.astype(flat.dtype))[..., None]

    def adjoint(self, observations):
        flat = observations[..., 0] @ self.matrix.astype(observations.dtype)
        return flat.reshape(-1, *self.shape)
