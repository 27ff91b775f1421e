"""Weak-constraint 4D-Var: the trajectory nearest to what is known, of a model that may be wrong."""

from __future__ import annotations

from dataclasses import replace

from dambench_hub.errors import TaskError
from dambench_hub.estimation.covariance_roots import MappedRoot
from dambench_hub.estimation.zonal_covariance import ZonalCovariance
from dambench_hub.models.window_method import WindowMethod


class WeakVar4D(WindowMethod):
    """As `var4d`, with a correction of the state at each observation time but the first.

    J(v, w) = ½‖v‖² + ½ Σ_l ‖w_l‖² + ½ Σ_l ‖R^{−½} (H see(x_l) − y_l)‖²
    x_0 = x^b + s G U v,   x_l = M(x_{l−1}) + q G U w_l

    Errors of the model have the covariances of those of the background, q² times as large.

    Args:
        channels: Names of the C channels.
        covariance: B.
        background_scale: s, see `WindowMethod`.
        model_error_scale: q.
        tolerance: Of the search.
        max_iterations: Of the search.
        growth: Of the window, see `WindowMethod`.

    Raises:
        TaskError: When an option is out of range.

    References:
        Trémolet (2006), Q. J. R. Meteorol. Soc. 132, 2483-2504.
    """

    name = "weak_var4d"

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: ZonalCovariance,
        *,
        background_scale: float = 1.0,
        model_error_scale: float = 0.5,
        tolerance: float = 1e-2,
        max_iterations: int = 30,
        growth: int | None = None,
    ) -> None:
        super().__init__(
            channels,
            covariance,
            background_scale=background_scale,
            tolerance=tolerance,
            max_iterations=max_iterations,
            growth=growth,
        )
        if not model_error_scale > 0:
            raise TaskError(
                f"model_error_scale is more than 0, got {model_error_scale:g}. Use var4d for a "
                "perfect model."
            )
        self.model_error_scale = model_error_scale

    def model_error_root(self, root: MappedRoot) -> MappedRoot:
        """Q G U."""
        return replace(root, scale=self.model_error_scale)
