"""What the card says of how good the backgrounds are, where that is known."""

from __future__ import annotations

from pathlib import Path

from dambench_hub.storage.manifest import PICTURE, Manifest

BACKGROUNDS = "backgrounds"
"""Key of a source: `BackgroundQuality.to_dict` of each split with an ensemble."""


def backgrounds_text(folder: Path, manifest: Manifest) -> str:
    """A table, its explanation and the picture, if there are any."""
    rows = []
    for split in manifest.source.get(BACKGROUNDS, ()):
        numbers = {
            name: "{mean:.2f} ({min:.2f} … {max:.2f})".format(**split[name])
            for name in ("spread_error", "correlation", "bias_share")
        }
        rows.append(
            f"| {split['split']} | {split['days']} | {split['mse']:.4f} | {split['drift']:+.1%} | "
            f"{numbers['spread_error']} | {numbers['correlation']} | {numbers['bias_share']} |"
        )
    if not rows:
        return ""
    share = manifest.source[BACKGROUNDS][0]["points_per_degree_of_freedom"]
    picture = f"\n![Errors and spread of the backgrounds]({PICTURE})\n"
    return (
        "How good the backgrounds are, mean over channels and range:\n\n"
        "| split | days | MSE, σ² | last third to first | spread / error | correlation by day | "
        "share of bias |\n|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nThe correlation is that of spread and |error| after each point's mean over time is "
        f"removed. Observed points for each degree of freedom of a field: {share:.2f}.\n"
        + (picture if (folder / PICTURE).exists() else "")
        + "\n"
    )
