"""What the licence of ERA5 asks of those who pass it on, in sentences for the card."""

from __future__ import annotations

import numpy as np

LICENCE = "cc-by-4.0"
"""Since 2 July 2025; Copernicus's own licence, which asked for the same, before."""

CITATION = (
    "Hersbach et al. (2020), The ERA5 global reanalysis, Q. J. R. Meteorol. Soc. 146, 1999-2049, "
    "doi:10.1002/qj.3803"
)


def attribution(times: np.ndarray) -> str:
    """The words that Copernicus requires, with the years of the information.

    Args:
        times: datetime64, ascending, at least one.
    """
    first, last = times[[0, -1]].astype("datetime64[Y]").astype(str)
    years = first if first == last else f"{first}-{last}"
    return (
        f"Contains modified Copernicus Climate Change Service information {years}. Neither the "
        "European Commission nor ECMWF is responsible for any use that may be made of the "
        "Copernicus information or data it contains."
    )
