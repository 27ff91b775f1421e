"""Archives in Zarr, on disk or in a public bucket, opened lazily under our names of variables.

The openers of the archives (`weatherbench`, `arco`, `hosted_forecasts`) build on this. Beside the
sentences of the convention, they give these attributes: `address`, as opened; `commercial`, whether
commercial use is allowed for sure; `elsewhere`, which says where other times are found.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import xarray as xr

from dambench_hub.building.sources.axes import ALIASES
from dambench_hub.building.sources.declarations import require_variable
from dambench_hub.building.sources.states import MissingData
from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import local_path

FIXED = ("geopotential_at_surface", "land_sea_mask")
"""Fields that do not change. They keep their names and dimensions, with `time` or without."""

OPTIONS: dict[str, dict[str, Any]] = {
    # Without a token gcsfs looks for credentials, which may hang; proxies must be asked for.
    "gs": {"token": "anon", "session_kwargs": {"trust_env": True}},
    "https": {"client_kwargs": {"trust_env": True}},
    "http": {"client_kwargs": {"trust_env": True}},
}
"""How fsspec opens an address of each scheme."""

# Else gcsfs prints a traceback beside our message when its tries are used up.
logging.getLogger("gcsfs").addHandler(logging.NullHandler())


class Unreachable(BuildError):
    """A store that did not answer; the next try may succeed."""


def open_store(path: str) -> xr.Dataset:
    """The state variables and fixed fields of a Zarr store; nothing but coordinates is read.

    Args:
        path: A folder, or an address `gs://…` or `https://…` of a public store.

    Returns:
        Names of variables are ours, axes are as the store has them, times are decoded.

    Raises:
        BuildError: When there is no such store, it cannot be reached, holds none of our variables,
            one in another unit or has no times, or a missing chunk would read as a number.
        Unreachable: When it did not answer.
    """
    dataset = _opened(path)
    names = {theirs: ours for ours, theirs in ERA5_NAMES.items()}
    known = {theirs: ours for theirs, ours in names.items() if theirs in dataset.data_vars}
    if not known:
        has = ", ".join(map(str, list(dataset.data_vars)[:12])) or "no variables"
        raise BuildError(
            f"{path} has no variable of a state; wanted are {list(names)}. It has {has}."
        )
    if not {"time", *ALIASES["time"]} & set(dataset.dims):
        raise BuildError(f"{path} has no axis time; it has {', '.join(map(str, dataset.dims))}.")
    for theirs, ours in known.items():
        _refuse_silent_gaps(dataset[theirs], path)
        require_variable(dataset[theirs], VARIABLES[ours], path)
    fixed = [name for name in FIXED if name in dataset.data_vars]
    return dataset[[*known, *fixed]].rename(known)


def _opened(path: str) -> xr.Dataset:
    scheme, remote, _ = path.partition("://")
    if remote and scheme not in OPTIONS:
        known = ", ".join(f"{name}://" for name in OPTIONS)
        raise BuildError(f"{path}: addresses begin with {known}; otherwise give a local folder.")
    here = local_path(path)
    if not remote and not here.is_dir():
        what = "is a file" if here.exists() else "does not exist"
        raise BuildError(f"{path} {what}; wanted is the folder or the address of a Zarr store.")
    options = OPTIONS[scheme] if remote else None
    try:
        # Not at the top: zarr is optional, and what xarray says of its absence does not help.
        from dambench_hub.building.sources.whole_chunks import only_whole_chunks

        with only_whole_chunks():
            return xr.open_zarr(
                path if remote else here,
                chunks=None,
                decode_timedelta=True,
                storage_options=options,
            )
    except MissingData as error:
        raise BuildError(f"{path} cannot be opened: {error}.") from error
    except Exception as error:  # zarr, fsspec, gcsfs and aiohttp share no narrower class
        raise _explained(path, error) from error


def _explained(path: str, error: Exception) -> BuildError:
    """What went wrong on opening, and what to do."""
    said = f"{path} cannot be opened ({type(error).__name__}: {error})."
    code = str(getattr(error, "status", None) or getattr(error, "code", None))
    if isinstance(error, ImportError):
        return BuildError(f"{said} Install what reads it: pip install 'dambench-hub[era5]'.")
    if code in ("401", "403") or isinstance(error, PermissionError) or "Forbidden" in str(error):
        return BuildError(
            f"{said} Access was refused. The public stores need no account: check the address. A "
            "store that needs one must be copied first; then give the path of the copy."
        )
    network = type(error).__module__.startswith(("aiohttp", "gcsfs", "google", "requests"))
    if network or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError)):
        return Unreachable(
            f"{said} Check the network, the proxy (HTTPS_PROXY) and the address, and run this "
            "again; or give the path of a local copy, which is read alike."
        )
    return BuildError(
        f"{said} It is no Zarr store, or an incomplete copy: wanted is a folder with .zmetadata, "
        ".zgroup or zarr.json. Check the path, or copy the store again."
    )


def _refuse_silent_gaps(variable: xr.DataArray, place: str) -> None:
    """Refuse a variable whose absent chunks would not read as NaN.

    Zarr gives the array's fill value in place of a chunk that is not there, and no error.
    """
    declared = variable.encoding.get("_FillValue")
    fill = variable.encoding.get("fill_value", declared)
    if fill is None or not (np.isnan(fill) or fill == declared):
        raise BuildError(
            f"{place}: a missing chunk of {variable.name} would read as {fill or 0}, and nobody "
            "would notice. Copy the store with the fill value NaN."
        )
