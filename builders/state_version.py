"""State a version of the benchmark from what the package holds now. For maintainers.

    python builders/state_version.py 1.1 --data synop

Writes the canonical data sets' revisions, the tasks' digests and the scorer's version to
`dambench_hub/tasks/benchmark.json`. Versions before the newest are never changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from dambench_hub.building.osse.canonical.index import shipped
from dambench_hub.building.osse.dataset import canonical_revisions
from dambench_hub.errors import DataError
from dambench_hub.metrics import SCORER_VERSION
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import Manifest
from dambench_hub.tasks.benchmark import VERSIONS, state_version
from dambench_hub.tasks.task import task_names

STATED = Path(str(files("dambench_hub.tasks"))) / VERSIONS


def main(argv: Sequence[str] | None = None) -> int:
    """State the version; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="of the version, such as 1.1")
    parser.add_argument(
        "--data",
        type=local_path,
        nargs="*",
        default=(),
        help="further canonical data sets, built from files of the repository",
    )
    parser.add_argument("--out", type=local_path, default=STATED, help="default: in the package")
    args = parser.parse_args(argv)

    def state() -> None:
        worlds = {k: v for index in shipped() for k, v in canonical_revisions(index).items()}
        for manifest in map(Manifest.read, args.data):
            if not manifest.canonical:
                raise DataError(f"{manifest.name} is not canonical: machines may differ in it.")
            worlds[manifest.name] = manifest.evaluation_revision
        state_version(args.out, args.name, SCORER_VERSION, worlds, task_names())
        print(f"{args.out}: version {args.name}, scorer {SCORER_VERSION}, worlds {worlds}")

    return exit_code(state)


if __name__ == "__main__":
    sys.exit(main())
