"""What a leaderboard loses when its processes are killed: 200 kills at random moments, under load.

    python benchmarks/board_kills.py [--kills 200] [--seed 0]

One process hands in files as fast as the queue takes them, and notes the id of each submission
that was confirmed. Another scores them, each read in its sandbox. One of the two is sent SIGKILL at
a random moment and started again, until all kills are done. Then the queue is worked off, and store
and folder are compared with what was confirmed. Exit code 1 if anything is lost, there twice or
torn.
"""

import argparse
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, redirect_stderr
from itertools import count
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np

from dambench_hub.data import Analysis, load_data
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.schema import State
from dambench_hub.leaderboard.submissions.limits import Limits, QuotaError
from dambench_hub.predictions import write_predictions
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.testing import write_tiny_dataset

MANY = 1_000_000
LIMITS = Limits(
    free_bytes=0,
    tries_per_day=MANY,
    scored_per_day=MANY,
    scored_per_month=MANY,
    open_jobs=MANY,
    queue_length=50,
    attempts=MANY,
    lease_seconds=1.0,
)
TASK = "multimodal"
PERSONS = 5
UNLIKE = 8
"""Values in which a file differs from all others."""
LONGEST_LIFE = 2.0
"""Seconds after its start within which a process is killed."""
SCORED = (State.PUBLISHED, State.PRIVATE, State.HELD)


def open_site(folder):
    """The leaderboard, as each process opens it for itself."""
    return Site.open(
        folder / "data", f"sqlite:///{folder}/board.db", folder / "board", limits=LIMITS
    )


def make(folder):
    """The data set and one prediction."""
    write_tiny_dataset(folder / "data")
    data = load_data(folder / "data")
    analyses = ((b.background + b.reference) / 2 for b in data.batches(TASK))
    write_predictions(
        folder / "x.safetensors",
        map(Analysis, analyses),
        task=TASK,
        data=data,
        model_name="half-way",
    )


def submit(folder):
    """Hand in one file after the other, none like another, and note what was confirmed."""
    site, rng = open_site(folder), np.random.default_rng()
    whole = (folder / "x.safetensors").read_bytes()
    with (folder / "confirmed").open("a") as confirmed:
        for number in count():
            content = bytearray(whole)
            # Random in one value, some of a thousand files are the same.
            last = np.frombuffer(content, "<f4", offset=len(content) - 4 * UNLIKE)
            last[:] *= 1 + 0.1 * rng.random(UNLIKE, np.float32)
            person = number % PERSONS
            file, owner = f"{rng.bytes(16).hex()}.safetensors", Person(f"hf:{person}", "x")
            (site.inbox / file).write_bytes(content)
            try:
                submission = site.submissions.receive(
                    owner, f"m{person}", TASK, file=file, bytes=len(content), sha256=file
                )
            except QuotaError:
                time.sleep(0.02)
                continue
            confirmed.write(f"{submission.id}\n")
            confirmed.flush()


def score(folder, once=False):
    """Score whatever waits."""
    logging.disable()
    with open(os.devnull, "w") as nothing, redirect_stderr(nothing):
        Worker(open_site(folder)).run(once=once)


def start(target, *arguments):
    """A process of its own, which begins without importing anything again."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def kill_at_random(folder, kills, generator):
    """Keep both processes running, and kill one of them at a time."""
    targets = (submit, score)
    running = [start(target, folder) for target in targets]
    for _ in range(kills):
        victim = generator.randrange(2)
        time.sleep(generator.random() * LONGEST_LIFE)
        os.kill(running[victim].pid, signal.SIGKILL)
        running[victim].join()
        running[victim] = start(targets[victim], folder)
    for process in running:
        process.kill()
        process.join()


def damage(folder):
    """What became of the confirmed submissions, and of all others; counts of what must not be."""
    site = open_site(folder)
    confirmed = (folder / "confirmed").read_text().split()
    known = {one.id: one for one in site.submissions.all()}
    with closing(sqlite3.connect(folder / "board.db")) as store:
        results = Counter(id for (id,) in store.execute("SELECT submission FROM results"))
        sound = store.execute("PRAGMA integrity_check").fetchone()[0]
    scored = [one for one in known.values() if one.state in SCORED]
    torn = 0
    for one in scored:
        shown = Diagnostics.read(site.diagnostics / f"{one.id}.safetensors")
        torn += (shown.submission, shown.value_hash) != (one.id, one.value_hash)
    print(f"{len(confirmed)} submissions confirmed,", end=" ")
    print(f"{len(known)} in the store, {len(scored)} scored; integrity check: {sound}")
    return {
        "confirmed and lost": len(set(confirmed) - set(known)),
        "confirmed twice": len(confirmed) - len(set(confirmed)),
        "without a score": len(known) - len(scored),
        "with two results": sum(number > 1 for number in results.values()),
        "results of nobody": len(set(results) - set(known)),
        "pictures of other values": torn,
        "files of submissions gone": sum(not (site.inbox / one.file).exists() for one in scored),
        "damaged store": int(sound != "ok"),
    }


def main(argv=None):
    """Kill, work off the queue, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="dambench-kills-"))
    try:
        start(make, folder).join()
        begin = time.perf_counter()
        kill_at_random(folder, args.kills, random.Random(args.seed))
        time.sleep(LIMITS.lease_seconds)
        start(score, folder, True).join()
        print(f"{args.kills} kills in {time.perf_counter() - begin:.0f} s:", end=" ")
        found = damage(folder)
        for what, number in found.items():
            print(f"{number:3d} {what}")
        sys.exit(int(any(found.values())))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
