"""Every variable of the benchmark: name, long name, unit, levels, and the standard channel order.

A *channel* is a variable at a level: `z500`, `t850`, or a single-level variable: `t2m`. This is the
only such table; files carry its names and units, and readers select by name, never by position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import ChannelError, did_you_mean

STANDARD_LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
"""Pressure levels of the standard channels, hPa."""


@dataclass(frozen=True)
class Variable:
    """One physical quantity, with its CF names.

    Attributes:
        name: Short name, as in ERA5: `z`, `t2m`.
        long_name: Words for people.
        standard_name: CF standard name.
        units: CF units.
        on_levels: True for upper-air variables, which need a pressure level.
    """

    name: str
    long_name: str
    standard_name: str
    units: str
    on_levels: bool = False


VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("u10", "10 metre eastward wind", "eastward_wind", "m s-1"),
        Variable("v10", "10 metre northward wind", "northward_wind", "m s-1"),
        Variable("t2m", "2 metre temperature", "air_temperature", "K"),
        Variable("msl", "mean sea level pressure", "air_pressure_at_mean_sea_level", "Pa"),
        Variable("z", "geopotential", "geopotential", "m2 s-2", on_levels=True),
        Variable("q", "specific humidity", "specific_humidity", "kg kg-1", on_levels=True),
        Variable("u", "eastward wind", "eastward_wind", "m s-1", on_levels=True),
        Variable("v", "northward wind", "northward_wind", "m s-1", on_levels=True),
        Variable("t", "temperature", "air_temperature", "K", on_levels=True),
    )
}
"""State variables, in channel order."""

ERA5_NAMES = {
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "t2m": "2m_temperature",
    "msl": "mean_sea_level_pressure",
    "z": "geopotential",
    "q": "specific_humidity",
    "u": "u_component_of_wind",
    "v": "v_component_of_wind",
    "t": "temperature",
}
"""What the Climate Data Store, WeatherBench2 and ARCO-ERA5 call them; their units are ours."""

MODALITIES = {
    variable.name: variable
    for variable in (
        Variable(
            "precipitation",
            "station precipitation of the last day before the valid time",
            "lwe_thickness_of_precipitation_amount",
            "mm day-1",
        ),
        Variable(
            "olr",
            "outgoing longwave radiation of the last day before the valid time",
            "toa_outgoing_longwave_flux",
            "W m-2",
        ),
    )
}
"""Real observations beside the channels, on the same grid, NaN where there is none."""


def equivalent_of(modality: str) -> str:
    """Name of the background's equivalent of a modality: what it says would have been measured."""
    return f"background_{modality}"


def members_equivalent_of(modality: str) -> str:
    """Name of the equivalents of a modality in the members of the background's ensemble."""
    return f"background_members_{modality}"


EQUIVALENTS = {
    equivalent_of(name): Variable(
        equivalent_of(name),
        f"{variable.long_name}, as the background has it",
        variable.standard_name,
        variable.units,
    )
    for name, variable in MODALITIES.items()
}
"""The background's equivalents of the modalities, on the same grid, NaN where it has none."""

STANDARD_CHANNELS = tuple(
    name if not variable.on_levels else f"{name}{level}"
    for name, variable in VARIABLES.items()
    for level in (STANDARD_LEVELS if variable.on_levels else (None,))
)
"""The 69 standard channels in order: u10, v10, t2m, msl, z50 … z1000, q…, u…, v…, t…"""

HEADLINE_CHANNELS = ("z500", "t850", "t2m", "u10", "v10", "u500", "v500", "q700", "msl")
"""Channels whose RMSE stands on the leaderboard and in model cards, as in the paper."""


@dataclass(frozen=True)
class Channel:
    """A variable at a level (hPa), or a single-level variable when `level` is None."""

    variable: Variable
    level: int | None = None

    @property
    def name(self) -> str:
        """For example `z500` or `t2m`."""
        return self.variable.name if self.level is None else f"{self.variable.name}{self.level}"

    @property
    def long_name(self) -> str:
        """For example `geopotential at 500 hPa`."""
        at = "" if self.level is None else f" at {self.level} hPa"
        return self.variable.long_name + at

    @property
    def units(self) -> str:
        """CF units of the variable."""
        return self.variable.units


