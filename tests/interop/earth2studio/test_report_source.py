"""The source gives what may be assimilated, and nothing else, in the shape that is asked for."""

import asyncio
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from earth2studio_protocols import DataFrameSource, names_and_defaults

from dambench_hub.errors import DataError
from dambench_hub.interop.earth2studio.frames import SCHEMA, to_frame
from dambench_hub.interop.earth2studio.report_source import ReportSource


@pytest.fixture
def source(stations):
    return ReportSource(stations, "test")


def test_it_is_a_data_frame_source(source):
    assert isinstance(source, DataFrameSource)
    for name in "__call__", "fetch":
        wanted = names_and_defaults(getattr(DataFrameSource, name))
        assert names_and_defaults(getattr(ReportSource, name)) == wanted


def test_it_is_one_for_the_package_itself(source):
    base = pytest.importorskip("earth2studio.data.base")
    assert isinstance(source, base.DataFrameSource)


def test_a_time_has_the_good_rows_of_its_window(source, stations):
    for number, time in enumerate(stations.times("test")):
        wanted = to_frame(stations.reports("test", number))
        pd.testing.assert_frame_equal(source(time, "t2m"), wanted)
        withheld = set(stations.reports("test", number, withheld=True).labels("station"))
        assert withheld and not withheld & set(wanted["station"])


def test_several_times_and_all_the_ways_to_write_them(source, stations):
    times = stations.times("test")[:2]
    parts = [source(time, ["t2m"]) for time in times]
    wanted = pd.concat(parts, ignore_index=True)
    as_datetimes = [datetime.fromisoformat(str(time) + ":00") for time in times]
    for asked in times, times.astype("datetime64[ns]"), as_datetimes, times[[1, 0, 1]]:
        pd.testing.assert_frame_equal(source(asked, np.array(["t2m"])), wanted)
    pd.testing.assert_frame_equal(source(as_datetimes[0], "t2m"), parts[0])
    pd.testing.assert_frame_equal(asyncio.run(source.fetch(times, "t2m")), wanted)


def test_a_variable_that_nobody_measured_has_no_rows(source, stations):
    frame = source(stations.times("test")[0], ["u10m", "msl"])
    assert len(frame) == 0 and list(frame.columns) == SCHEMA.names


def test_fields_are_chosen_and_typed(source, stations):
    time = stations.times("test")[0]
    whole = source(time, "t2m")
    assert list(source(time, "t2m", "lat").columns) == ["lat"]
    names = ["observation", "lat"]
    pd.testing.assert_frame_equal(source(time, "t2m", np.array(names)), whole[names])
    single = source(time, "t2m", pa.schema([("lat", pa.float32()), ("time", pa.timestamp("ns"))]))
    assert single["lat"].dtype == np.float32
    np.testing.assert_array_equal(single["lat"], whole["lat"].astype("f4"))
    assert single.attrs == whole.attrs
    assert whole.attrs["source"] == f"tiny, revision {stations.revision}"


def test_what_is_not_there_is_named(source, stations, tiny_data):
    time = stations.times("test")[0]
    with pytest.raises(DataError, match="no analysis at 2024-02-27T01.*it has 5, from 2024-02-27"):
        source(time + np.timedelta64(1, "h"), "t2m")
    with pytest.raises(DataError, match="Unknown variable 't2n'. Did you mean 't2m'"):
        source(time, "t2n")
    with pytest.raises(DataError, match="Unknown field 'latt'. Did you mean 'lat'"):
        source(time, "t2m", ["latt"])
    with pytest.raises(DataError, match="tiny has no tables of observations"):
        ReportSource(tiny_data)(time, "t2m")
