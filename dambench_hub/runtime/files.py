"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dambench_hub.errors import DambenchError


def local_path(place: str | Path) -> Path:
    """A path as people write it: `~` is the home folder, if its owner is known here."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        return Path(place)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, moved there if the block succeeds and removed if it fails.

    The file is flushed to the disk before it gets its name, so its presence means "complete".

    Raises:
        DambenchError: When the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _flush(partial)
            partial.replace(path)
            _flush(path.parent)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic_path` for a folder, which must not be there yet: a new, empty one beside it.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    with writing(path):
        try:
            partial.mkdir(parents=True)
            yield partial
            os.sync()  # once: flushing a thousand small files takes longer than writing them
            partial.rename(path)
            _flush(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says when `path` cannot be written into advice.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise DambenchError(_advice(path, error)) from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a small file whole or not at all; text becomes UTF-8.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written.
    """
    payload = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as partial:
        partial.write_bytes(payload)


def require_space(folder: Path, size: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: Where it will be written; need not exist yet.
        size: Bytes, to which a twentieth is added.

    Raises:
        DambenchError: When less is free.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < 1.05 * size:
        raise DambenchError(
            f"The disk of {folder} has {free / 1e9:.1f} GB free, {1.05 * size / 1e9:.1f} GB are "
            "needed. Free some space, or choose a folder on another disk."
        )


def remove_partial(folder: Path) -> None:
    """Delete the temporary files and folders that killed writers left in a folder and below."""
    for partial in sorted(folder.rglob(".*.partial")):
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _advice(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: could not write {path}. Free some space and run this again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to write {path}. Choose a folder you can write to."
    return f"Could not write {path}: {os.strerror(error.errno) if error.errno else error}."
