"""Score what people hand in to a leaderboard, one file after the other.

    python leaderboard_app/scorer.py --data dambench --store sqlite:///dambench.db --folder board
                                     [--private DATA] [--once] [--discard-uploads] [--parent PID]

The pages run elsewhere, with the same store and folder and without the private data set. Options
that are not given are taken from DAMBENCH_DATA, DAMBENCH_STORE, DAMBENCH_FOLDER, DAMBENCH_PRIVATE
and DAMBENCH_DISCARD_UPLOADS. Ends on SIGTERM or Ctrl-C, after handing back what it was at.
"""

import argparse
import logging
import os
import sys

# One thread for each process, however many cores: the sums of a score must not depend on it.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from dambench_hub.data import load_data
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.options import add_site_options, discards_uploads
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.predictions.sandbox.parent import self_test
from dambench_hub.predictions.sandbox.restrictions import hide_process
from dambench_hub.runtime.signals import StopRequests

NICENESS = 10
"""Pages come first where both share the cores."""


def parse_args(argv=None):
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add_site_options(parser)
    parser.add_argument(
        "--private",
        default=os.environ.get("DAMBENCH_PRIVATE"),
        help="data set with private references",
    )
    parser.add_argument("--once", action="store_true", help="end when the queue is empty")
    parser.add_argument("--parent", type=int, help="end when this process has ended")
    parser.add_argument(
        "--discard-uploads",
        action=argparse.BooleanOptionalAction,
        default=discards_uploads(False),
        help="keep no file that was scored",
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Open everything, then work."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    hide_process()
    self_test()
    os.nice(NICENESS)
    limits = Limits.read(args.limits) if args.limits else None
    with StopRequests() as stop:
        worker = Worker(
            Site.open(args.data, args.store, args.folder, limits=limits),
            private=load_data(args.private) if args.private else None,
            keep_uploads=not args.discard_uploads,
            stopping=lambda: stop.received or args.parent not in (None, os.getppid()),
        )
        worker.run(once=args.once)


if __name__ == "__main__":
    try:
        main()
    except DambenchError as error:
        sys.exit(f"Error: {error}")
