"""Outgoing longwave radiation seen by satellites: NOAA's climate data record, or its interpolation.

The record (OLR-Daily CDR) covers every year of the benchmark. The interpolated product, which older
work used, ends in 2022; its file has the same name as other products' and two encodings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building.sources.daily.files import DailyFile, Layout, find_files
from dambench_hub.building.sources.daily.series import join_days
from dambench_hub.errors import BuildError

CDR = Layout(
    product="olr_cdr",
    title="NOAA OLR-Daily CDR",
    variable="olr",
    spacing=1.0,
    centred=True,
    units=("W m-2",),
    allowed=(60.0, 400.0),
    advice="Wanted are means of a day in W m-2, positive.",
    excluded=("blend",),
)
"""1 degree, 1979 to now, v01r02 or v02r00; latitude ascends in the files, stamps are at noon.

CPC's blended OLR, which is excluded, comes on this grid and the next."""

INTERPOLATED = replace(
    CDR,
    product="olr_interpolated",
    title="NOAA interpolated OLR",
    spacing=2.5,
    centred=False,
    required=("interpolat",),
)
"""2.5 degrees with poles, June 1974 to 2022; int16 in netCDF-3 until 2020, float32 in netCDF-4."""

LICENCE = "No restriction on use; NOAA asks for credit."

SENTENCES = {
    "olr_cdr": {
        "title": "NOAA Climate Data Record of Daily Outgoing Longwave Radiation",
        "source": "NOAA OLR-Daily CDR, 1 degree, from satellite soundings, "
        "https://www.ncei.noaa.gov/data/outgoing-longwave-radiation-daily/access/. A value is a "
        "mean over about seven days around its day.",
        "licence": LICENCE,
        "attribution": "NOAA OLR-Daily CDR data provided by NOAA's National Centers for "
        "Environmental Information (NCEI), from https://www.ncei.noaa.gov",
        "citation": "Lee, H.-T. (2014), Climate Algorithm Theoretical Basis Document: Outgoing "
        "Longwave Radiation - Daily, NOAA CDR Program; and the DOI on NCEI's page of the record.",
        "coverage": "The OLR-Daily CDR covers 1979 to now; fetch the files of the years wanted.",
    },
    "olr_interpolated": {
        "title": "NOAA Interpolated Outgoing Longwave Radiation",
        "source": "NOAA interpolated OLR, 2.5 degrees, from NOAA PSL, "
        "https://psl.noaa.gov/data/gridded/data.interp_OLR.html. Gaps are filled from days before "
        "and after.",
        "licence": LICENCE,
        "attribution": "Interpolated OLR data provided by the NOAA/OAR/ESRL PSL, Boulder, "
        "Colorado, USA, from their website at https://psl.noaa.gov",
        "citation": "Liebmann and Smith (1996), Bull. Amer. Meteor. Soc. 77, 1275-1277.",
        "coverage": "Interpolated OLR ends on 2022-12-31; the OLR-Daily CDR covers 1979 to now.",
    },
}


def open_olr(path: str | Path) -> xr.DataArray:
    """Daily mean outgoing longwave radiation, lazily, from the CDR or interpolated OLR.

    Which of the two it is follows from grid and attributes. Of interpolated OLR two days of each
    year are read, to find copies of one year under another.

    Args:
        path: A file, a folder, or a glob. Other files are left out and named in the attribute
            `left_out`.

    Returns:
        `olr` (time, latitude, longitude), W m-2, NaN where nothing was measured; see
        `series.join_days`. The attribute `product` says which it is, `version` which version of the
        record, `preliminary` which days are not final; empty where there is nothing to say.

    Raises:
        BuildError: When there is no such file, or one that is damaged, in another unit, has days of
            another one or a year twice; or when there are both products or two versions.
    """
    files, left_out = find_files(path, [CDR, INTERPOLATED])
    if len(products := sorted({file.layout.title for file in files})) > 1:
        raise BuildError(f"{path} has {' and '.join(products)}; give one of them by a glob.")
    sentences = SENTENCES[files[0].layout.product]
    series = join_days("olr", files, left_out, {**sentences, "version": _version(files)})
    series.attrs["preliminary"] = _preliminary(files)
    if series.attrs["product"] == "olr_interpolated":
        _require_distinct_years(series)
    return series


def _version(files: Sequence[DailyFile]) -> str:
    """The version that all files name, for example `v01r02`; empty if they name none."""
    named = {file.path.name: re.search(r"v\d\dr\d\d", file.words) for file in files}
    versions = {found[0]: name for name, found in named.items() if found}
    if len(versions) > 1:
        files_of = ", ".join(f"{version} ({name})" for version, name in sorted(versions.items()))
        raise BuildError(
            f"Two versions of the OLR-Daily CDR: {files_of}. Values change between versions; give "
            "one of them by a glob."
        )
    return next(iter(versions), "")


def _preliminary(files: Sequence[DailyFile]) -> str:
    """Days that only preliminary files have, as text."""
    final = [file.days for file in files if not file.preliminary]
    preliminary = [file.days for file in files if file.preliminary]
    if not preliminary:
        return ""
    days = np.setdiff1d(np.concatenate(preliminary), np.concatenate([*final, preliminary[0][:0]]))
    return f"{days[0]} to {days[-1]}" if len(days) else ""


def _require_distinct_years(series: xr.DataArray) -> None:
    """Refuse a file that holds a year under the name of another, as copies from 2019 did."""
    days = series.time.values.astype("datetime64[D]")
    years = np.unique(days.astype("datetime64[Y]"))
    for month_day in ("01-15", "07-15"):
        seen: dict[bytes, np.datetime64] = {}
        for year in years:
            rows = np.flatnonzero(days == np.datetime64(f"{year}-{month_day}"))
            if not rows.size or np.isnan(field := series[int(rows[0])].values).all():
                continue
            other = seen.setdefault(field.tobytes(), year)
            if other != year:
                raise BuildError(
                    f"{series.attrs['title']}: {other} and {year} are identical on {month_day}. "
                    "The file is damaged, as copies from 2019 were; fetch it again."
                )
