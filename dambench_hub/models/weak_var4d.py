"""Weak-constraint 4D-Var: the model may be wrong, and the window says where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.errors import TaskError
from dambench_hub.estimation.covariance_roots import MappedRoot
from dambench_hub.models.balanced_covariance import BalancedCovariance
from dambench_hub.models.window_method import Increments, WindowMethod


class WeakVar4D(WindowMethod):
    """4D-Var whose trajectory may leave the model's at each time with observations, by x_l = M + η.

    J(v, w) = ½‖v‖² + ½ Σ_l ‖w_l‖² + ½ Σ_l ‖R^{−½} (H see(x_l) − y_l)‖²,
    x_0 = x^b + s G U v,   x_l = M(x_{l−1}) − G b h_l / τ + q G U w_l

    Errors of the model, which it makes from one time with observations to the next in h_l hours,
    are taken to be its drift and others alike those of its forecasts, q² B, independent of one
    another.

    The options' own values are for a day's window of the circulation model that starts from an
    analysis: smaller q and larger s are worse there, and after 15 iterations, about 20 s, little is
    gained (`python benchmarks/circulation_windows.py --data cycle`).

    Args:
        channels: Names of the C channels.
        covariance: B.
        bias: b, (C, Y, X), units of the channels.
        model_error_scale: q, their standard deviation over that of B.
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
        Trémolet (2006), Q. J. R. Meteorol. Soc. 132, 2483-2504.
    """

    name = "weak_var4d"

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: BalancedCovariance,
        bias: np.ndarray,
        *,
        model_error_scale: float = 0.4,
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
        if not model_error_scale > 0:
            raise TaskError(
                f"model_error_scale must be positive, got {model_error_scale}; a model without "
                "errors is a strong constraint: use var4d."
            )
        self.model_error_scale = model_error_scale

    def _model_error_root(self, G: Increments) -> MappedRoot:
        return self._root_through(G, self.model_error_scale)
