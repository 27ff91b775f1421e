"""The folder of a data set while it is built: whose it is, who works in it, and how it is emptied.

Work in progress lies in `.build/` inside it. `plan.json` there says what is being built, and lock
files who builds.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dambench_hub.building.plan import Plan, manifest_settings
from dambench_hub.errors import BuildError
from dambench_hub.runtime.differences import differences
from dambench_hub.runtime.files import write_atomic, writing
from dambench_hub.storage.manifest import MANIFEST, Manifest
from dambench_hub.storage.revision import CANONICAL

WORK = ".build"
PLAN = "plan.json"


def refuse_other(out: Path, plan: Plan, fresh: bool) -> None:
    """Refuse a folder that is not ours. Nothing is written.

    Raises:
        BuildError: When the folder holds other files, or a data set or build of other settings; the
            message names those that differ.
    """
    record, wanted = out / WORK / PLAN, plan.settings()
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is a file; give a folder for the data set.")
    ours = (out / MANIFEST).exists() or (out / WORK).exists()
    if not ours and out.exists() and any(out.iterdir()):
        raise BuildError(f"{out} holds other files; give a new or empty folder.")
    if fresh:
        return
    if (out / MANIFEST).exists():
        _refuse_difference(out, manifest_settings(Manifest.read(out)), wanted)
    elif record.exists():
        _refuse_difference(out, json.loads(record.read_text()), wanted)


def clear(out: Path, work: Path) -> None:
    """Empty the folder; what makes it ours goes last, as this may be interrupted."""
    last = [work, work / "lock", work / PLAN, out / MANIFEST]
    for path in [*out.iterdir(), *work.iterdir()]:
        if path not in last:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (work / PLAN).unlink(missing_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)


def note_plan(work: Path, plan: Plan) -> None:
    """Write down what is being built."""
    write_atomic(work / PLAN, json.dumps(plan.settings(), indent=1))


def _refuse_difference(out: Path, found: Any, wanted: Any) -> None:
    if phrases := list(differences("", found, wanted)):
        raise BuildError(
            f"{out} was built with other settings: {'; '.join(phrases[:5])}. "
            f"{_of_another_version(found, wanted)}"
            "Choose another folder, the same settings, or --fresh to delete it first."
        )


def _of_another_version(found: Any, wanted: Any) -> str:
    """A sentence for a folder with another world than the one that comes with this package."""
    there, here = (
        settings["source"].get(CANONICAL, {}).get("index_sha256") for settings in (found, wanted)
    )
    if not here or there == here:
        return ""
    return (
        "It is of another version of dambench-hub, or was simulated: it can be read still, and has "
        "a board of its own. "
    )


def lock(work: Path, name: str = "lock") -> Any:
    """Hold a lock of the folder for intermediate files, which is made; released by `with`.

    Raises:
        BuildError: When another process holds it.
        DambenchError: When the folder cannot be written.
    """
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            return FileLock(work / name, timeout=0).acquire()
        except Timeout:
            raise BuildError(
                f"Another process is building in {work.parent}. Wait for it, or stop it first."
            ) from None
