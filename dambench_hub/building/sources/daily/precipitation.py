"""Precipitation measured by gauges: the unified analysis of NOAA's Climate Prediction Center."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from dambench_hub.building.sources.daily.files import Layout, find_files
from dambench_hub.building.sources.daily.series import join_days

CPC = Layout(
    product="cpc_precipitation",
    title="CPC unified precipitation",
    variable="precip",
    spacing=0.5,
    centred=True,
    units=("mm", "mm day-1"),
    allowed=(0.0, 2000.0),
    advice="Wanted are totals of a day in mm; rates in kg m-2 s-1 are 86400 times smaller.",
    peak=0.05,  # the analysis counts tenths of mm
)
"""0.5 degree cells over land, 1979 to now, a file a year; NaN over the sea."""

SENTENCES = {
    "title": "CPC Global Unified Gauge-Based Analysis of Daily Precipitation",
    "source": "NOAA CPC unified gauge-based analysis of daily precipitation over land, 0.5 "
    "degrees, from NOAA PSL, https://psl.noaa.gov/data/gridded/data.cpc.globalprecip.html. About "
    "30,000 gauges until 2005 (retrospective), about 17,000 from 2006 on (real time): spread and "
    "extremes change there. The day ends at an hour that differs by country.",
    "licence": "No restriction on use; NOAA asks for credit.",
    "attribution": "CPC Global Unified Precipitation data provided by the NOAA/OAR/ESRL PSL, "
    "Boulder, Colorado, USA, from their website at https://psl.noaa.gov",
    "citation": "Xie et al. (2007), J. Hydrometeorol. 8, 607-626; "
    "Chen et al. (2008), J. Geophys. Res. 113, D04110.",
    "coverage": "The CPC analysis covers 1979 to now; fetch the files of the years wanted.",
}


def open_precipitation(path: str | Path) -> xr.DataArray:
    """Daily precipitation over land, lazily, from yearly files of NOAA PSL.

    Long-term means (`precip.day.ltm.*.nc`) and other files are left out and named in the attribute
    `left_out`.

    Args:
        path: A file, a folder, or a glob such as `precip.*.nc`.

    Returns:
        `precipitation` (time, latitude, longitude), mm day-1, NaN where there is no analysis; see
        `series.join_days`.

    Raises:
        BuildError: When there is no such file, or one that is damaged, in another unit, or has days
            of another one.
    """
    files, left_out = find_files(path, [CPC])
    return join_days("precipitation", files, left_out, SENTENCES)
