"""Build the embedded default data set: a twin experiment made by a general circulation model.

    python builders/osse/build.py --preset tiny|mini|cycle|t31 --out dambench

Canonical worlds, seed 0 of some presets, are expanded from what comes with the package. Others are
simulated, which needs `pip install "dambench-hub[simulate]"`: a *nature run* of `jcm` (SPEEDY
physics, spectral dynamics) is the reference, and a forecast by a model with other parameters the
background. README.md says what is done and why.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from dambench_hub.building.osse.world import PRESETS, World
from dambench_hub.observations.networks import ObservationSettings
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import FORMATS


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add(
        "--preset",
        choices=PRESETS,
        default="mini",
        help="size of the world (default: mini)",
    )
    add("--out", type=local_path, required=True, help="folder of the data set")
    add("--seed", type=int, default=0, help="another seed, another world")
    add("--format", choices=FORMATS, default="parquet", help="of the shards")
    add(
        "--configs",
        nargs="*",
        default=(),
        help="with --format arrow: configs to write beside multimodal",
    )
    add("--density", type=float, default=0.05, help="share of the grid that is observed")
    add("--error-scale", type=float, default=0.25, help="in background error standard deviations")
    add("--network", choices=("column", "stations"), default="column")
    add("--geography", action="store_true", help="add land, heights, texts and relief pictures")
    add("--ensemble", action="store_true", help="add the members of validation and test (1.3 GB)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add("--fresh", action="store_true", help="delete what stands in --out first")
    args = parser.parse_args(argv)
    if args.workers < 1 or args.seed < 0:
        parser.error("--workers must be at least 1 and --seed at least 0")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Build the data set; the exit code."""

    def build() -> None:
        args = parse_args(argv)
        # Not at the top: worker processes import this file too, and need no `datasets`.
        from dambench_hub.building.builder import build_dataset
        from dambench_hub.building.osse.dataset import open_world, plan

        observations = ObservationSettings(args.network, args.density, args.error_scale, args.seed)
        world = World(args.preset, args.seed)
        wanted = plan(
            world,
            observations,
            args.format,
            tuple(args.configs),
            args.geography,
            args.ensemble,
        )
        source = partial(open_world, world, args.workers)
        build_dataset(args.out, wanted, source, args.fresh)

    return exit_code(build)


if __name__ == "__main__":
    sys.exit(main())
