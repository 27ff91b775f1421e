"""`multi_modal`: any method that takes context, with the adapter for further observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.departures import require_equivalents
from dambench_hub.models.layers.adapter import ModalityAdapter
from dambench_hub.models.learned import STATISTICS, Inputs, LearnedAssimilator
from dambench_hub.models.registry import MULTI
from dambench_hub.storage.statistics import Statistics

PATCH_DEGREES = 12
"""Of longitude, a patch of the adapter: 8 points of 1.5°."""


@cache
def multi_modal(host_class: type[LearnedAssimilator]) -> type[MultiModal]:
    """The multi-modal form of a method: `multi_fnp`, class `MultiFNP`, for `FNP`.

    Its constructor takes the arguments of `MultiModal` and those of the host, flat.
    """

    def __init__(self: MultiModal, **settings: Any) -> None:  # noqa: N807
        MultiModal.__init__(self, **settings)

    own = signature(MultiModal.__init__).parameters
    of_host = signature(host_class).parameters
    parameters = {
        name: parameter
        for name, parameter in {**own, **of_host}.items()
        if parameter.kind is not Parameter.VAR_KEYWORD
    }
    __init__.__signature__ = Signature(list(parameters.values()))  # type: ignore[attr-defined]
    attributes = {
        "name": MULTI + host_class.name,
        "host_class": host_class,
        "__init__": __init__,
        "__doc__": f"`{host_class.__name__}` with the adapter for modalities; see `MultiModal`.",
        "__module__": __name__,
    }
    return cast(type[MultiModal], type(f"Multi{host_class.__name__}", (MultiModal,), attributes))


class MultiModal(LearnedAssimilator):
    """A method, the host, whose features an adapter shifts by what further observations say.

    The adapter sees how far the modalities depart from the background's equivalents, see `SCALES`.
    `multi_modal` makes one class of these for each host. The host is unchanged, and until the
    adapter is trained so are its analyses, to the last bit.

    Training starts from scratch, or from a trained host (`set_host_weights`). What is to be
    compared with the second is the host alone, trained on for as many steps.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text: `121x240`.
        adapter_width: Of a token.
        adapter_heads: Of every attention; they divide the width.
        adapter_layers: Of the transformer that mixes the modalities.
        adapter_patch: Side of a patch, grid points; None for about 12°, 8 points of 1.5°. A patch
            is one token, and departures tell of errors near them.
        modality_dropout: Share of training samples from which a modality is withheld.
        share_attention: One attention encodes all modalities; else each has its own.
        modalities: Names of the modalities.
        host_settings: The host's own hyper-parameters.

    Raises:
        TaskError: When the host takes no context, or a value is out of range.
    """

    host_class: ClassVar[type[LearnedAssimilator]]

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        adapter_width: int = 128,
        adapter_heads: int = 4,
        adapter_layers: int = 2,
        adapter_patch: int | None = None,
        modality_dropout: float = 0.1,
        share_attention: bool = False,
        modalities: Sequence[str] = ("precipitation", "olr"),
        **host_settings: Any,
    ) -> None:
        super().__init__(channels=channels, grid=grid)
        self.host = self.host_class(channels=channels, grid=grid, **host_settings)
        self.increments = self.host.increments
        if self.host.context_shape is None:
            raise TaskError(
                f"{self.host.name} with these settings takes no context, so that there is no "
                f"{self.name}. Use {self.host.name}."
            )
        self.adapter = ModalityAdapter(
            grid=self.grid,
            context_shape=self.host.context_shape,
            modalities=modalities,
            width=adapter_width,
            heads=adapter_heads,
            layers=adapter_layers,
            patch=patch_of(self.grid) if adapter_patch is None else adapter_patch,
            dropout=modality_dropout,
            share_attention=share_attention,
        )

    def inputs(self, batch: Batch, generator: torch.Generator | None = None) -> Inputs:
        """See `LearnedAssimilator.inputs`.

        Raises:
            DataError: Also when the background has no equivalent of any modality.
        """
        require_equivalents(batch)
        return super().inputs(batch, generator)

    def loss(self, inputs: Inputs) -> Tensor:
        """The host's loss, given the modalities."""
        return self.host.loss(self._with_context(inputs))

    def analyse(self, inputs: Inputs) -> Analysis:
        """The host's analysis, given the modalities."""
        return self.host.analyse(self._with_context(inputs))

    @property
    def reads_modalities(self) -> bool:
        """Always."""
        return True

    @property
    def members(self) -> int:
        """Ensemble size of a host that samples; other hosts have no such attribute."""
        return self.host.members  # type: ignore[return-value]

    @members.setter
    def members(self, members: int) -> None:
        self.host.members = members  # type: ignore[assignment]

    def set_statistics(self, statistics: Statistics) -> Self:
        """See `LearnedAssimilator.set_statistics`; the host gets them too."""
        self.host.set_statistics(statistics)
        return super().set_statistics(statistics)

    def set_host_weights(self, weights: Mapping[str, Tensor]) -> Self:
        """Start from a trained host of the same settings, its statistics included.

        Args:
            weights: Its `state_dict()`; of a folder, what `read_weights` gives for
                `model.host.state_dict()`.

        Raises:
            DataError: When they are those of other settings.
        """
        try:
            self.host.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"These are not the weights of a {self.host.name} with the same settings ({error})."
            ) from error
        for name in STATISTICS:
            getattr(self, name).copy_(weights[name])
        return self

    def _with_context(self, inputs: Inputs) -> Inputs:
        return replace(inputs, context=self.adapter(inputs.departures, inputs.noise))


def patch_of(grid: Grid) -> int:
    """Points along a grid that are about `PATCH_DEGREES`, at least 1."""
    return max(1, round(PATCH_DEGREES * grid.longitudes / 360))
