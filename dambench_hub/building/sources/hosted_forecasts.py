"""Forecasts that WeatherBench2 hosts at 1.5 degrees, as backgrounds.

In these stores `time` is when a forecast starts and `prediction_timedelta` how far it looks ahead;
here `time` becomes the valid time, their sum, so that forecasts are read like analyses. Source:
WeatherBench2's data guide and the metadata of the stores; what a store holds is checked on opening.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dambench_hub.building.sources import attribution as copernicus
from dambench_hub.building.sources import weatherbench
from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.zarr_stores import open_store
from dambench_hub.errors import BuildError, did_you_mean
from dambench_hub.runtime.files import local_path

BUCKET = "gs://weatherbench2/datasets/"
LEAD = "prediction_timedelta"
DIMENSIONS = {"time", "level", "latitude", "longitude"}

ERA5, OPERATIONAL = "ERA5", "operational analyses"
NON_COMMERCIAL = (
    "CC BY-NC-SA 4.0, no commercial use: these are the terms of the model's weights, and its "
    "forecasts are treated alike"
)
UNREAD = "See the LICENSE file in the store's folder; until then taken as not for commercial use"


@dataclass(frozen=True)
class Model:
    """Who made forecasts, and on what terms.

    Attributes:
        title: Name for people.
        citation: What to cite.
        licence: One sentence.
        start: What the forecasts start from.
    """

    title: str
    citation: str
    licence: str = UNREAD
    start: str = ERA5


@dataclass(frozen=True)
class HostedStore:
    """One hosted store.

    Attributes:
        path: Below `BUCKET`; its first folder is a key of `MODELS`.
        first: First year in which its forecasts start.
        last: Last such year.
        lacks: What of the 69 standard channels is not there; empty when all are.
    """

    path: str
    first: int
    last: int
    lacks: str = ""

    @property
    def address(self) -> str:
        """Where it is."""
        return BUCKET + self.path


PANGU = "Bi et al. (2023), Nature 619, 533-538, doi:10.1038/s41586-023-06185-3"
GRAPHCAST = "Lam et al. (2023), Science 382, 1416-1421, doi:10.1126/science.adi2336"
IFS = "ECMWF (2018), IFS documentation and user guide, doi:10.21957/m1cs7h"

MODELS = {
    "pangu": Model("Pangu-Weather", PANGU, NON_COMMERCIAL),
    "pangu_hres_init": Model("Pangu-Weather", PANGU, NON_COMMERCIAL, start=OPERATIONAL),
    "graphcast": Model("GraphCast", GRAPHCAST, NON_COMMERCIAL),
    "graphcast_hres_init": Model("GraphCast", GRAPHCAST, NON_COMMERCIAL, start=OPERATIONAL),
    "hres": Model("ECMWF's IFS HRES", IFS, start=OPERATIONAL),
    "fuxi": Model("FuXi", "Chen et al. (2023), doi:10.1038/s41612-023-00512-1"),
    "keisler": Model("Keisler's graph network", "Keisler (2022), arXiv:2202.07575"),
    "era5-forecasts": Model("the IFS of ERA5", copernicus.CITATION),
    "ifs_ens": Model(
        "ECMWF's IFS ensemble",
        IFS,
        "TIGGE's terms: research only, no redistribution",
        start=OPERATIONAL,
    ),
    "neuralgcm_deterministic": Model(
        "NeuralGCM", "Kochkov et al. (2024), doi:10.1038/s41586-024-07744-y"
    ),
    "sphericalcnn": Model("spherical CNN", "Esteves et al. (2023), arXiv:2306.05420"),
}
"""By the folder in the bucket, by which local copies are recognised too."""

UNKNOWN_MODEL = Model("an unknown model", "Cite who made the forecasts", start="unknown analyses")

GRID = "240x121_equiangular_with_poles_conservative"
SURFACE = "u10, v10, t2m and msl"
LEVELS = "all levels but 500, 700 and 850 hPa"

STORES = {
    "pangu": HostedStore(f"pangu/2018-2022_0012_{GRID}.zarr", 2018, 2022),
    "pangu_hres_init-2020": HostedStore(f"pangu_hres_init/2020_0012_{GRID}.zarr", 2020, 2020),
    "pangu_hres_init-2021": HostedStore(f"pangu_hres_init/2021_0012_{GRID}.zarr", 2021, 2021),
    "pangu_hres_init-2022": HostedStore(f"pangu_hres_init/2022_0012_{GRID}.zarr", 2022, 2022),
    "graphcast-2018": HostedStore(
        f"graphcast/2018/date_range_2017-11-16_2019-02-01_12_hours-{GRID}.zarr", 2018, 2018
    ),
    "graphcast-2020": HostedStore(
        f"graphcast/2020/date_range_2019-11-16_2021-02-01_12_hours-{GRID}.zarr", 2020, 2020
    ),
    "graphcast_hres_init-2020": HostedStore(
        f"graphcast_hres_init/2020/date_range_2019-11-16_2021-02-01_12_hours-{GRID}.zarr",
        2020,
        2020,
    ),
    "hres": HostedStore(
        f"hres/2016-2022-0012-{GRID}.zarr", 2016, 2022, "perhaps specific humidity"
    ),
    "fuxi": HostedStore(
        f"fuxi/2020-{GRID}.zarr",
        2020,
        2020,
        "specific humidity, and all levels but 500 and 850 hPa",
    ),
    "keisler": HostedStore(f"keisler/2020-{GRID}.zarr", 2020, 2020, LEVELS),
    "era5-forecasts-2018": HostedStore(f"era5-forecasts/2018-{GRID}.zarr", 2018, 2018, LEVELS),
    "era5-forecasts-2020": HostedStore(f"era5-forecasts/2020-{GRID}.zarr", 2020, 2020, LEVELS),
    "ifs_ens": HostedStore(f"ifs_ens/2018-2022-{GRID}_mean.zarr", 2018, 2022, LEVELS),
    "neuralgcm": HostedStore(f"neuralgcm_deterministic/2020-{GRID}.zarr", 2020, 2020, SURFACE),
    "sphericalcnn": HostedStore(
        "sphericalcnn/2020-240x121_equiangular_with_poles.zarr", 2020, 2020, SURFACE
    ),
}
"""By a name that `open_forecasts` takes in place of an address. All start at 00 and 12 UTC."""


def open_forecasts(path: str, lead_hours: int = 24) -> xr.Dataset:
    """Forecasts of one lead, lazily, by their valid time.

    Args:
        path: A name in `STORES`, or address or local copy of a store of that layout.
        lead_hours: How far the forecasts look ahead.

    Returns:
        See `dambench_hub.building.sources` for the convention, and `zarr_stores` for further
        attributes. `time` is the valid time; the attribute `lead_hours` comes on top.

    Raises:
        BuildError: When the store cannot be opened, has unusable axes, no such lead, or an
            ensemble's members.
    """
    if path not in STORES and "/" not in path and not local_path(path).exists():
        raise BuildError(
            f"{path} is neither a folder nor a name of hosted forecasts. "
            + did_you_mean(path, STORES)
        )
    place = STORES[path].address if path in STORES else path
    dataset = _at_lead(harmonized(open_store(place), place), lead_hours, place)
    dataset.attrs = {
        **_sentences(place, lead_hours, dataset.time.values),
        "elsewhere": _elsewhere(),
        "address": place,
        "lead_hours": lead_hours,
    }
    return dataset


def _at_lead(dataset: xr.Dataset, lead_hours: int, place: str) -> xr.Dataset:
    """One lead of forecasts by starting time and lead, by valid time."""
    if LEAD not in dataset.coords:
        raise BuildError(
            f"{place} holds no forecasts: it has no coordinate {LEAD}. Analyses are opened by "
            "the other sources, and make a background by persistence."
        )
    # Written as whole hours; some versions of xarray decode them, others leave them.
    leads = np.atleast_1d(dataset[LEAD].values)
    hours = leads / np.timedelta64(1, "h") if leads.dtype.kind == "m" else leads
    found = np.flatnonzero(hours == lead_hours)
    if not len(found):
        has = ", ".join(f"{hour:g}" for hour in hours)
        raise BuildError(f"{place} has no lead of {lead_hours} hours; it has {has}.")
    if LEAD in dataset.dims:
        dataset = dataset.isel({LEAD: int(found[0])})
    if extra := {str(name) for name in dataset.dims} - DIMENSIONS:
        raise BuildError(
            f"{place} has a dimension {', '.join(sorted(extra))}, as ensembles have. Wanted is "
            "one forecast, or the mean."
        )
    valid = dataset.time.values + np.timedelta64(lead_hours, "h")
    return dataset.drop_vars([LEAD, "valid_time"], errors="ignore").assign_coords(time=valid)


def _sentences(place: str, lead_hours: int, times: np.ndarray) -> dict[str, str | bool]:
    """Title, source, terms and citation, by the folder in the address."""
    folders = [folder.removesuffix(".zarr") for folder in place.split("/")]
    model = next((MODELS[folder] for folder in folders if folder in MODELS), UNKNOWN_MODEL)
    attribution = f"Forecasts of {model.title}, in a store as WeatherBench2 hosts them."
    if model.start == ERA5:
        attribution += f" {copernicus.attribution(times)}"
    return {
        "title": f"{lead_hours}-hour forecasts of {model.title}",
        "source": f"{lead_hours}-hour forecasts of {model.title} from {model.start}",
        "licence": model.licence,
        "attribution": attribution,
        "citation": f"{model.citation}; {weatherbench.CITATION}",
        "commercial": False,  # of none of them is it known that it may be
    }


def _elsewhere() -> str:
    whole = {name: store for name, store in STORES.items() if not store.lacks}
    names = ", ".join(
        f"{name} ({store.first})"
        if store.first == store.last
        else f"{name} ({store.first} to {store.last})"
        for name, store in whole.items()
    )
    after = max(store.last for store in whole.values()) + 1
    return (
        f"Hosted forecasts with all 69 channels are {names}; none covers {after} or later. For "
        "other times run a model (FengWu), or take persistence as the background."
    )
