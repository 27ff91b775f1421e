"""Checks of hyper-parameters."""

from __future__ import annotations

from collections.abc import Sequence

from dambench_hub.errors import TaskError, did_you_mean


def require_positive(**sizes: int) -> None:
    """Check hyper-parameters that count something.

    Raises:
        TaskError: When one is no positive whole number.
    """
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise TaskError(f"{name} must be a positive whole number, got {size!r}.")


def require_odd(**kernels: int) -> None:
    """Check the widths of kernels, which have a middle.

    Raises:
        TaskError: When one is no positive odd number.
    """
    require_positive(**kernels)
    for name, kernel in kernels.items():
        if kernel % 2 == 0:
            raise TaskError(f"{name} must be odd, so that kernels have a middle, got {kernel}.")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse an option's value that is none of the choices.

    Raises:
        TaskError: With the closest choice.
    """
    if value not in choices:
        raise TaskError(f"Unknown {name} {value!r}. {did_you_mean(value, choices)}")
