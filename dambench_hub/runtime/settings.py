"""Reading settings from files, and refusing keys that are unknown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import yaml

from dambench_hub.errors import DambenchError, did_you_mean


def read_mapping(
    path: Path, error: type[DambenchError], parse: Callable[[str], Any] = yaml.safe_load
) -> dict[str, Any]:
    """The keys and values of a file.

    Args:
        path: Of the file, in UTF-8.
        error: Class of what is raised when it cannot be read, or holds something else.
        parse: What reads its text.
    """
    try:
        found = parse(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no `key: value`")
    except (OSError, ValueError, yaml.YAMLError) as cause:
        raise error(f"{path} cannot be read ({cause}). Mend it, or give another file.") from cause
    return found


def refuse_unknown(
    keys: Iterable[str], known: Collection[str], where: str, error: type[DambenchError]
) -> None:
    """Raise an error of this class for the first key that is not known, with the closest one."""
    for key in keys:
        if key not in known:
            raise error(f"{where}: unknown key {key!r}. {did_you_mean(str(key), known)}")
