"""What copies of ERA5 call our variables in netCDF: ECMWF's short names, NCAR's, and long ones."""

from __future__ import annotations

import xarray as xr

from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES
from dambench_hub.errors import BuildError

NCAR_NAMES = {
    "u10": "VAR_10U",
    "v10": "VAR_10V",
    "t2m": "VAR_2T",
    "msl": "MSL",
    "z": "Z",
    "q": "Q",
    "u": "U",
    "v": "V",
    "t": "T",
}
"""In data set d633000 of NCAR's Research Data Archive; their units are ours."""


def renamed(dataset: xr.Dataset, place: str) -> xr.Dataset:
    """The data set with our names of variables; those that are not ours keep theirs.

    Raises:
        BuildError: When one variable stands there under two names, or one under another name than
            ours does not say its units: a `Z` may be a height.
    """
    theirs = {}
    for name in VARIABLES:
        known = [n for n in (name, NCAR_NAMES[name], ERA5_NAMES[name]) if n in dataset.data_vars]
        if len(known) > 1:
            raise BuildError(
                f"{place} holds {name} more than once: as {' and as '.join(known)}. Remove what is "
                f"not ERA5's {VARIABLES[name].long_name}."
            )
        if known and known != [name]:
            if "units" not in dataset[known[0]].attrs:
                raise BuildError(
                    f"{place}: {known[0]} does not say its units. If it is "
                    f"{VARIABLES[name].long_name} in {VARIABLES[name].units!r}, call it {name}."
                )
            theirs[known[0]] = name
    return dataset.rename(theirs)
