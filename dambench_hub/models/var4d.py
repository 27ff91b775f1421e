"""Strong-constraint 4D-Var: the trajectory of a forecast model that is nearest to what is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.models.balanced_covariance import BalancedCovariance
from dambench_hub.models.window_method import WindowMethod


class Var4D(WindowMethod):
    """The state at a window's start whose forecast fits the background and all observations best.

    J(v) = ½‖v‖² + ½ Σ_l ‖R^{−½} (H see(x_l) − y_l)‖²,
    x_0 = x^b + s G U v,   x_l = M(x_{l−1}) − G b h_l / τ

    The model, less its drift b h_l / τ in the h_l hours of a step, is taken to be perfect. Through
    it, errors at the end of the window have covariances that know of the flow, though B at its
    start does not.

    The options' own values are for a day's window of the circulation model that starts from an
    analysis: with larger s forecasts diverge in the search, and after 15 iterations, about 20 s,
    little is gained (`python benchmarks/circulation_windows.py --data cycle`).

    Args:
        channels: Names of the C channels.
        covariance: B.
        bias: b, (C, Y, X), units of the channels.
        lead_hours: τ, length of the forecasts whose mean error b is.
        background_scale: s, see `WindowMethod`.
        tolerance: Of the search.
        max_iterations: Of the search.
        growth_hours: By which the window grows.
        modalities: Names of those that are assimilated, see `WindowMethod`. Precipitation has jumps
            that its gradient does not know of.

    Raises:
        TaskError: When an option is out of range.

    References:
        Le Dimet and Talagrand (1986), Tellus 38A, 97-110; Courtier et al. (1994), Q. J. R.
        Meteorol. Soc. 120, 1367-1387.
    """

    name = "var4d"

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: BalancedCovariance,
        bias: np.ndarray,
        *,
        lead_hours: float = 24.0,
        background_scale: float = 0.5,
        tolerance: float = 1e-2,
        max_iterations: int = 15,
        growth_hours: float | None = None,
        modalities: str | Sequence[str] = ("olr",),
    ) -> None:
        super().__init__(
            channels,
            covariance,
            bias,
            lead_hours=lead_hours,
            background_scale=background_scale,
            tolerance=tolerance,
            max_iterations=max_iterations,
            growth_hours=growth_hours,
            modalities=modalities,
        )
