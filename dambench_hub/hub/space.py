"""What a Space needs besides its own folder: the version that it was tried with, and baselines."""

from __future__ import annotations

import re
from pathlib import Path

from dambench_hub.errors import BuildError
from dambench_hub.version import __version__


def require_pin(folder: Path) -> None:
    """A Space runs the version that it was tried with, which is this one.

    Raises:
        BuildError: When its requirements ask for another.
    """
    requirements = folder / "requirements.txt"
    lines = requirements.read_text("utf-8").splitlines() if requirements.exists() else []
    for line in lines:
        pinned = re.fullmatch(r"dambench-hub(?:\[[\w,]+\])?(.*)", line.strip())
        if pinned and pinned[1] != f"=={__version__}":
            raise BuildError(
                f"{requirements} asks for {line.strip()}, and this is {__version__}. "
                f"Pin it: dambench-hub[app]=={__version__}."
            )


def baseline_records(folder: Path) -> dict[str, Path]:
    """The records of baselines in the checkout that a Space's folder is of, by their paths in it.

    The app looks for them in `scores` beside it.
    """
    scores = folder.resolve().parent / "baselines" / "scores"
    found = sorted(scores.rglob("*.json"))
    return {f"scores/{path.relative_to(scores).as_posix()}": path for path in found}
