"""`Assimilator`, what every assimilation method is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from dambench_hub.data.batch import Analysis, Batch


class Assimilator(ABC):
    """Makes an analysis from a background and observations.

    The rules, for all methods:

    - `batch.reference` is not read at analysis time; commands remove it before.
    - Only observed values matter: what stands at unobserved grid points changes nothing.
    - A sample's analysis does not depend on the other samples of its batch.
    - The same batch and generator give the same analysis.

    Attributes:
        name: What commands and the registry call the method.
        uses_ensemble: Whether it wants `background_members` in its batches, where the data set has
            them; see `Data.batches`.
        needs_training: Whether `baselines/train.py` makes it; others are fitted where they are
            used, and take options.
    """

    name: ClassVar[str]
    uses_ensemble: ClassVar[bool] = False
    needs_training: ClassVar[bool] = False

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """The method, estimated in one pass over batches of the training split.

        Args:
            training: A method without parameters leaves it unread.
            options: Of the method, by name.
        """
        return cls(**options)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The method with the parameters that `save` wrote."""
        return cls()

    @property
    def options(self) -> dict[str, Any]:
        """What the constructor of a classical method took by name."""
        return {name: getattr(self, name) for name in _names_with_defaults(type(self))}

    @abstractmethod
    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """Analyses of all samples of a batch, in physical units, with the batch's times.

        Args:
            batch: Background and observations; `reference` may be None.
            generator: Source of randomness, for methods that draw.
        """


def option_names(method: type[Assimilator]) -> list[str]:
    """What a method's constructor or its `fit` takes by name, with a value of its own otherwise."""
    return list(dict.fromkeys(_names_with_defaults(method) + _names_with_defaults(method.fit)))


def _names_with_defaults(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.default is not one.empty]
