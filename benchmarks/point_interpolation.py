"""H of observations anywhere: seconds to make it, to apply it and its adjoint, and in torch.

    python benchmarks/point_interpolation.py [--rows 100000] [--members 40] [--grid 121x240]

Observations lie uniformly on the sphere, a tenth of them at the surface and the others at pressures
between 50 and 1000 hPa. States are noise in the 69 channels, in single precision. Seconds are those
of one core, the best of three.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.models.layers.point_interpolation import PointInterpolationLayer
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations
from dambench_hub.observations.table import ObservationTable


def scattered(rows, rng):
    """A table of observations of all variables."""
    on_levels = rng.random(rows) > 0.1
    names = np.where(
        on_levels,
        rng.choice(list("zquvt"), rows),
        rng.choice(["u10", "v10", "t2m", "msl"], rows),
    )
    pressure = np.exp(rng.uniform(np.log(5_000), np.log(100_000), rows))
    return ObservationTable.from_columns(
        time=np.datetime64("2001-01-01"),
        latitude=np.rad2deg(np.arcsin(rng.uniform(-1, 1, rows))),
        longitude=rng.uniform(0, 360, rows),
        pressure=np.where(on_levels, pressure, np.nan),
        variable=names,
        value=rng.normal(size=rows),
        error_std=1.0,
        station="",
        report="synop",
    )


def best(function):
    """Least processor seconds of three runs."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main():
    """Time each part and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--grid", type=Grid.parse, default=Grid(121, 240))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    table = scattered(args.rows, rng)
    shape = (args.members, len(STANDARD_CHANNELS), *args.grid.shape)
    states = rng.standard_normal(shape, dtype=np.float32)
    H = PointInterpolation(STANDARD_CHANNELS, args.grid, table)
    layer = PointInterpolationLayer(H.index, H.weight)
    members = torch.from_numpy(states).requires_grad_()
    equivalents = H(states)
    seen = layer(members)

    def make():
        PointInterpolation(STANDARD_CHANNELS, args.grid, table)(states[:1])

    def backward():
        seen.backward(torch.ones_like(seen), retain_graph=True)

    parts = {
        "made, and applied to one state": make,
        "H x": lambda: H(states),
        "Hᵀ y": lambda: H.adjoint(equivalents),
        "torch, H x": lambda: layer(members.detach()),
        "torch, gradient": backward,
        "superobservations of one state": lambda: superobservations(H, states[0]),
    }
    print(f"{args.rows} rows, {args.members} states {'×'.join(map(str, shape[1:]))}\n")
    print("| | s |\n|---|---|")
    for name, function in parts.items():
        print(f"| {name} | {best(function):.2f} |", flush=True)


if __name__ == "__main__":
    main()
