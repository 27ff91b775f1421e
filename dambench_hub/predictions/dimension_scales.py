"""Which axis of a variable is which, as far as an HDF5 file says so.

NetCDF-4 names an axis by a dimension scale: a reference to another variable, as a rule its
coordinate. Only references of HDF5's old form are followed, which are addresses within this file;
what lies there is compared with the coordinates, and nothing is read through it.
"""

from __future__ import annotations

from collections.abc import Mapping

import h5py
import numpy as np

from dambench_hub.predictions.safe_hdf5 import read_attributes

OTHER = "another"
"""What an axis is called that belongs to none of the coordinates."""


def axis_names(variable: h5py.Dataset, coordinates: Mapping[str, h5py.Dataset]) -> tuple[str, ...]:
    """The coordinate that each axis of a variable belongs to; what the axes are called matters not.

    Args:
        variable: Its axes are named.
        coordinates: One-dimensional variables by name.

    Returns:
        Names, `OTHER` for an axis that is known to belong to none of them, and nothing ("") for one
        of which the file does not tell.
    """
    scales = {name: _own_scale(coordinate) for name, coordinate in coordinates.items()}
    unknown = "" if None in scales.values() else OTHER
    known = [(scale, name) for name, scale in scales.items() if scale is not None]
    return tuple(
        "" if found is None else next((name for scale, name in known if scale == found), unknown)
        for found in _attached(variable)
    )


def _own_scale(coordinate: h5py.Dataset) -> h5py.h5d.DatasetID | None:
    """The dimension scale of a coordinate's first axis, which may be the coordinate itself."""
    if read_attributes(coordinate, ("CLASS",)).get("CLASS") == "DIMENSION_SCALE":
        return coordinate.id
    return _attached(coordinate)[0]


def _attached(variable: h5py.Dataset) -> list[h5py.h5d.DatasetID | None]:
    """The dimension scale of each axis, None where there is none."""
    unnamed = [None] * variable.ndim
    if "DIMENSION_LIST" not in variable.attrs:
        return unnamed
    attribute = h5py.h5a.open(variable.id, b"DIMENSION_LIST")
    try:
        references = h5py.check_ref_dtype(h5py.check_vlen_dtype(attribute.dtype))
    except TypeError:  # such as references of the new form, which may lead to another file
        return unnamed
    if references is not h5py.Reference or attribute.shape != (variable.ndim,):
        return unnamed
    return [_scale(variable, attached) for attached in variable.attrs["DIMENSION_LIST"]]


def _scale(variable: h5py.Dataset, attached: np.ndarray) -> h5py.h5d.DatasetID | None:
    """The first of the scales that are attached to an axis; None if it was deleted."""
    try:
        return h5py.h5r.dereference(attached[0], variable.id)
    except (LookupError, ValueError, OSError, RuntimeError):
        return None
