"""Text on standard output that cannot show all of its characters."""

from __future__ import annotations

import codecs
import io
import sys

PLAIN = {
    "✓": "ok",
    "×": "x",
    "·": "-",
    "–": "-",
    "−": "-",
    "…": "...",
    "±": "+-",
    "σ": "sigma",
    "²": "^2",
    "³": "^3",
    "≥": ">=",
    "≤": "<=",
    "→": "->",
}
"""Our own signs, in characters that every encoding has."""


def print_any_text() -> None:
    r"""Let no character of a text be an error of the command that prints it.

    Outputs that are not UTF-8 (latin-1, cp1252, ascii) get the signs of `PLAIN` in plain letters
    and everything else escaped, like `\u4e2d`; so do file names that are no text at all.
    """
    codecs.register_error("dambench_plain", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="dambench_plain")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    end = error.start + 1
    if plain := PLAIN.get(error.object[error.start]):
        return plain, end
    one = UnicodeEncodeError(error.encoding, error.object, error.start, end, error.reason)
    return codecs.backslashreplace_errors(one)
