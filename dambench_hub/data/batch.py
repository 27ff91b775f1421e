"""`Batch`, what an assimilation method is given, and `Analysis`, what it returns.

Both check themselves: an object that is wrong cannot be built. Arrays are numpy, or torch tensors
after `Batch.to_torch`; nothing here imports torch unless asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.missing import is_masked
from dambench_hub.errors import DataError
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable

Array = Any
"""A numpy array or a torch tensor."""


def as_numpy(values: Array) -> np.ndarray:
    """The values in C order, float32, not copied if they are; of a tensor on any device, too."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()  # bfloat16 has no numpy form
    return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples of one task, in physical units.

    Attributes:
        channels: C channel names, in order.
        grid: Y×X grid with poles.
        time: Valid times of the analyses, datetime64[h], (B,).
        background: x^b, forecasts valid at `time`, float32, (B, C, Y, X).
        observation_index: Observed grid points, row-major y·X + x, ascending, int32: (B, P), the
            same for all channels, or (B, C, P). P is 0 where `reports` are all there is.
        observation_values: y at those points, float32, (B, C, P), NaN where the instrument there
            does not see the channel. Of means over blocks, see `observations.blocks`; of stations
            off the grid, see `observations.superobservations`.
        observation_error_std: Standard deviation of the observation error, float64, (C,).
        modalities: Further observations by name, float32, (B, Y, X), NaN where there is none.
        reference: What the analysis is scored against, float32, (B, C, Y, X), or None.
        background_members: Forecasts of an ensemble, valid at `time`, float32, (B, M, C, Y, X), or
            None; `background` is the one that scores compare with, their mean or another forecast.
        background_modalities: The background's equivalents of the modalities by the same names,
            what its forecast says would have been measured, float32, (B, Y, X), NaN where it has
            none; see `departures`. All NaN if left out; without modalities empty.
        background_members_modalities: The members' equivalents, float32, (B, M, Y, X), NaN where
            they have none; without modalities or members empty.
        reports: Observations of any place and minute, a table of R_b rows for each sample, or None
            if data set and task have none. They are good ones, and none is withheld for scoring.
            Methods that have an H for them assimilate them in place of the observations above.
        elevation: Of the model's ground above sea level, m, (Y, X), or None where it is not known.

    Raises:
        DataError: When shapes or names do not belong together, an ensemble has fewer than two
            members, or reports are not to be assimilated.
    """

    channels: tuple[str, ...]
    grid: Grid
    time: np.ndarray
    background: Array
    observation_index: Array
    observation_values: Array
    observation_error_std: np.ndarray
    modalities: Mapping[str, Array] = field(default_factory=dict)
    reference: Array | None = None
    background_members: Array | None = None
    background_modalities: Mapping[str, Array] = field(default_factory=dict)
    background_members_modalities: Mapping[str, Array] = field(default_factory=dict)
    reports: tuple[ObservationTable, ...] | None = None
    elevation: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check_reports()
        members = self._ensemble_size()
        self._match_equivalents()
        state = (len(self.time), len(self.channels), *self.grid.shape)
        size, count, points = state[0], state[1], self.observation_values.shape[-1]
        shapes: dict[str, tuple[Array, list[tuple[int, ...]]]] = {
            "background": (self.background, [state]),
            "observation_index": (
                self.observation_index,
                [(size, points), (size, count, points)],
            ),
            "observation_values": (self.observation_values, [(size, count, points)]),
            "observation_error_std": (self.observation_error_std, [(count,)]),
        }
        if self.reference is not None:
            shapes["reference"] = (self.reference, [state])
        if self.elevation is not None:
            shapes["elevation"] = (self.elevation, [self.grid.shape])
        if self.background_members is not None:
            each_state = (size, members, *state[1:])
            shapes["background_members"] = (self.background_members, [each_state])
        one, each = (size, *self.grid.shape), (size, members, *self.grid.shape)
        for values, prefix, shape in (
            (self.modalities, "", one),
            (self.background_modalities, "background ", one),
            (self.background_members_modalities, "background members' ", each),
        ):
            shapes |= {prefix + name: (field, [shape]) for name, field in values.items()}
        for name, (values, wanted) in shapes.items():
            if tuple(values.shape) not in wanted:
                raise DataError(
                    f"A batch of {size} samples needs {name} of shape "
                    f"{' or '.join(str(shape) for shape in wanted)}, got {tuple(values.shape)}."
                )

    def _ensemble_size(self) -> int:
        """M, or what it would have to be at least."""
        shape = () if self.background_members is None else tuple(self.background_members.shape)
        if len(shape) != 5:
            return 2
        if shape[1] < 2:
            raise DataError(f"An ensemble needs two members at least, got {shape[1]}.")
        return shape[1]

    def _check_reports(self) -> None:
        """Withheld rows must never reach a method."""
        if self.reports is None:
            return
        if len(self.reports) != len(self.time):
            raise DataError(
                f"A batch of {len(self.time)} samples needs a table of reports for each, got "
                f"{len(self.reports)}."
            )
        for sample, table in enumerate(self.reports):
            if wrong := np.count_nonzero(table.withheld | (table.quality != Quality.GOOD)):
                raise DataError(
                    f"Reports of sample {sample} have {wrong} rows that are withheld or not good; "
                    "leave them out, as Data.reports does."
                )

    def _match_equivalents(self) -> None:
        """Equivalents are of the modalities that there are, and members' of members."""
        given = self.background_modalities if self.modalities else {}
        object.__setattr__(self, "background_modalities", given or _not_known(self.modalities))
        if not self.modalities or self.background_members is None:
            object.__setattr__(self, "background_members_modalities", {})
        wanted = list(self.modalities)
        for name in "background_modalities", "background_members_modalities":
            came = list(getattr(self, name))
            if came and sorted(came) != sorted(wanted):
                raise DataError(
                    f"{name} has {came}, modalities are {wanted}. Give both, or {name}={{}} for "
                    "equivalents that are not known."
                )

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def observations(self) -> Array:
        """Observed values y on the grid, (B, C, Y, X), zero where `observed` is False.

        Raises:
            DataError: When all observations are reports.
        """
        self._require_points()
        values = self.observation_values
        if isinstance(values, np.ndarray):
            return self._on_grid(np.where(np.isnan(values), values.dtype.type(0), values))
        return self._on_grid(values.masked_fill(values.isnan(), 0))

    @cached_property
    def observed(self) -> Array:
        """Where there is an observation, bool, (B, C, Y, X); raises as `observations` does."""
        self._require_points()
        values = self.observation_values
        return self._on_grid(
            ~(np.isnan(values) if isinstance(values, np.ndarray) else values.isnan())
        )

    @cached_property
    def departures(self) -> dict[str, Array]:
        """Modalities less the background's equivalents, by name, (B, Y, X), in the modality's unit.

        What was measured less what the background says would have been: the innovation of a
        modality. NaN where either is missing.
        """
        equivalents = self.background_modalities
        return {name: values - equivalents[name] for name, values in self.modalities.items()}

    def without_reference(self) -> Batch:
        """The same batch as a method may see it at analysis time."""
        return replace(self, reference=None)

    def with_background(
        self,
        background: Array,
        members: Array | None = None,
        modalities: Mapping[str, Array] | None = None,
        members_modalities: Mapping[str, Array] | None = None,
    ) -> Batch:
        """The same observations with another background.

        Args:
            background: x^b, (B, C, Y, X).
            members: Of its ensemble, (B, M, C, Y, X), or None.
            modalities: Its equivalents, of all modalities, (B, Y, X); None if they are not known.
            members_modalities: Those of its ensemble, (B, M, Y, X), or None.
        """
        return replace(
            self,
            background=background,
            background_members=members,
            background_modalities=modalities or {},
            background_members_modalities=members_modalities or {},
        )

    def to_torch(self, device: Any = "cpu") -> Batch:
        """The same batch with torch tensors on `device`; `time` stays numpy.

        On the CPU the tensors share the arrays' memory. Read-only arrays (views of the shards) are
        copied first, because torch cannot protect them.
        """
        import torch

        def tensor(values: np.ndarray) -> Any:
            writable = values if values.flags.writeable else values.copy()
            return torch.from_numpy(writable).to(device, non_blocking=True)

        def tensors(fields: Mapping[str, np.ndarray]) -> dict[str, Any]:
            return {name: tensor(values) for name, values in fields.items()}

        return replace(
            self,
            background=tensor(self.background),
            observation_index=tensor(self.observation_index),
            observation_values=tensor(self.observation_values),
            observation_error_std=tensor(self.observation_error_std),
            modalities=tensors(self.modalities),
            background_modalities=tensors(self.background_modalities),
            background_members_modalities=tensors(self.background_members_modalities),
            reference=None if self.reference is None else tensor(self.reference),
            background_members=(
                None if self.background_members is None else tensor(self.background_members)
            ),
        )

    def _require_points(self) -> None:
        if self.reports is not None and not self.observation_index.shape[-1]:
            raise DataError(
                "Nothing is observed at grid points here: all observations are in batch.reports, "
                "and this method does not use them."
            )

    def _on_grid(self, values: Array) -> Array:
        """Scatter values at the observed points, (B, C, P), to (B, C, Y, X)."""
        shape = (len(self), len(self.channels), self.grid.size)
        index = self.observation_index
        if index.ndim == 2:
            index = index[:, None, :]
        if isinstance(values, np.ndarray):
            flat = np.zeros(shape, values.dtype)
            np.put_along_axis(flat, np.broadcast_to(index, values.shape), values, axis=2)
        else:
            flat = values.new_zeros(shape).scatter(2, index.expand(values.shape).long(), values)
        return flat.reshape(*shape[:2], *self.grid.shape)


