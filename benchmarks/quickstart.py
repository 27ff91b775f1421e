#!/usr/bin/env python3
"""Seconds and peak memory of every step of `make quickstart`.

    python benchmarks/quickstart.py

Runs `make quickstart` in a clone of the last commit, which is removed afterwards, with this file as
make's shell: each line of the Makefile then comes here as `-c COMMAND`, is run and watched, and its
figures are noted in the file that DAMBENCH_STEPS names. Memory is the sum over a step's processes,
without what they share. Lines of different data sets run beside each other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).parents[1]
NOTES = "DAMBENCH_STEPS"


def main() -> int:
    """Be make's shell when called as one, else run the whole quickstart and print the table."""
    if len(sys.argv) == 3 and sys.argv[1] == "-c" and NOTES in os.environ:
        return watch(sys.argv[2])
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    with tempfile.NamedTemporaryFile("r") as notes, tempfile.TemporaryDirectory() as clone:
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        start = time.monotonic()
        shell = f"SHELL={Path(__file__).resolve()}"
        environment = os.environ | {NOTES: notes.name}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["make", "quickstart", shell],
            cwd=clone,
            env=environment | {"PATH": path},
            check=False,
        )
        total = time.monotonic() - start
        noted = map(json.loads, notes)
        steps = [step for step in noted if not step["command"].startswith("make ")]
    table = Table(title=f"make quickstart, {os.cpu_count()} cores")
    table.add_column("step")
    for name in ("seconds", "peak MB"):
        table.add_column(name, justify="right")
    for step in steps:
        table.add_row(
            escape(step["command"]), f"{step['seconds']:.1f}", f"{step['bytes'] / 1e6:.0f}"
        )
    peak = max((s["bytes"] for s in steps), default=0)
    table.add_row("all", f"{total:.1f}", f"{peak / 1e6:.0f}", style="bold")
    Console(width=120).print(table)
    return done.returncode


def watch(command: str) -> int:
    """Run one line of the Makefile and note how long it took and how much memory it held."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(["/bin/sh", "-c", command])
    while process.poll() is None:
        peak = max(peak, held_bytes(process.pid))
        time.sleep(0.1)
    with open(os.environ[NOTES], "a") as notes:
        note = {"command": command, "seconds": time.monotonic() - start, "bytes": peak}
        notes.write(json.dumps(note) + "\n")
    return process.returncode


def held_bytes(pid: int) -> int:
    """Unique memory of a process and all that it has started."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_full_info().uss
    except psutil.Error:  # it has just ended
        pass
    return total


if __name__ == "__main__":
    sys.exit(main())
