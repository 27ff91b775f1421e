"""Days of many files as one series: where each comes from, which are absent, what one day gives."""

import datetime
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.sources.daily.files import Layout
from dambench_hub.building.sources.daily.series import join_days, read_day, require_days
from dambench_hub.building.sources.states import MissingData
from dambench_hub.errors import BuildError

LAYOUT = Layout("olr_cdr", "made-up OLR", "olr", 30.0, True, ("W m-2",), (60, 400), "Mend it.")
SHAPE = (6, 12)
SENTENCES = {"title": "Made-up OLR", "coverage": "Others cover other years."}


@dataclass
class Stand:
    """A file whose field of a day is that day's number and its own value; it counts its reads."""

    name: str
    first: str
    count: int
    value: float = 0.0
    preliminary: bool = False
    layout: Layout = LAYOUT
    reads: list = field(default_factory=list)

    @property
    def path(self):
        return Path(self.name)

    @property
    def days(self):
        return np.datetime64(self.first) + np.arange(self.count)

    def read(self, row):
        self.reads.append(row)
        return day_field(self.days[row], self.value)


def day_field(day, value=0.0):
    number = (day - np.datetime64("2000-01-01")).astype(int)
    cells = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    return (number + value + 1000 * cells).astype("f4")


def join(*files, left_out=()):
    return join_days("olr", files, dict(left_out), SENTENCES)


def same(field):
    return field


def test_days_of_all_files_ascend_whatever_the_order_of_files():
    files = [Stand("b", "2003-12-30", 2), Stand("c", "2004-02-28", 3), Stand("a", "2004-01-01", 58)]
    series = join(*files)
    days = np.arange("2003-12-30", "2004-03-02", dtype="datetime64[D]")
    assert series.dims == ("time", "latitude", "longitude")
    np.testing.assert_array_equal(series.time, days.astype("datetime64[ns]"))
    np.testing.assert_array_equal(series, [day_field(day) for day in days])
    np.testing.assert_array_equal(series.latitude, [75, 45, 15, -15, -45, -75])
    np.testing.assert_array_equal(series.longitude, 15 + 30 * np.arange(12))
    assert series.dtype == np.float32


def test_attributes():
    series = join(Stand("a", "2004-01-01", 2), left_out={"x.nc": "is another product"})
    assert series.attrs == {
        **SENTENCES,
        "units": "W m-2",
        "product": "olr_cdr",
        "holes": "",
        "left_out": "x.nc is another product",
    }


def test_a_day_is_read_when_it_is_used_and_from_its_file_only():
    first, second = Stand("a", "2004-01-01", 366), Stand("b", "2005-01-01", 365)
    series = join(first, second)
    series = series.sel(time=slice("2004-06-01", "2005-06-01"))
    assert not first.reads and not second.reads
    np.testing.assert_array_equal(
        series.sel(time="2005-02-28"), day_field(np.datetime64("2005-02-28"))
    )
    assert (first.reads, second.reads) == ([], [58])


@pytest.mark.parametrize(
    "key",
    [
        (3,),
        (-1, 2, 5),
        (slice(2, 5), slice(None, None, -1)),
        ([4, 0, 4], slice(None), [1, 3]),
        (slice(3, 3), slice(1, 4), [2, 2]),
        (slice(None), 0, slice(None, None, 5)),
        (2, [5, 1], 7),
    ],
    ids=str,
)
def test_any_selection_equals_that_of_the_whole(key):
    series = join(Stand("a", "2004-01-01", 4), Stand("b", "2004-01-05", 4))
    whole = series.copy(data=series.values)
    np.testing.assert_array_equal(series[key].values, whole[key].values)
    assert series[key].values.shape == whole[key].shape


def test_a_preliminary_file_gives_only_days_that_no_final_one_has():
    final = Stand("final", "2004-01-01", 5, value=0.25)
    preliminary = Stand("preliminary", "2004-01-03", 6, value=0.5, preliminary=True)
    for files in ([final, preliminary], [preliminary, final]):
        values = join(*files)[:, 0, 0].values
        assert (values % 1).tolist() == 5 * [0.25] + 3 * [0.5]


@pytest.mark.parametrize("preliminary", [False, True])
def test_two_files_of_one_kind_with_the_same_day_are_refused(preliminary):
    files = [
        Stand("old.nc", "2018-01-01", 365, preliminary=preliminary),
        Stand("new.nc", "2018-12-31", 3, preliminary=preliminary),
    ]
    with pytest.raises(BuildError, match="old.nc and new.nc both have 2018-12-31"):
        join(*files)


def test_holes_are_listed():
    files = [
        Stand("a", "1978-03-10", 7),
        Stand("b", "1979-01-01", 59),
        Stand("c", "1979-03-02", 1),
    ]
    assert join(*files).attrs["holes"] == "1978-03-17 to 1978-12-31, 1979-03-01"


def test_read_day_regrids_one_day():
    stand = Stand("a", "2004-02-28", 3)
    coarse = read_day(join(stand), np.datetime64("2004-02-29"), lambda f: f[::2, ::3].astype("f8"))
    np.testing.assert_array_equal(coarse, day_field(np.datetime64("2004-02-29"))[::2, ::3])
    assert coarse.dtype == np.float32
    assert stand.reads == [1]


def test_read_day_takes_any_unit_of_time_and_any_order_of_dimensions():
    series = join(Stand("a", "2004-02-28", 3)).load().transpose("longitude", "time", "latitude")
    day = np.datetime64("2004-02-29")
    for unit in ("D", "h", "ns"):
        got = read_day(series, day.astype(f"datetime64[{unit}]"), same)
        np.testing.assert_array_equal(got, day_field(day))


def test_an_absent_day_is_missing_data_and_never_another_day():
    series = join(Stand("a", "2004-01-01", 5), Stand("b", "2004-01-07", 5))
    for day in ("2003-12-31", "2004-01-06", "2004-01-12"):
        missing = read_day(series, np.datetime64(day), same)
        assert isinstance(missing, MissingData)
        assert str(missing) == f"olr: the files have no day {day}"


def test_a_day_without_values_is_missing_data():
    series = join(Stand("a", "2004-01-01", 3)).load()
    series[1] = np.nan
    series[2, 1:] = np.nan
    missing = read_day(series, np.datetime64("2004-01-02"), same)
    assert isinstance(missing, MissingData)
    assert str(missing) == "olr: nothing was measured on 2004-01-02"
    few = read_day(series, np.datetime64("2004-01-03"), lambda field: field[1:])
    assert isinstance(few, MissingData)
    assert "too little was measured on 2004-01-03" in str(few)
    some = read_day(series, np.datetime64("2004-01-03"), same)
    assert np.isnan(some[1:]).all() and np.isfinite(some[0]).all()


def test_days_outside_are_refused_before_anything_is_read():
    stand = Stand("a", "2004-01-01", 31)
    require_days(join(stand), np.array(["2004-01-01", "2004-01-31"], "datetime64[D]"))
    with pytest.raises(BuildError, match="Made-up OLR covers 2004-01-01.*Others cover other years"):
        require_days(join(stand), np.array(["2004-01-31", "2004-02-01"], "datetime64[D]"))
    assert not stand.reads


def test_a_series_goes_to_another_process_unread():
    stand = Stand("a", "2004-01-01", 366)
    copy = pickle.loads(pickle.dumps(join(stand)))
    assert not stand.reads
    day = np.datetime64(datetime.date(2004, 2, 29))
    np.testing.assert_array_equal(read_day(copy, day, same), day_field(day))
    assert not stand.reads
