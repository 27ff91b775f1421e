"""Units are compared by what they mean, not by how they are spelt."""

import pytest

from dambench_hub.coordinates.units import same_units
from dambench_hub.coordinates.variables import MODALITIES, VARIABLES

SPELLINGS = {
    "m s-1": ["m/s", "m s**-1", "m s^-1", "m·s⁻¹", "m.s-1", "M S-1", "meters per second"]
    + ["metre second-1", "m*s-1", "m * s**-1", "m sec-1", " m s-1 ", "m s^{-1}"],
    "m2 s-2": ["m**2 s**-2", "m^2/s^2", "m2/s2", "m² s⁻²", "J kg-1", "J/kg", "m+2 s-2"],
    "kg kg-1": [
        "kg/kg",
        "kg kg**-1",
        "1",
        "kg kg^-1",
        "dimensionless",
        "g/g",
        "kg per kg",
        "1.0",
        "(kg kg-1)",
    ],
    "K": ["kelvin", "degK", "deg_K", "degrees_kelvin", "degree Kelvin", "°K", "k"],
    "Pa": ["pascal", "Pascals", "J m-3", "kg m-1 s-2", "N m-2", "N/m2"],
    "hPa": ["mbar", "mb", "millibars", "millibar", "hectopascal"],
    "W m-2": ["W/m2", "W m**-2", "watts m-2", "watts/m^2", "Watt m-2", "W/m**2"],
    "mm day-1": ["mm/day", "mm d-1", "mm/d", "millimeters per day"],
}
OTHERS = {
    "m s-1": ["knots", "kt", "km/h", "m", "s-1", "m s", "cm s-1", "m s-2", "10 m s-1", "m/s/s"],
    "m2 s-2": ["m", "gpm", "dam", "m2 s-1", "m2/s", "10 m2 s-2"],
    "kg kg-1": ["g kg-1", "g/kg", "%", "kg", "kg m-3", "mg kg-1", "(0 - 1)", "1e-3"],
    "K": ["degC", "celsius", "°C", "F", "degrees_C", "K s-1", "mK", "K - 273.15"],
    "Pa": ["hPa", "mbar", "kPa", "Pa s-1", "100 Pa", "N m-1", "kg/(m s2)"],
    "W m-2": ["J m-2", "W", "kW m-2", "W m-2 sr-1"],
    "mm day-1": ["mm", "mm/h", "m/day", "inches/day", "kg m-2 s-1"],
}


@pytest.mark.parametrize("wanted", SPELLINGS)
def test_spellings_mean_the_same(wanted):
    assert [other for other in SPELLINGS[wanted] if not same_units(other, wanted)] == []


@pytest.mark.parametrize("wanted", OTHERS)
def test_other_units_and_what_is_no_unit_are_others(wanted):
    strange = ["", " ", "unknown", "?", "-", "/", "m s-1 m", "5"]
    assert [other for other in OTHERS[wanted] + strange if same_units(other, wanted)] == []


def test_our_units_are_understood():
    for variable in [*VARIABLES.values(), *MODALITIES.values()]:
        assert same_units(variable.units, variable.units)
