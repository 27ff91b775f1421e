"""Copies of a SQLite store, and stores made from them; a copy that is torn is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dambench_hub.leaderboard.store.database import StoreError, require_sound
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.runtime.files import atomic_path, sha256, write_atomic, writing

SIDECAR = ".sha256"
"""Ends the name of the file with a copy's hash, written last: without it a copy is not whole."""
NAME = "%Y-%m-%dT%H-%M-%SZ.db"
"""Of a copy that was made by itself: its time, UTC."""
KEPT = {"%Y-%m-%dT%H": 24, "%Y-%m-%d": 14, "%Y-%m": 12}
"""Of these, the newest of each hour, day and month stays, for so many hours, days and months."""


def back_up(store: Store, out: Path) -> str:
    """Copy a store as it is at one moment, while others use it; SHA-256 of the copy.

    Raises:
        StoreError: When the store is no SQLite file, or the copy is not sound.
        DambenchError: When `out` cannot be written.
    """
    sidecar = _sidecar(out)
    with writing(out):
        sidecar.unlink(missing_ok=True)
    store.backup(out)
    digest = sha256(out)
    write_atomic(sidecar, f"{digest}  {out.name}\n")
    return digest


def keep_backup(store: Store, folder: Path) -> Path:
    """Add a copy to a folder, and remove those that `KEPT` no longer asks for; the new copy.

    Raises:
        StoreError: When the store is no SQLite file, or the copy is not sound.
        DambenchError: When the folder cannot be written.
    """
    with store.transaction() as connection:
        out = folder / store.now(connection).strftime(NAME)
    back_up(store, out)
    with writing(folder):
        for copy in _superseded(folder):
            _sidecar(copy).unlink(missing_ok=True)
            copy.unlink()
    return out


def restore(backup: Path, url: str, tell: Callable[[str], None] = print) -> Path:
    """Make a store from a copy, or from the newest sound copy in a folder.

    Args:
        backup: A file that `back_up` wrote, or a folder of such.
        url: Of a SQLite store that is not there.
        tell: Gets a sentence for each copy that is refused.

    Returns:
        The copy that was used.

    Raises:
        StoreError: When no copy is sound, or the store is there already.
    """
    target = Store.file_of(url)
    if target is None:
        raise StoreError(f"{url} is no SQLite file; restore it from records, with --from-records.")
    companions = [target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))]
    if there := [path for path in companions if path.exists()]:
        raise StoreError(f"{there[0]} is there already. Move it away, or choose another --store.")
    chosen = _newest_sound(backup, tell)
    with atomic_path(target) as partial:
        shutil.copyfile(chosen, partial)
    Store(url).close()
    return chosen


def require_whole(backup: Path) -> None:
    """Refuse a copy that is torn, damaged or changed.

    Raises:
        StoreError: The message says what is wrong with it.
    """
    if not backup.is_file():
        raise StoreError(f"There is no backup {backup}.")
    sidecar = _sidecar(backup)
    wanted = sidecar.read_text().split()[:1] if sidecar.is_file() else []
    if not wanted:
        raise StoreError(f"{backup.name} is not whole: {sidecar.name} is missing.")
    if sha256(backup) != wanted[0]:
        raise StoreError(f"{backup.name} is torn: its bytes are not those of {sidecar.name}.")
    require_sound(backup)


def _newest_sound(backup: Path, tell: Callable[[str], None]) -> Path:
    """The copy itself, or the newest in a folder that is whole."""
    if not backup.is_dir():
        require_whole(backup)
        return backup
    sidecars = sorted(backup.glob(f"*{SIDECAR}"), key=lambda path: path.stat().st_mtime)
    for sidecar in reversed(sidecars):
        copy = sidecar.with_name(sidecar.name.removesuffix(SIDECAR))
        try:
            require_whole(copy)
        except StoreError as error:
            tell(str(error))
        else:
            return copy
    raise StoreError(f"There is no sound backup in {backup}.")


def _superseded(folder: Path) -> list[Path]:
    copies = {datetime.strptime(path.name, NAME): path for path in folder.glob("????-*Z.db")}
    kept: set[datetime] = set()
    for period, count in KEPT.items():
        newest = {time.strftime(period): time for time in sorted(copies)}
        kept |= set(sorted(newest.values())[-count:])
    return [path for time, path in copies.items() if time not in kept]


def _sidecar(backup: Path) -> Path:
    return backup.with_name(backup.name + SIDECAR)
