"""Every sign by which an archive says that it holds no analyses, and what looks like one only."""

import re

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.sources.analyses import require_analyses, why_none
from dambench_hub.errors import BuildError

TIMES = np.datetime64("2024-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
ERA5 = {"dataType": "an", "stream": "oper", "stepType": "instant", "stepRange": "0", "number": 0}


def archive(attributes=None, name="t2m", **coordinates):
    """One variable at three times, with attributes and further coordinates (dimensions, values)."""
    dims = dict.fromkeys(("time", "latitude", "longitude"), 3)
    for along, values in (c[:2] for c in coordinates.values()):
        for dim, size in zip(along, np.shape(values), strict=True):
            dims.setdefault(dim, size)
    values = (list(dims), np.zeros(list(dims.values()), "f4"), attributes or {})
    return xr.Dataset({name: values}, {"time": TIMES, **coordinates})


def timedelta(hours):
    return np.asarray(hours) * np.timedelta64(3_600_000_000_000, "ns")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"dataType": "fc"}, r"forecasts \(dataType is fc"),
        ({"dataType": "cf"}, "control forecasts"),
        ({"dataType": "pf"}, "perturbed forecasts"),
        ({"dataType": "em"}, "ensemble means"),
        ({"dataType": "es"}, "ensemble spreads"),
        ({"dataType": "hcmean"}, r"no analyses \(dataType is hcmean"),
        ({"derivedForecast": 0}, r"statistics of an ensemble \(derivedForecast is 0"),
        ({"stream": "moda"}, "monthly means"),
        ({"stream": "mnth"}, "monthly means"),
        ({"stream": "enfo"}, r"no analyses \(stream is enfo"),
        ({"stepType": "avgua"}, "statistics over time"),
        ({"stepType": "accum"}, "sums over time"),
        ({"stepType": "max"}, "maxima over time"),
        ({"stepRange": "0-6"}, "forecasts"),
        ({"stepRange": "30m"}, "forecasts"),
        ({"step": 24}, r"forecasts \(step is 24"),
        ({"endStep": 6.0}, "forecasts"),
        ({"number": 3}, r"a perturbed member \(number is 3"),
        ({"number": [3]}, "a perturbed member"),
    ],
)
def test_keys_of_grib_in_messages_and_attributes(changed, what):
    assert re.match(what, why_none(ERA5 | changed))
    attributes = {f"GRIB_{key}": value for key, value in (ERA5 | changed).items()}
    with pytest.raises(BuildError, match=rf"^here: t2m holds {what}.*product type reanalysis"):
        require_analyses(archive(attributes), "here")


@pytest.mark.parametrize(
    "keys",
    [
        {},
        ERA5,
        ERA5 | {"stream": "enda"},  # member 0 of the ensemble of data assimilations
        {"dataType": "af", "stepRange": "0", "number": None},  # GRIB 2 as other tools write it
        {"dataType": "unknown", "stream": "undef", "stepType": "instant", "stepRange": "0m"},
    ],
)
def test_analyses_and_what_says_nothing_are_taken(keys):
    assert why_none(keys) is None
    require_analyses(archive({f"GRIB_{key}": value for key, value in keys.items()}), "here")


@pytest.mark.parametrize(
    ("methods", "what"),
    [
        ("time: mean", "a mean over time"),
        ("area: mean time: maximum", "a maximum over time"),
        ("valid_time: sum (interval: 1 hour)", "a sum over time"),
        ("time: minimum within days time: mean over days", "a minimum over time"),
        ("time: point realization: standard_deviation", "a standard_deviation over an ensemble"),
        ("forecast_reference_time: mean", "a mean over time"),
    ],
)
def test_cell_methods(methods, what):
    with pytest.raises(BuildError, match=f"t2m holds {what} .*cell_methods"):
        require_analyses(archive({"cell_methods": methods}), "here")


@pytest.mark.parametrize(
    "methods",
    ["time: point", "area: mean", "latitude: longitude: mean (comment: time: mean is meant)", ""],
)
def test_cell_methods_of_a_moment_are_taken(methods):
    require_analyses(archive({"cell_methods": methods}), "here")


