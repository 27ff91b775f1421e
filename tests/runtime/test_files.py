"""Files appear whole or not at all, and say what went wrong."""

import errno
import hashlib
import os

import pytest

from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import (
    atomic_folder,
    atomic_path,
    local_path,
    remove_partial,
    sha256,
    write_atomic,
)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_atomic(path, "größer")
    assert path.read_text("utf-8") == "größer"
    write_atomic(path, b"\x00\xff")
    assert contents(tmp_path) == {"file.txt": b"\x00\xff"}
    assert sha256(path) == hashlib.sha256(b"\x00\xff").hexdigest()


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError(errno.ENOSPC, "full")])
def test_a_failed_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises((RuntimeError, DambenchError)), atomic_path(path) as partial:
        partial.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        raise error
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "disk is full.*Free some space"),
        (errno.EDQUOT, "disk is full"),
        (errno.EROFS, "No permission.*Choose a folder"),
        (errno.EACCES, "No permission"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_the_system_refuses_becomes_advice(tmp_path, monkeypatch, call, number, advice):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DambenchError, match=advice) as caught:
        write_atomic(tmp_path / "file", b"new")
    assert str(tmp_path / "file") in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(DambenchError, match="Could not write"):
        write_atomic(tmp_path / "file" / "below", b"new")
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_is_written_with_those_above(tmp_path):
    path = tmp_path / "a" / "b"
    with atomic_folder(path) as partial:
        assert partial.is_dir() and not path.exists()
        (partial / "inside").mkdir()
        (partial / "inside" / "file").write_bytes(b"x")
    assert [p.name for p in path.parent.iterdir()] == ["b"]
    assert (path / "inside" / "file").read_bytes() == b"x"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_folder_whose_block_fails_is_not_there(tmp_path, error):
    raised = (KeyboardInterrupt, DambenchError)
    with pytest.raises(raised), atomic_folder(tmp_path / "folder") as partial:
        (partial / "file").write_bytes(b"half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_came_meanwhile_is_left(tmp_path):
    with (
        pytest.raises(DambenchError, match="Could not write"),
        atomic_folder(tmp_path / "folder"),
    ):
        write_atomic(tmp_path / "folder" / "file", b"other")
    assert contents(tmp_path) == {"file": b"other"}


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    write_atomic(tmp_path / "kept", b"")
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a" / "lost") as partial:
        partial.write_bytes(b"half")
        os.link(partial, partial.with_name(".lost.0000.partial"))  # as if nobody cleaned up
        (tmp_path / ".lost.0000.partial").mkdir()
        raise KeyboardInterrupt
    assert set(contents(tmp_path)) == {"kept", ".lost.0000.partial"}
    remove_partial(tmp_path)
    assert set(contents(tmp_path)) == {"kept"}
    assert not list(tmp_path.rglob(".*"))


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/data") == tmp_path / "data" == local_path(tmp_path / "data")
    for unchanged in ("data/~", "gs://bucket/~a", "~nobody-of-this-name/data", "org/name"):
        assert str(local_path(unchanged)) == unchanged.replace("//", "/")
