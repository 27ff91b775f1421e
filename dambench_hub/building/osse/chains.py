"""Long runs cut into segments: chains of them side by side in processes, to be interrupted freely.

The segments of a chain follow one another, each beginning where the one before it ended. Chains are
independent. A segment stores its own result, so a run that was killed is gone on with by giving
only the segments that are missing. An interruption kills what is running: nobody waits for it, and
further ones (an impatient Ctrl-C, `timeout`, which sends two) find nothing that could hang.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, get_context, parent_process

from dambench_hub.errors import BuildError
from dambench_hub.runtime.progress import track


def run_chains(
    chains: Mapping[str, Sequence[int]],
    run: Callable[[str, int], None],
    workers: int,
    prepare: Callable[[], None],
    description: str,
) -> None:
    """Run every segment, in order within its chain, and show the progress.

    Args:
        chains: Numbers of the segments to run, by chain.
        run: Runs one segment, given chain and number; it is sent to another process.
        workers: Processes, each a fresh interpreter; they end when this one does, however it ends.
        prepare: Called once in each process before anything else.
        description: Of the progress.

    Raises:
        BuildError: When a process is killed.
    """
    left = {chain: list(numbers) for chain, numbers in chains.items()}
    total = sum(map(len, left.values()))
    if not total:
        return
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    start, size = partial(_start, prepare, receiver), min(workers, len(left))
    with receiver, sender, ProcessPoolExecutor(size, context, start) as pool:

        def submit(chain: str, number: int) -> Future[None]:
            return pool.submit(run, chain, number)

        try:
            for _ in track(_finished(left, workers, submit), total, description):
                pass
        except KeyboardInterrupt:
            sender.close()
            raise
        except BrokenProcessPool as error:
            raise BuildError(
                "A worker process was killed, perhaps for want of memory. Run the same command "
                "to go on where it stopped; fewer workers need less memory."
            ) from error


def _finished(
    left: dict[str, list[int]], workers: int, submit: Callable[[str, int], Future[None]]
) -> Iterator[None]:
    """Yield whenever a segment is finished."""
    running: dict[Future[None], str] = {}
    while running or any(left.values()):
        # The chain with the most left to do goes first, so that none is left alone at the end.
        for chain in sorted(left, key=lambda chain: -len(left[chain])):
            if left[chain] and chain not in running.values() and len(running) < workers:
                running[submit(chain, left[chain].pop(0))] = chain
        for segment in wait(running, return_when=FIRST_COMPLETED).done:
            del running[segment]
            segment.result()
            yield


def _start(prepare: Callable[[], None], receiver: connection.Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    parent = parent_process()
    assert parent is not None  # this runs in a worker

    def follow() -> None:
        connection.wait([parent.sentinel, receiver])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    prepare()
