"""Options that the pages and the scorer of a leaderboard share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.site import FOLDER
from dambench_hub.leaderboard.store.results import DEFAULT_STORE

DISCARD_UPLOADS = "DAMBENCH_DISCARD_UPLOADS"


def discards_uploads(default: bool) -> bool:
    """What the environment says about files that were scored: `yes` or `no`, else the default.

    Raises:
        DambenchError: When it says anything else.
    """
    said = os.environ.get(DISCARD_UPLOADS) or ("yes" if default else "no")
    if said not in ("yes", "no"):
        raise DambenchError(f"{DISCARD_UPLOADS} is yes or no, got {said!r}.")
    return said == "yes"


def add_site_options(parser: argparse.ArgumentParser) -> None:
    """Where data, results and files are; what is not given comes from variables DAMBENCH_*."""
    get = os.environ.get
    parser.add_argument("--data", default=get("DAMBENCH_DATA", "dambench"), metavar="DATA")
    parser.add_argument("--store", default=get("DAMBENCH_STORE", DEFAULT_STORE), metavar="URL")
    parser.add_argument("--folder", default=get("DAMBENCH_FOLDER", FOLDER))
    parser.add_argument(
        "--limits",
        type=Path,
        default=get("DAMBENCH_LIMITS"),
        metavar="FILE",
        help="YAML with other limits than those of dambench_hub/leaderboard/submissions/limits.py",
    )