@pytest.mark.parametrize(
    ("name", "coordinate"),
    [
        ("step", ((), timedelta(24))),
        ("step", (("time",), timedelta([0, 6, 12]))),
        ("step", (("step",), timedelta([0, 6]))),
        ("prediction_timedelta", (("prediction_timedelta",), timedelta([6, 12]))),
        ("forecast_period", ((), 6, {"units": "hours"})),
        ("fhr", ((), 6, {"standard_name": "forecast_period"})),
        ("forecast_reference_time", ((), TIMES[0])),
        ("forecast_reference_time", (("time",), TIMES - timedelta(6))),
        ("valid_time", (("time",), TIMES + timedelta(6))),
        ("start", ((), TIMES[0], {"standard_name": "forecast_reference_time"})),
    ],
)
def test_coordinates_of_forecasts(name, coordinate):
    with pytest.raises(BuildError, match="t2m holds forecasts"):
        require_analyses(archive(**{name: coordinate}), "here")


@pytest.mark.parametrize("name", ["number", "realization", "member"])
def test_coordinates_of_ensembles(name):
    with pytest.raises(BuildError, match=rf"a perturbed member \({name} is 4\)"):
        require_analyses(archive(**{name: ((), 4)}), "here")
    with pytest.raises(BuildError, match=f"2 members of an ensemble along {name}"):
        require_analyses(archive(**{name: ((name,), [0, 1])}), "here")
    without = archive(**{name: ((name,), [0, 1])}).drop_vars(name)
    with pytest.raises(BuildError, match=f"2 members of an ensemble along {name}"):
        require_analyses(without, "here")


def test_a_climatology():
    dataset = archive()
    dataset.time.attrs["climatology"] = "climatology_bounds"
    with pytest.raises(BuildError, match="a climatology"):
        require_analyses(dataset, "here")


@pytest.mark.parametrize(
    ("name", "coordinate"),
    [
        ("step", ((), timedelta(0))),
        ("step", (("step",), timedelta([0]))),
        ("forecast_period", ((), 0, {"units": "hours"})),
        ("forecast_reference_time", (("time",), TIMES)),
        ("valid_time", (("time",), TIMES)),
        ("number", ((), 0)),
        ("number", (("number",), [0])),
        ("realization", ((), "r1i1p1f1")),
        ("utc_date", (("time",), [2024010100, 2024010106, 2024010112])),
    ],
)
def test_coordinates_of_analyses(name, coordinate):
    require_analyses(archive(**{name: coordinate}), "here")


def test_the_time_of_cfgrib_is_called_a_start_and_is_none():
    """Alone, it is the valid time, whatever its standard name says."""
    dataset = archive()
    dataset.time.attrs["standard_name"] = "forecast_reference_time"
    require_analyses(dataset, "here")


CDS_DAILY = (
    "2025-03-01T10:00 GRIB to CDM+CF via cfgrib-0.9.14.2/ecCodes-2.36.0\n"
    "earthkit.transforms.aggregate.temporal.daily_reduce(2m_temperature_stream-oper, how=mean)"
)


@pytest.mark.parametrize(
    ("history", "operator"),
    [
        ("Sat Mar 01 2025: cdo daymean in.nc out.nc", "daymean"),
        ("Sat Mar 01 2025: cdo -O -f nc4 -monmean -selname,t in.nc out.nc", "monmean"),
        ("cdo timselmean,4 in.nc out.nc", "timselmean"),
        ("cdo ensstd1 0.nc 1.nc out.nc", "ensstd1"),
        ("ncra 01.nc 02.nc mean.nc", "ncra"),
        (CDS_DAILY, "daily_reduce"),
    ],
)
def test_the_history_of_means(history, operator):
    """The daily statistics of the Climate Data Store keep dataType an and stepType instant."""
    dataset = archive({"GRIB_dataType": "an", "GRIB_stepType": "instant"}).assign_attrs(
        history=history
    )
    with pytest.raises(
        BuildError, match=f"t2m holds a statistic, by its history: .*{operator}.*ncatted"
    ):
        require_analyses(dataset, "here")
    require_analyses(dataset.rename(t2m="tp"), "here")


@pytest.mark.parametrize(
    "history",
    [
        "Sat Mar 01 2025: cdo -f nc4 -remapbil,r240x120 -selname,t2m in.nc out.nc",
        "cdo mergetime /data/daymean/a.nc /data/not-monmean.nc out.nc",
        "ncrcat 01.nc 02.nc all.nc; ncks -v t2m all.nc one.nc",
        'GRIB to CDM+CF via cfgrib-0.9.14.2/ecCodes-2.36.0 with {"source": "daily_all.grib"}',
    ],
)
def test_the_history_of_analyses(history):
    require_analyses(archive().assign_attrs(history=history), "here")


def test_other_variables_may_be_what_they_like():
    require_analyses(archive({"GRIB_dataType": "fc", "GRIB_stepType": "accum"}, "tp"), "here")
