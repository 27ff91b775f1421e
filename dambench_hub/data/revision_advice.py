"""What to do when a prediction or a result was made with another revision of a data set."""

from __future__ import annotations

from dambench_hub.storage.manifest import Manifest


def revision_advice(manifest: Manifest) -> str:
    """What a person should do who has something of another revision than this data set's."""
    command = manifest.source.get("command")
    made = f": `{command}`" if command else ""
    if manifest.canonical:
        return (
            f"{manifest.name} is canonical, the same on every machine, so one of the two was built "
            "by another version of dambench-hub or with other options. Build it again with this "
            f"version{made}; then run predict again with it, or give the file's own with --data."
        )
    if manifest.source.get("kind") == "osse":
        return (
            f"{manifest.name} was simulated, and each machine simulates a world of its own, with a "
            "board of its own; run predict again with this data set, or give the file's own with "
            "--data. Canonical worlds, seed 0 of builders/osse, are the same everywhere."
        )
    return (
        f"Either run predict again with this data set{made and ', which is made by' + made[1:]}, "
        "or give the file's own with --data."
    )
