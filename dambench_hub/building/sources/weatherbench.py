"""ERA5 as WeatherBench2 hosts it: the standard grid, 13 levels, every 6 hours, to 2023-01-10.

A chunk holds two days, all levels and the globe: one level, or one hour of the day, costs the
download of all. Source: Rasp et al. (2024), and the metadata of the store.
"""

from __future__ import annotations

import xarray as xr

from dambench_hub.building.sources import attribution as copernicus
from dambench_hub.building.sources.analyses import require_analyses
from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.zarr_stores import open_store

ADDRESS = (
    "gs://weatherbench2/datasets/era5/"
    "1959-2023_01_10-6h-240x121_equiangular_with_poles_conservative.zarr"
)
"""1.5 degrees, both poles. (The store without `2023_01_10` once had wrong winds: avoid it.)"""

CITATION = (
    "Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst. 16, e2023MS004019, "
    "doi:10.1029/2023MS004019"
)

ELSEWHERE = (
    "WeatherBench2 has ERA5 from 1959 to 2023-01-10. ARCO-ERA5 and the Copernicus Climate Data "
    "Store have 1940 until a few months ago, thus 2023 and later too."
)


def open_weatherbench(path: str | None = None) -> xr.Dataset:
    """ERA5 from WeatherBench2, lazily.

    Args:
        path: Address or local copy of a store; None is the one of 121x240 points.

    Returns:
        See `dambench_hub.building.sources` for the convention, and `zarr_stores` for further
        attributes.

    Raises:
        BuildError: When the store cannot be opened, has unusable axes or holds no analyses.
    """
    place = path or ADDRESS
    store = open_store(place)
    require_analyses(store, place)
    dataset = harmonized(store, place)
    dataset.attrs = {
        "title": "ERA5 from WeatherBench2",
        "source": "ERA5 reanalysis of ECMWF and Copernicus, regridded and hosted by WeatherBench2",
        "licence": copernicus.LICENCE,
        "attribution": copernicus.attribution(dataset.time.values),
        "citation": f"{copernicus.CITATION}; {CITATION}",
        "commercial": True,
        "elsewhere": ELSEWHERE,
        "address": place,
    }
    return dataset
