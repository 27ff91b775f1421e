"""Publish a data set, the metric, a model or a Space on the Hugging Face Hub.

    python builders/publish.py dambench --repo-id ORG/NAME --tag v1.0

Readers see the old version or the new one, never something between, and a rerun sends only what is
missing. `--dry-run` says what would be sent, offline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dambench_hub.hub.publishing import describe, publish
from dambench_hub.hub.release import KINDS, collect
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and publish."""
    return exit_code(lambda: run(parse_args(argv)))


def run(args: argparse.Namespace) -> None:
    """Check the folder, then send it or say what would be sent."""
    release = collect(
        args.folder,
        args.repo_id,
        args.kind,
        deny=args.deny,
        tag=args.tag,
        framework=args.benchmark,
    )
    if args.dry_run:
        print(describe(release, args.repo_id, args.tag))
    else:
        publish(release, args.repo_id, tag=args.tag, private=args.private)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=local_path, help="what to publish")
    parser.add_argument("--repo-id", required=True, metavar="ORG/NAME", help="where on the Hub")
    parser.add_argument("--kind", choices=KINDS, help="default: seen from the files")
    parser.add_argument("--tag", help="name of this version, for example v1.0; it never moves")
    parser.add_argument("--private", action="store_true", help="only into a private repository")
    parser.add_argument(
        "--deny",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE-OR-FOLDER",
        help="what must not be published, by name and by content",
    )
    parser.add_argument(
        "--benchmark",
        metavar="FRAMEWORK",
        help="send eval.yaml, which makes a data set a benchmark of the Hub with leaderboards; "
        "FRAMEWORK is a name of the Hub's list of evaluation frameworks",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, offline")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
