"""What to do when a prediction or a result was made with another revision of a data set."""

from __future__ import annotations

from dambench_hub.storage.manifest import FORMAT_VERSION, Manifest

CANONICAL_COMMAND = "dambench build mini --out NEW_FOLDER"
"""Makes the world that is the same everywhere."""


def revision_advice(manifest: Manifest) -> str:
    """What a person should do whose prediction is of another revision than this data set's."""
    made = _made(manifest)
    if manifest.canonical:
        return (
            f"{manifest.name} is canonical, the same on every machine, so one of the two was built "
            "by another version of dambench-hub or with other options. Build it again with the "
            f"version that is installed{made}; then run predict again with it. Or give the file's "
            "own with --data."
        )
    if manifest.source.get("kind") == "osse":
        return (
            f"{manifest.name} {_own_world(manifest)}; run predict again with this data set, or "
            f"give the file's own with --data. `{CANONICAL_COMMAND}` makes the world that is the "
            "same everywhere."
        )
    return (
        f"Either run predict again with this data set{made and ', which is made by' + made[1:]}, "
        "or give the file's own with --data."
    )


def board_advice(manifest: Manifest) -> str:
    """Why results of other revisions are not ranked with this data set's, and what to do."""
    if manifest.canonical:
        return (
            f"{manifest.name} is the same on every machine, so another revision of it is of "
            "another version of dambench-hub or has other options. To be ranked here, build it "
            f"with this version{_made(manifest)}; then predict and submit again."
        )
    if manifest.source.get("kind") == "osse":
        return (
            f"{manifest.name} {_own_world(manifest)}. Results of other worlds are ranked on "
            f"theirs; `{CANONICAL_COMMAND}` makes the world whose board is the same everywhere."
        )
    return "To be ranked here, predict and submit again with this data set."


def _made(manifest: Manifest) -> str:
    """A colon and the command that makes a data set, if it is known."""
    command = manifest.source.get("command")
    return f": `{command}`" if command else ""


def _own_world(manifest: Manifest) -> str:
    """What a data set is that was simulated."""
    earlier = " by an earlier version of dambench-hub"
    by = earlier if manifest.format_version < FORMAT_VERSION else ""
    return (
        f"was simulated{by}, and each machine simulates a world of its own, with a board of its own"
    )
