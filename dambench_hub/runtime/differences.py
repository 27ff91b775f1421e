"""The differences of two settings, as phrases for messages, and a refusal of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from os.path import commonprefix
from typing import Any

from dambench_hub.errors import DambenchError


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


def require_same(place: str, found: Any, wanted: Any, kind: type[DambenchError]) -> None:
    """Refuse to go on with what was begun with other settings.

    Args:
        place: Which file or folder holds what, the beginning of the message.
        found: Its settings.
        wanted: Those of now.
        kind: Of the error.

    Raises:
        DambenchError: Of that kind, when they differ; it says where, and what to do.
    """
    if phrases := list(differences("", found, wanted)):
        raise kind(
            f"{place}: {'; '.join(phrases)}. Go on with its settings, delete it to start anew, or "
            "choose another --out."
        )


def _excerpt(text: str, start: int) -> str:
    """At most 60 characters of a text from `start` on."""
    end = start + 60
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
