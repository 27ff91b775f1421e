"""ARCO-ERA5: the whole of ERA5 at 0.25 degrees, hourly, on 37 levels, kept up to date.

The time axis is laid out in advance to 2050 and reads as NaN where nothing is written, so it is cut
to the days that the store declares valid. A chunk holds one hour, all levels and the globe, 154 MB
before compression. Source: the maintainers' guide, and the metadata of the store.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import xarray as xr

from dambench_hub.building.sources import attribution as copernicus
from dambench_hub.building.sources.analyses import require_analyses
from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.zarr_stores import open_store
from dambench_hub.errors import BuildError

ADDRESS = "gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
"""Third revision of the data set; the format is Zarr 2."""

CITATION = (
    "Carver and Merose (2023), ARCO-ERA5: an analysis-ready cloud-optimized reanalysis dataset, "
    "22nd Conf. on AI for Env. Science, Amer. Meteor. Soc., 4A.1"
)


def open_arco(path: str | None = None, preliminary: bool = False) -> xr.Dataset:
    """ARCO-ERA5, lazily, for the days that are declared valid.

    Args:
        path: Address or local copy; None is the public store.
        preliminary: Also take the latest days (ERA5T), whose values may still change.

    Returns:
        See `dambench_hub.building.sources` for the convention, and `zarr_stores` for further
        attributes. Here these come on top: `stage`, "final" or "final and preliminary", and
        `final_until`, the last day of final values.

    Raises:
        BuildError: When the store cannot be opened, has unusable axes, holds no analyses, or does
            not say which days are valid.
    """
    place = path or ADDRESS
    store = open_store(place)
    require_analyses(store, place)
    dataset = harmonized(store, place)
    first, final = _day(dataset, "valid_time_start", place), _day(dataset, "valid_time_stop", place)
    last = _day(dataset, "valid_time_stop_era5t", place) if preliminary else final
    dataset = _whole_days(dataset, first, last, place)
    stage = "final and preliminary" if preliminary else "final"
    dataset.attrs = {
        "title": "ERA5 from ARCO-ERA5",
        "source": f"ERA5 reanalysis of ECMWF and Copernicus ({stage}), hosted as ARCO-ERA5",
        "licence": copernicus.LICENCE,
        "attribution": copernicus.attribution(dataset.time.values),
        "citation": f"{copernicus.CITATION}; {CITATION}",
        "commercial": True,
        "elsewhere": _elsewhere(first, final, last, preliminary),
        "address": place,
        "stage": stage,
        "final_until": str(final),
    }
    return dataset


def _day(dataset: xr.Dataset, name: str, place: str) -> np.datetime64:
    text = str(dataset.attrs.get(name, "nothing"))
    try:
        return np.datetime64(date.fromisoformat(text[:10]))
    except ValueError:
        raise BuildError(
            f"{place}: attribute {name} must be a date, got {text!r}. The time axis runs beyond "
            "what is written, so this must be known; a copy needs the attributes of the store."
        ) from None


def _whole_days(
    dataset: xr.Dataset, first: np.datetime64, last: np.datetime64, place: str
) -> xr.Dataset:
    """All hours from the first day to the last, both included."""
    start, stop = np.searchsorted(dataset.time.values, [first, last + 1])
    if start >= stop:
        raise BuildError(
            f"{place} declares {first} to {last} valid, but has no such times: its axis runs from "
            f"{dataset.time.values[0]} to {dataset.time.values[-1]}."
        )
    return dataset.isel(time=slice(int(start), int(stop)))


def _elsewhere(
    first: np.datetime64, final: np.datetime64, last: np.datetime64, preliminary: bool
) -> str:
    kind = f"final values to {final}, preliminary ones to {last}" if preliminary else f"to {final}"
    more = "" if preliminary else " Preliminary values reach to about a week ago: ask for them."
    return f"ARCO-ERA5 has {first} on, {kind}; there is no ERA5 before 1940.{more}"
