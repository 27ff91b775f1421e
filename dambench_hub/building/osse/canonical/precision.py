"""What rounding does to the channels, and what it may do.

    reference, background   1 % of the observation error, which is 0.25 of the background error's
                            standard deviation; for precipitation and olr, of their instruments'
    members                 5 % of the spread

All are root mean squares over grid points and examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.building.osse.archive import States, owned
from dambench_hub.building.osse.instruments import GAUGE_FLOOR, GAUGE_SHARE, OLR_SHARE
from dambench_hub.building.osse.view import ModelView
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.runtime.progress import track

OWNERS = ("reference", "background")
ALLOWED = {"reference": 0.01, "background": 0.01, "members": 0.05}
"""The shares that are allowed."""

SEEN = (*STANDARD_CHANNELS, "precipitation", "olr")
"""What is seen of a state."""

Places = Sequence[tuple[str, int]]
"""Examples, each a split and its index there."""


class Sight:
    """What is seen of states: all channels, precipitation and olr, C + 2 fields."""

    def __init__(self, states: States, grid: Grid) -> None:
        self.states = states
        self.views = {owner: ModelView.of(grid, owned(states.geography, owner)) for owner in OWNERS}

    def state(self, owner: str, split: str, index: int) -> np.ndarray:
        """The `reference` or `background` of one example, (C + 2, Y, X)."""
        return self.views[owner].seen(owned(self.states.fields(split, index), owner)).stacked()

    def ensemble(self, split: str, index: int) -> np.ndarray:
        """The members of one example, (M, C + 2, Y, X)."""
        fields, see = owned(self.states.members(split, index), "members"), self.views["background"]
        members = range(len(fields["t"]))
        return np.stack([see.seen({n: f[m] for n, f in fields.items()}).stacked() for m in members])


class MeanSquare:
    """Mean squares of each field over grid points and examples, in one pass."""

    def __init__(self) -> None:
        self.total: np.ndarray | float = 0.0
        self.count = 0

    def add(self, fields: np.ndarray) -> None:
        """Take in fields, (*, C, Y, X)."""
        squares = fields.reshape(-1, *fields.shape[-3:]) ** 2
        self.total = self.total + squares.mean(axis=(2, 3)).sum(axis=0)
        self.count += len(squares)

    @property
    def root(self) -> np.ndarray:
        """Root mean square, (C,)."""
        return np.sqrt(self.total / self.count)


def observation_error(sight: Sight, places: Places) -> np.ndarray:
    """Standard deviation of the observation error in these examples, (C + 2,)."""
    errors, instruments = [], MeanSquare()
    for place in track(places, len(places), "Observation errors"):
        reference, background = (sight.state(owner, *place) for owner in OWNERS)
        errors.append((background - reference)[:-2])
        rain, olr = reference[-2:]
        instruments.add(np.stack([np.hypot(GAUGE_SHARE * rain, GAUGE_FLOOR), OLR_SHARE * olr]))
    channels = ObservationSettings().error_scale * np.std(errors, axis=(0, 2, 3))
    return np.concatenate([channels, instruments.root])


def spread(sight: Sight, places: Places) -> np.ndarray:
    """Root of the ensembles' mean variance in these examples, (C + 2,)."""
    deviations, members = MeanSquare(), 2
    for place in track(places, len(places), "Spread of the ensembles"):
        ensemble = sight.ensemble(*place)
        members = len(ensemble)
        deviations.add(ensemble - ensemble.mean(axis=0))
    return np.sqrt(members / (members - 1)) * deviations.root


def changes(
    original: Sight, rounded: Sight, places: Places, ensembles: Places
) -> dict[str, np.ndarray]:
    """Root mean square change of `reference`, `background` and `members`, (C + 2,) each."""
    found = {name: MeanSquare() for name in ALLOWED}
    for place in track(places, len(places), "Comparing states"):
        for owner in OWNERS:
            found[owner].add(rounded.state(owner, *place) - original.state(owner, *place))
    for place in track(ensembles, len(ensembles), "Comparing ensembles"):
        found["members"].add(rounded.ensemble(*place) - original.ensemble(*place))
    return {name: squares.root for name, squares in found.items() if squares.count}


def shares_by_variable(what: str, shares: np.ndarray) -> dict[str, float]:
    """The largest share that rounding has in the channels of each variable, in %.

    Args:
        what: `reference`, `background` or `members`.
        shares: Root mean square change, in units of what it is compared with, (C + 2,).

    Raises:
        BuildError: When that is more than is allowed in a channel.
    """
    worst = int(np.argmax(shares))
    if not np.all(shares <= ALLOWED[what]):
        raise BuildError(
            f"Rounding changes {SEEN[worst]} of the {what} by {100 * shares[worst]:.2f} %, allowed "
            f"are {100 * ALLOWED[what]:g} %. Lower MARGIN, which the steps are chosen for."
        )
    groups: dict[str, float] = {}
    for name, share in zip(SEEN, shares, strict=True):
        group = name if name in ("u10", "v10") else name.rstrip("0123456789")
        groups[group] = max(groups.get(group, 0.0), round(100 * float(share), 3))
    return groups
