"""Where a build runs: in this process, in several on this machine, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from dambench_hub.errors import BuildError

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = "20s"
"""How long a scheduler may take to answer."""


class Run(Protocol):
    """Runs a function on many items, in any order, and yields each with its result as it ends."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> Iterator[tuple[T, R]]:
        """Each item with its result."""
        ...


def in_process(function: Callable[[T], R], items: Sequence[T], /) -> Iterator[tuple[T, R]]:
    """Run the function on one item after the other, in this process."""
    for item in items:
        yield item, function(item)


@contextmanager
def open_workers(count: int = 1, scheduler: str | None = None) -> Iterator[Run]:
    """Workers for the duration of a block.

    Args:
        count: Processes on this machine, one thread each; 1 is this process.
        scheduler: Address of a running Dask scheduler to use instead, `tcp://HOST:PORT`. Its
            workers need this package, and see the same files under the same paths.

    Raises:
        BuildError: When the scheduler cannot be reached, or a worker is killed.
    """
    if count < 1:
        raise BuildError(f"There must be at least 1 worker, got {count}.")
    if count == 1 and scheduler is None:
        yield in_process
        return
    from distributed import Client, LocalCluster

    if scheduler is None:
        cluster = LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=40
        )
        with cluster, Client(cluster) as client:
            yield _on(client)
        return
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"No Dask scheduler answers at {scheduler} ({error}). Start one with `dask scheduler` "
            "and workers with `dask worker ADDRESS`, or leave --scheduler out."
        ) from error
    with client:
        yield _on(client)


def _on(client: Any) -> Run:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    def run(function: Callable[[T], R], items: Sequence[T], /) -> Iterator[tuple[T, R]]:
        futures = client.map(function, items, pure=False)
        item_of = {future.key: item for future, item in zip(futures, items, strict=True)}
        try:
            for future, result in as_completed(futures, with_results=True):
                yield item_of[future.key], result
        except KilledWorker as error:
            raise BuildError(
                "Workers were killed again and again, perhaps for want of memory. Run the same "
                "command to go on where it stopped; fewer workers need less memory."
            ) from error
        finally:
            client.cancel(futures)

    return run
