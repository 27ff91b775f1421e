"""Revisions: hashes that say whether two data sets hold the same values.

A canonical world is expanded from bytes that come with the package. Its revision hashes these bytes
and the settings, never floating results: they round differently on another processor, by less than
1e-5 of the observation error, and with them every hash of a shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from dambench_hub.coordinates.grids import Grid
from dambench_hub.observations import ObservationSettings

CANONICAL = "canonical"
"""Key of a source: the hash of what is shipped, and the version of its expansion."""

ADDED_EXAMPLES = "added_examples"
"""Key in it: how many training examples, the first ones, were simulated in addition."""


class Settings(Protocol):
    """What plans and manifests have in common."""

    @property
    def channels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def grid(self) -> Grid: ...  # noqa: D102
    @property
    def modalities(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def lead_hours(self) -> int: ...  # noqa: D102
    @property
    def alignment(self) -> str: ...  # noqa: D102
    @property
    def observations(self) -> ObservationSettings: ...  # noqa: D102
    @property
    def keep_bits(self) -> int | None: ...  # noqa: D102
    @property
    def source(self) -> Mapping[str, Any]: ...  # noqa: D102


def added_examples(source: Mapping[str, Any]) -> int:
    """How many training examples, the first ones, were added to a canonical world."""
    return int(source.get(CANONICAL, {}).get(ADDED_EXAMPLES, 0))


def canonical_revision(of: Settings, hours: Mapping[str, Sequence[int]]) -> str:
    """Hash of all that the scored values of a canonical world depend on, 16 hexadecimal digits.

    Format, shards, ensemble, geography and added training examples do not count.

    Args:
        of: A plan or a manifest, with `CANONICAL` in its source.
        hours: Valid times of each split, hours since 1970-01-01 00 UTC.
    """
    added = added_examples(of.source)
    shipped = {k: value for k, value in of.source[CANONICAL].items() if k != ADDED_EXAMPLES}
    return content_hash(
        {
            "canonical": shipped,
            "channels": list(of.channels),
            "grid": str(of.grid),
            "modalities": list(of.modalities),
            "lead_hours": of.lead_hours,
            "alignment": of.alignment,
            "observations": asdict(of.observations),
            "keep_bits": of.keep_bits,
            "hours": {
                split: list(h)[added if split == "train" else 0 :] for split, h in hours.items()
            },
        }
    )


def content_hash(content: Mapping[str, Any]) -> str:
    """Hash of JSON, 16 hexadecimal digits."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
