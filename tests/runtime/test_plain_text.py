"""Texts on outputs of every encoding: replaced where they must be, never an error."""

import io
import os

import pytest

from dambench_hub.runtime.plain_text import PLAIN, print_any_text


@pytest.fixture
def printed(monkeypatch):
    """What bytes a text becomes on a standard output of this encoding."""

    def printed(text, encoding):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", newline="\n")
        monkeypatch.setattr("sys.stdout", stream)
        print_any_text()
        print(text, end="")
        stream.flush()
        return stream.buffer.getvalue()

    return printed


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "ascii"])
def test_what_can_be_shown_is_left_alone(printed, encoding):
    text = "".join(filter(lambda c: c.encode(encoding, "ignore"), "✓ é · × … € 中 plain"))
    assert printed(text, encoding) == text.encode(encoding)


def test_our_signs_become_plain(printed):
    assert printed("✓ 2×3 · 5 σ …", "ascii") == b"ok 2x3 - 5 sigma ..."
    assert printed("✓ 2×3 · 5 σ", "latin-1") == "ok 2×3 · 5 sigma".encode("latin-1")
    assert all(plain.isascii() and not sign.isascii() for sign, plain in PLAIN.items())


def test_anything_else_is_escaped(printed):
    assert printed("Zoë 中", "ascii") == b"Zo\\xeb \\u4e2d"
    assert printed("中✓中", "cp1252") == b"\\u4e2dok\\u4e2d"


def test_file_names_that_are_no_text(printed):
    assert printed(os.fsdecode(b"a\xff.nc"), "utf-8") == b"a\\udcff.nc"


def test_outputs_of_other_kinds_are_left_alone(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    print_any_text()
    print("✓")
