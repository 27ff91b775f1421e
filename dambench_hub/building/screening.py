"""Reports made ready for a forecast: checked, some withheld, and what the forecast's errors are.

Withheld stations pass only the checks that know no forecast, and nothing is estimated from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import check_reports, far_from_background, mark
from dambench_hub.observations.table import ObservationTable
from dambench_hub.observations.withholding import withhold

FEWEST = 20
"""Assimilated reports of a channel, to say how wrong its background is."""


def screen(
    table: ObservationTable,
    background: np.ndarray,
    channels: Sequence[str],
    grid: Grid,
    elevation: np.ndarray | None,
    share: float = 0.2,
    seed: int = 0,
) -> tuple[ObservationTable, np.ndarray]:
    """Check reports, withhold some stations, and compare the others with the background.

    The background's error is what innovations have beside the observation error,
    σ_b² = σ_d² − mean σ_o², with σ_d from their median distance from 0, since some of them are
    wrong; it is half of σ_d at least.

    Args:
        table: R reports of one analysis.
        background: x^b, (C, Y, X).
        channels: Names of the C channels.
        grid: Y×X grid.
        elevation: Of the model's ground, m, (Y, X), or None if it is not known.
        share: Of the stations, withheld.
        seed: Makes another choice of them.

    Returns:
        The table, with `quality` and `withheld`; and the standard deviation of the background's
        error at stations, (C,), float64.

    Raises:
        BuildError: When a channel has too few reports.
    """
    table = withhold(check_reports(table), share, seed)
    H = PointInterpolation(channels, grid, table, elevation)
    innovation = table.value - H(background.astype(np.float64)) - H.offset
    assimilated = H.seen & ~table.withheld & (table.quality == Quality.GOOD)
    std, at_rows = np.zeros(len(channels)), np.zeros(len(table))
    for channel, name in enumerate(channels):
        its = H.seen & table.is_of("variable", name)
        rows = its & assimilated
        if rows.sum() < FEWEST:
            raise BuildError(
                f"{rows.sum()} reports of {name} can be assimilated; at least {FEWEST} are needed "
                "to say how wrong the background is. Leave the channel out, or give more reports."
            )
        total = 1.4826 * np.median(np.abs(innovation[rows]))
        observed = np.mean(np.square(table.error_std[rows], dtype=np.float64))
        std[channel] = np.sqrt(max(total**2 - observed, total**2 / 4))
        at_rows[its] = std[channel]
    innovation[~H.seen] = np.nan
    failed = far_from_background(table, innovation, at_rows)
    return mark(table, failed, Quality.BACKGROUND), std