def _not_known(modalities: Mapping[str, Array]) -> dict[str, Array]:
    """NaN in the place of each modality."""
    return {
        name: np.full_like(values, np.nan)
        if isinstance(values, np.ndarray)
        else values.new_full(values.shape, np.nan)
        for name, values in modalities.items()
    }


@dataclass(frozen=True, eq=False)
class Analysis:
    """The result of an assimilation, in physical units.

    Attributes:
        mean: x^a, (B, C, Y, X); what all point scores use.
        std: Standard deviation of its error as the method sees it, (B, C, Y, X), or None.
        members: Samples of the posterior, (B, M, C, Y, X), or None; their mean is `mean`.
        time: Valid times, datetime64[h], (B,), as the batch has them. None means that the order of
            the analyses says to which times they belong.

    Raises:
        DataError: When shapes do not belong together, or a value is masked or no real number.
    """

    mean: Array
    std: Array | None = None
    members: Array | None = None
    time: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in "mean", "std", "members":
            _require_numbers(name, getattr(self, name))
        state = tuple(self.mean.shape)
        if len(state) != 4:
            raise DataError(f"An analysis has shape (B, C, Y, X), got {state}.")
        if self.std is not None and tuple(self.std.shape) != state:
            raise DataError(f"std has shape {tuple(self.std.shape)}, the mean has {state}.")
        if self.members is not None:
            members = tuple(self.members.shape)
            if len(members) != 5 or (members[0], *members[2:]) != state or members[1] < 1:
                raise DataError(f"members have shape {members}, wanted (B, M, C, Y, X) of {state}.")
        if self.time is not None:
            time = _whole_hours(self.time)
            if time.shape != state[:1]:
                raise DataError(f"time has shape {time.shape}, wanted one for each of {state[0]}.")
            object.__setattr__(self, "time", time)


def _whole_hours(times: Any) -> np.ndarray:
    """A copy, as datetime64[h]: the memory of a batch may be used again."""
    try:
        exact = np.array(times, "datetime64[s]")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"time cannot be read ({error}); wanted datetime64, as in batch.time."
        ) from error
    hours = exact.astype("datetime64[h]")
    if np.any(wrong := hours != exact):
        raise DataError(f"time has {exact[wrong][0]}; valid times are whole hours.")
    return hours


def _require_numbers(name: str, values: Any) -> None:
    if values is None:
        return
    if not hasattr(values, "shape"):
        raise DataError(
            f"{name} is a {type(values).__name__}, wanted a numpy array or a torch tensor."
        )
    if is_masked(values):
        raise DataError(f"{name} has masked values; every value of an analysis is scored.")
    kind = getattr(values.dtype, "kind", "f")  # the types of torch have none
    if kind not in "fiu" and str(values.dtype) != "bfloat16":  # which numpy knows from jax
        raise DataError(f"{name} has the type {values.dtype}, wanted real numbers (float32).")
