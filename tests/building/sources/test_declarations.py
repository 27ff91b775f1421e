"""What archives declare of units and levels is held against ours, in every container alike."""

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.cds.download import open_cds
from dambench_hub.building.sources.declarations import declared_hectopascals, require_variable
from dambench_hub.building.sources.weatherbench import open_weatherbench
from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES
from dambench_hub.errors import BuildError

TIMES = np.arange("2024-01-01", "2024-01-03", dtype="M8[D]").astype("M8[ns]")
GRID = {"latitude": np.linspace(90, -90, 5), "longitude": 45.0 * np.arange(8)}
LEVELS = [500, 850, 1000]
LIKE_ERA5 = {"z": "m**2 s**-2", "q": "kg kg**-1", "u": "m s**-1", "v": "m/s", "t": "K"}
LIKE_ERA5 |= {"u10": "m s**-1", "v10": "m s-1", "t2m": "kelvin", "msl": "Pa"}
WRONG = {
    "z": ["m", "gpm", "dam"],
    "q": ["g kg-1", "g/kg", "%"],
    "u": ["knots", "km/h"],
    "t": ["degC", "celsius"],
    "u10": ["kt"],
    "t2m": ["F"],
    "msl": ["hPa", "mbar"],
}


def fields(units, level_attributes=None, names=tuple(VARIABLES)):
    """A data set in our names with the declared units, None for none."""
    variables = {}
    for name in names:
        upper = VARIABLES[name].on_levels
        dims = ("time", *(["level"] if upper else []), "latitude", "longitude")
        shape = (2, *([len(LEVELS)] if upper else []), 5, 8)
        attributes = {"units": units[name]} if units.get(name) else {}
        variables[name] = (dims, np.full(shape, 1, "f4"), attributes)
    level = ("level", LEVELS, level_attributes or {})
    return xr.Dataset(variables, {"time": TIMES, "level": level, **GRID})


def as_zarr(dataset, folder):
    named = dataset.rename({name: ERA5_NAMES[name] for name in dataset.data_vars})
    named.to_zarr(folder / "a.zarr", zarr_format=2)
    return open_weatherbench(str(folder / "a.zarr"))


def as_netcdf(dataset, folder):
    dataset.to_netcdf(folder / "a.nc", engine="h5netcdf")
    return open_cds(folder / "a.nc")


CONTAINERS = pytest.mark.parametrize("opened", [as_zarr, as_netcdf])


@CONTAINERS
@pytest.mark.parametrize("units", [LIKE_ERA5, {}], ids=["declared", "not declared"])
def test_units_as_era5_spells_them_and_none_at_all_are_taken(tmp_path, opened, units):
    assert set(opened(fields(units), tmp_path).data_vars) == set(VARIABLES)


@CONTAINERS
@pytest.mark.parametrize("name", WRONG)
def test_another_unit_is_refused_in_every_container(tmp_path, opened, name):
    unit = WRONG[name][0]
    with pytest.raises(BuildError, match=f"{name} is in '{unit}'; wanted '.*'. Convert it"):
        opened(fields({name: unit}, names=[name]), tmp_path)


@pytest.mark.parametrize(("name", "unit"), [(n, u) for n, units in WRONG.items() for u in units])
def test_other_units_are_refused(name, unit):
    with pytest.raises(BuildError, match=f"here: {name} is in '{unit}'"):
        require_variable(fields({name: unit})[name], VARIABLES[name], "here")


@pytest.mark.parametrize("kind", ["hybrid", "heightAboveGround", "theta", "sigma"])
def test_another_type_of_level_is_refused_for_what_has_levels(kind):
    array = fields({})["t"]
    array.attrs["GRIB_typeOfLevel"] = kind
    with pytest.raises(BuildError, match=f"t has levels of the kind '{kind}'.*levels of pressure"):
        require_variable(array, VARIABLES["t"], "here")
    array.attrs["GRIB_typeOfLevel"] = "isobaricInhPa"
    require_variable(array, VARIABLES["t"], "here")
    surface = fields({})["t2m"]
    surface.attrs["GRIB_typeOfLevel"] = "heightAboveGround"
    require_variable(surface, VARIABLES["t2m"], "here")


OTHER_LEVELS = [
    {"long_name": "model_level_number", "units": "1"},
    {"standard_name": "model_level_number"},
    {"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate", "units": "hPa"},
    {"long_name": "hybrid level at midpoints (1000*(A+B))", "units": "level"},
    {"long_name": "sigma"},
    {"standard_name": "height", "units": "m"},
    {"long_name": "altitude above sea level"},
    {"standard_name": "air_potential_temperature", "units": "K"},
    {"GRIB_typeOfLevel": "hybrid"},
    {"formula_terms": "a: hyam b: hybm ps: sp"},
    {"units": "1"},
]
PRESSURE = [
    ({}, 1),
    ({"units": "hPa"}, 1),
    ({"units": "millibars", "long_name": "pressure_level"}, 1),
    ({"units": "mbar", "standard_name": "air_pressure"}, 1),
    ({"units": "Pa", "standard_name": "air_pressure", "long_name": "of the model"}, 100),
    ({"units": "pascal"}, 100),
    ({"long_name": "Isobaric surface", "units": "unknown"}, 100),
]


@CONTAINERS
@pytest.mark.parametrize("attributes", [OTHER_LEVELS[0], OTHER_LEVELS[2]])
def test_levels_that_are_not_of_pressure_are_refused_in_every_container(
    tmp_path, opened, attributes
):
    with pytest.raises(BuildError, match="levels are '.*'; wanted are levels of pressure"):
        opened(fields({}, attributes, names=["t"]), tmp_path)


@pytest.mark.parametrize("attributes", OTHER_LEVELS, ids=str)
def test_levels_that_are_not_of_pressure_are_refused(attributes):
    with pytest.raises(BuildError, match="here: levels .* wanted are levels of pressure"):
        harmonized(fields({}, attributes), "here")


@pytest.mark.parametrize(("attributes", "factor"), PRESSURE, ids=str)
def test_levels_of_pressure_become_hectopascals(attributes, factor):
    level = xr.DataArray(factor * np.array(LEVELS), dims="level", attrs=attributes)
    np.testing.assert_array_equal(declared_hectopascals(level, "here"), LEVELS)


def test_numbers_of_levels_are_known_by_their_count_where_nothing_is_declared():
    counted = xr.DataArray(np.arange(137) + 1, dims="level")
    with pytest.raises(BuildError, match="levels count from 1 to 137"):
        declared_hectopascals(counted, "here")
    of_the_mesosphere = xr.DataArray([1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100], dims="level")
    declared_hectopascals(of_the_mesosphere, "here")


def test_a_single_level_in_pascal_becomes_hectopascals_too():
    dataset = fields({}).isel(level=0).drop_vars("level")
    dataset = dataset.assign_coords(plev=((), 50000.0, {"units": "Pa"}))
    assert harmonized(dataset, "here").level.item() == 500
