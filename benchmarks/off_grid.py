"""Fields between the points of a grid: how far interpolations are from the model's own state there.

    python benchmarks/off_grid.py [--days 12] [--stations 1000]

The canonical world's states are seen on 33×64, and on 65×128, which has points between. Errors are
root mean squares over these points and days of the test split, weighted by area. The table has them
as shares of the standard deviation of the background's error, of H as bilinear interpolation and of
what evaluates a reference off the grid. *Spline* is cubic on the torus that
`coordinates/trigonometric_interpolation.py` describes, *harmonics* the least-squares fit of
`HarmonicAnalysis`, winds by vorticity and divergence.

A second table has superobservations: means over the cells of 33×64 of what stations off the grid
see without an error, of their innovations and of their values, against the reference at the grid
points. Shares are of the background's error at the same points.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.ndimage import map_coordinates

from dambench_hub.building.osse.canonical.index import shipped
from dambench_hub.building.osse.canonical.precision import Sight
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.coordinates.bilinear import bilinear_weights
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree
from dambench_hub.coordinates.regridding import WINDS
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.coordinates.trigonometric_interpolation import trigonometric_interpolation
from dambench_hub.coordinates.variables import (
    HEADLINE_CHANNELS,
    STANDARD_CHANNELS,
    parse_channel,
    wind_pairs,
)
from dambench_hub.observations.off_grid_network import OffGridNetwork
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations

COARSE, FINE = Grid(33, 64), Grid(65, 128)
POINTS = np.meshgrid(FINE.latitude, FINE.longitude, indexing="ij")
LATITUDE, LONGITUDE = (axis.ravel() for axis in POINTS)
IS_WIND = np.array([parse_channel(name).variable.name in WINDS for name in STANDARD_CHANNELS])
C = len(STANDARD_CHANNELS)


def bilinear(state):
    """As `PointInterpolation`."""
    points, weights = bilinear_weights(COARSE, LATITUDE, LONGITUDE)
    return (state.reshape(C, -1)[:, points] * weights).sum(axis=-1)


def trigonometric(state):
    """As `OffGridNetwork`."""
    return trigonometric_interpolation(state, COARSE, LATITUDE, LONGITUDE, IS_WIND)


def spline(state):
    """Cubic splines on the torus."""
    opposite = np.roll(state, COARSE.longitudes // 2, axis=-1)[:, -2:0:-1]
    torus = np.concatenate([state, np.where(IS_WIND, -1, 1)[:, None, None] * opposite], axis=1)
    place = np.indices(FINE.shape).reshape(2, -1) / 2
    return np.stack([map_coordinates(one, place, order=3, mode="grid-wrap") for one in torus])


def harmonics(state):
    """Spherical harmonics of all degrees that the grid holds."""
    largest = largest_degree(COARSE)
    analysis = HarmonicAnalysis(COARSE, largest)
    synthesis = Synthesis(FINE, 2 * largest + 1, largest + 1, np.float64)
    fields = synthesis.scalar(analysis.scalar(state))
    u, v = wind_pairs(STANDARD_CHANNELS)
    fields[u], fields[v] = synthesis.wind(*analysis.wind(state[u], state[v]))
    return fields.reshape(C, -1)


INTERPOLATIONS = (bilinear, trigonometric, spline, harmonics)


def spread_days(states, days):
    """Numbers of some days of the test split, evenly over the year."""
    every = len(states.days["test"]) // days
    return range(0, every * days, every)


def print_rows(shares, names):
    """A table of shares, (columns, C), for the headline channels and over all."""
    print(f"\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    rows = {name: shares[:, STANDARD_CHANNELS.index(name)] for name in HEADLINE_CHANNELS}
    rows |= {"median of 69": np.median(shares, axis=1), "largest": shares.max(axis=1)}
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{share:.3f}' for share in row)} |")


def measure_interpolations(states, days):
    """Errors between the grid's points."""
    coarse, fine = Sight(states, COARSE), Sight(states, FINE)
    between = np.ones(FINE.shape, bool)
    between[::2, ::2] = False
    weight = (between * FINE.weights[:, None]).ravel()
    errors, background = np.zeros((len(INTERPOLATIONS), C)), np.zeros(C)
    for day in spread_days(states, days):
        seen, truth, forecast = (
            sight.state(owner, "test", day)[:C].astype(float)
            for sight, owner in ((coarse, "reference"), (fine, "reference"), (fine, "background"))
        )
        truth = truth.reshape(C, -1)
        for number, interpolate in enumerate(INTERPOLATIONS):
            errors[number] += (interpolate(seen) - truth) ** 2 @ weight
        background += (forecast.reshape(C, -1) - truth) ** 2 @ weight
    print_rows(np.sqrt(errors / background), [one.__name__ for one in INTERPOLATIONS])


def measure_superobservations(states, days, stations):
    """Errors of means over cells at their grid points, of innovations and of the values."""
    sight = Sight(states, COARSE)
    errors, background = np.zeros((2, C)), np.zeros(C)
    for day in spread_days(states, days):
        reference, forecast = (
            sight.state(owner, "test", day)[:C].astype(float)
            for owner in ("reference", "background")
        )
        table = OffGridNetwork(stations).observe(
            reference, STANDARD_CHANNELS, COARSE, np.full(C, 1e-9), states.days["test"][day]
        )
        H = PointInterpolation(STANDARD_CHANNELS, COARSE, table)
        found = superobservations(H, forecast)
        weight = np.where(found.observed, COARSE.weights[:, None], 0)
        # On a background of zeros, innovations are the values themselves.
        plain = superobservations(H, np.zeros_like(forecast)).values
        for total, values in zip(errors, (found.values, plain), strict=True):
            total += (weight * (np.nan_to_num(values) - reference) ** 2).sum(axis=(1, 2))
        background += (weight * (forecast - reference) ** 2).sum(axis=(1, 2))
    print_rows(np.sqrt(errors / background), ["innovations", "values"])


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--stations", type=int, default=1000)
    args = parser.parse_args()
    states = CanonicalStates(next(shipped()), "mini")
    measure_interpolations(states, args.days)
    measure_superobservations(states, args.days, args.stations)


if __name__ == "__main__":
    main()