def parse_channel(name: str) -> Channel:
    """The channel called `name`.

    Raises:
        ChannelError: When no such variable exists, or its level is missing or superfluous.

    >>> parse_channel("z500").long_name
    'geopotential at 500 hPa'
    """
    if name in VARIABLES and not VARIABLES[name].on_levels:
        return Channel(VARIABLES[name])
    match = re.fullmatch(r"([a-z]+)([1-9][0-9]*)", name)
    if match and (variable := VARIABLES.get(match[1])) and variable.on_levels:
        return Channel(variable, int(match[2]))
    raise ChannelError(f"Unknown channel {name!r}. {did_you_mean(name, STANDARD_CHANNELS)}")


def parse_channels(names: tuple[str, ...] | list[str]) -> tuple[Channel, ...]:
    """All the channels called `names`, each once.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """
    if not names:
        raise ChannelError("The channel list is empty; at least one channel is needed.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ChannelError(f"Channels {', '.join(twice)} are listed twice; name each once.")
    return tuple(parse_channel(name) for name in names)


def are_known(names: Sequence[str]) -> bool:
    """Whether all names are those of channels, each once, so that scores by variable make sense.

    >>> are_known(["z500", "t2m"]), are_known(["c0", "c1"])
    (True, False)
    """
    try:
        return bool(parse_channels(list(names)))
    except ChannelError:
        return False


def variable_groups(names: tuple[str, ...] | list[str]) -> dict[str, tuple[int, ...]]:
    """Positions of the channels by what belongs together: `surface`, then each upper-air variable.

    A variable's levels are in order of pressure. Groups without a channel are left out.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.

    >>> variable_groups(["t2m", "z850", "z500", "t850"])
    {'surface': (0,), 'z': (2, 1), 't': (3,)}
    """
    groups: dict[str, list[tuple[int, int]]] = {"surface": []}
    groups |= {name: [] for name, variable in VARIABLES.items() if variable.on_levels}
    for position, channel in enumerate(parse_channels(names)):
        group = "surface" if channel.level is None else channel.variable.name
        groups[group].append((channel.level or position, position))
    return {name: tuple(at for _, at in sorted(group)) for name, group in groups.items() if group}


def wind_pairs(names: Sequence[str]) -> np.ndarray:
    """Positions of the components of wind that have both, u and v of the same level, (2, W), int.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.

    >>> wind_pairs(["u500", "t2m", "v500", "u850"]).tolist()
    [[0], [2]]
    """
    position = {channel.name: n for n, channel in enumerate(parse_channels(list(names)))}
    pairs = [
        (n, position["v" + name[1:]])
        for name, n in position.items()
        if name.startswith("u") and "v" + name[1:] in position
    ]
    return np.array(pairs, int).reshape(-1, 2).T


def mean_over_variables(names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Mean over variables of the mean over their levels: none counts more for having more levels.

    Args:
        names: Of the C channels.
        values: (*, C), in units that compare.

    Returns:
        (*,).

    Raises:
        ChannelError: When a name is unknown.

    >>> float(mean_over_variables(["t2m", "z500", "z850"], np.array([1.0, 2.0, 6.0])))
    2.5
    """
    return np.mean(list(means_by_variable(names, values).values()), axis=0)


def means_by_variable(names: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean over the levels of each variable, (*,), of values (*, C), in the order of `VARIABLES`.

    Raises:
        ChannelError: When a name is unknown.
    """
    variable = np.array([channel.variable.name for channel in map(parse_channel, names)])
    means = {name: values[..., variable == name] for name in VARIABLES}
    return {name: its.mean(axis=-1) for name, its in means.items() if its.shape[-1]}
