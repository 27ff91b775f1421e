"""Variables under the names that copies of ERA5 give them."""

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.sources.cds.download import open_cds
from dambench_hub.building.sources.cds.names import NCAR_NAMES, renamed
from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES
from dambench_hub.errors import BuildError

SPELT = {"m2 s-2": "m**2 s**-2", "m s-1": "m s**-1", "kg kg-1": "kg kg**-1"}
GRID = {"latitude": [90.0, 0, -90], "longitude": [0.0, 180], "level": ("level", [850.0])}
GRID |= {"time": [np.datetime64("2024", "ns")]}


def archive(names, **attributes):
    """One field for each of their names, whose values tell which of ours it is."""
    fields = {}
    for theirs, ours in names.items():
        upper, units = VARIABLES[ours].on_levels, VARIABLES[ours].units
        dims = ("time", *(["level"] if upper else []), "latitude", "longitude")
        values = np.full((1, 1, 3, 2) if upper else (1, 3, 2), list(VARIABLES).index(ours), "f4")
        fields[theirs] = (dims, values, {"units": SPELT.get(units, units)} | attributes)
    return xr.Dataset(fields, GRID)


@pytest.mark.parametrize("theirs", [NCAR_NAMES, ERA5_NAMES, {name: name for name in VARIABLES}])
def test_all_variables_under_each_kind_of_names(tmp_path, theirs):
    archive({name: ours for ours, name in theirs.items()}).to_netcdf(
        tmp_path / "a.nc", engine="h5netcdf"
    )
    dataset = open_cds(tmp_path)
    assert set(dataset.data_vars) == set(VARIABLES)
    for n, name in enumerate(VARIABLES):
        np.testing.assert_array_equal(dataset[name], n)


def test_names_of_other_variables_are_left():
    dataset = archive({"T": "t"}).assign(W=1.0, SSTK=2.0)
    assert set(renamed(dataset, "here").data_vars) == {"t", "W", "SSTK"}


def test_a_variable_under_two_names_is_refused():
    with pytest.raises(BuildError, match="here holds t more than once: as t and as T"):
        renamed(archive({"t": "t", "T": "t"}), "here")


def test_another_name_must_say_its_units(tmp_path):
    """A Z is a height in many archives."""
    dataset = archive({"Z": "z"})
    del dataset.Z.attrs["units"]
    with pytest.raises(BuildError, match="here: Z does not say its units.*'m2 s-2', call it z"):
        renamed(dataset, "here")
    archive({"Z": "z"}, units="m").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(BuildError, match="z is in 'm'; wanted 'm2 s-2'"):
        open_cds(tmp_path)
