"""What a build loses when it is killed: 20 builds, each killed once at a random moment.

    python benchmarks/kills.py [--kills 20] [--days 240]

Makes a small Zarr store of WeatherBench2's layout and builds it once undisturbed. Then it builds it
again and again, sends SIGKILL at a random moment, runs the same command to the end, and compares:
the manifest with that of the undisturbed build, the finished files' times before and after, and the
seconds of both runs together with those of one, less the start of a second process.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
import zarr
from rich.console import Console

from dambench_hub.coordinates.variables import ERA5_NAMES, STANDARD_LEVELS
from dambench_hub.storage.manifest import Manifest
from dambench_hub.testing import TYPICAL

BUILD = Path(__file__).parents[1] / "builders" / "era5" / "build.py"
SHAPE, LEVELS = (33, 64), np.array(STANDARD_LEVELS)
FIRST = np.datetime64("2020-01-01T00", "h")


def main() -> None:
    """Build, kill, build on, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--days", type=int, default=240)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dambench-kills-"))
    try:
        make_store(folder / "era5.zarr", args.days)
        write_recipe(folder, args.days)
        report(folder, args.kills)
    finally:
        shutil.rmtree(folder)


def make_store(path: Path, days: int) -> None:
    """Longitude before latitude, south first, eight times a chunk."""
    rng = np.random.default_rng(0)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    start = (FIRST - np.datetime64("1959-01-01T00", "h")).astype(int) - 24
    axes = {
        "time": start + 6 * np.arange(4 * (days + 1)),
        "level": LEVELS,
        "latitude": np.linspace(-90, 90, SHAPE[0]),
        "longitude": 360 / SHAPE[1] * np.arange(SHAPE[1]),
    }
    for name, values in axes.items():
        units = {"units": "hours since 1959-01-01"} if name == "time" else {}
        attributes = {"_ARRAY_DIMENSIONS": [name], **units}
        group.create_array(name, data=values, fill_value=None, attributes=attributes)
    for name, archived in ERA5_NAMES.items():
        levels = [len(LEVELS)] if name in "zquvt" else []
        shape = (len(axes["time"]), *levels, SHAPE[1], SHAPE[0])
        mean, std = TYPICAL[name]
        values = mean + 0.3 * std * rng.standard_normal(shape)
        if name == "z":
            height = 9.80665 * 7000 * np.log(1013 / LEVELS)
            values = height[:, None, None] + values - mean
        dims = ["time", *(["level"] if levels else []), "longitude", "latitude"]
        group.create_array(
            archived,
            data=np.abs(values).astype("f4") if name == "q" else values.astype("f4"),
            chunks=(8, *shape[1:]),
            fill_value=np.nan,
            attributes={"_ARRAY_DIMENSIONS": dims},
        )
    zarr.consolidate_metadata(path, zarr_format=2)


def write_recipe(folder: Path, days: int) -> None:
    """Two splits of the days."""
    middle, last = FIRST + 24 * (days // 2), FIRST + 24 * (days - 1)
    splits = {
        "train": [str(FIRST)[:10], str(middle)[:10]],
        "test": [str(middle + 24)[:10], str(last)[:10]],
    }
    settings = {
        "source": "wb2",
        "path": str(folder / "era5.zarr"),
        "grid": "33x64",
        "geography": False,
        "splits": splits,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings))


def report(folder: Path, kills: int) -> None:
    """Kill and compare; the table's sums in one paragraph."""
    console = Console()
    whole = min(finish(folder, folder / f"whole-{n}") for n in range(3))
    shutil.move(folder / "whole-0", folder / "whole")
    start = finish(folder, folder / "whole")  # nothing to do: what any run takes to begin
    wanted = Manifest.read(folder / "whole")
    generator = random.Random(0)
    lost, equal, touched = [], 0, 0
    for number in range(kills):
        out = folder / f"killed-{number}"
        moment = start / 2 + generator.random() * (whole - start / 2)
        kill(folder, out, moment)
        before = finished(out)
        lost.append(moment + finish(folder, out) - whole - start)
        after = finished(out)
        touched += sum(after[path] != changed for path, changed in before.items() if path in after)
        equal += Manifest.read(out) == wanted
        console.print(
            f"killed after {moment:5.2f} s with {len(before):3d} finished files, "
            f"{lost[-1]:5.2f} s lost"
        )
        shutil.rmtree(out)
    console.print(
        f"\n{kills} kills of a build of {whole:.1f} s ({start:.1f} s of it to start): {equal} "
        f"equal manifests, {touched} finished files touched, {np.mean(lost):.2f} s lost on "
        f"average, {max(lost):.2f} s at most."
    )


def command(folder: Path, out: Path) -> list[str]:
    """The builder's command line."""
    return [sys.executable, str(BUILD), "--recipe", str(folder / "recipe.yaml"), "--out", str(out)]


def finish(folder: Path, out: Path) -> float:
    """Seconds of a run to the end."""
    begin = time.perf_counter()
    subprocess.run(command(folder, out), check=True, capture_output=True)
    return time.perf_counter() - begin


def kill(folder: Path, out: Path, moment: float) -> None:
    """Start a run and kill it some seconds later."""
    process = subprocess.Popen(
        command(folder, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def finished(out: Path) -> dict[Path, int]:
    """Segments and shards under their final names, and when each was written."""
    found = [*out.glob(".build/archive/*/[0-9]*"), *out.glob("*/*.parquet")]
    return {path: path.stat().st_mtime_ns for path in found}


if __name__ == "__main__":
    main()
