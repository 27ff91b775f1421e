"""The differences of two settings, as phrases for messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from os.path import commonprefix
from typing import Any


def differences(name: str, found: Any, wanted: Any) -> Iterator[str]:
    """Settings that differ below `name`, as phrases that say both values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            below = f"{name}.{key}" if name else key
            yield from differences(below, found.get(key), wanted.get(key))
    elif found != wanted:
        there, here = json.dumps(found), json.dumps(wanted)
        same = len(commonprefix([there, here]))
        start = 0 if same < 50 else same - 20  # show where long values part
        yield f"{name} is {_excerpt(there, start)} there, {_excerpt(here, start)} here"


def _excerpt(text: str, start: int) -> str:
    """At most 60 characters of a text from `start` on."""
    end = start + 60
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
