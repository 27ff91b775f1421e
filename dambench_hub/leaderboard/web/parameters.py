"""How many parameters a method has, as its file says it in words."""

from __future__ import annotations

import re

from dambench_hub.leaderboard.store.ranking import Entry

SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "": 1.0}


def parameters(entry: Entry) -> float | None:
    """How many parameters a method says it has: `12 M`, `3.5e6`, `1 200 000`."""
    text = entry.result.attributes.get("parameters", "").replace(",", "").replace(" ", "").lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d{1,2})?)([kmbg]?)(?:parameters)?", text)
    return float(match[1]) * SUFFIXES[match[2]] if match else None
