"""Fields in many files: however they are divided, joined they are the same, and read lazily."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dambench_hub.building.sources.cds.parts import (
    FINAL,
    NO_LEVEL,
    PRELIMINARY,
    UNSAID,
    Part,
    joined,
)
from dambench_hub.errors import BuildError

TIMES = np.datetime64("2020-01-30T00", "s") + np.arange(7) * np.timedelta64(6, "h")
LEVELS = np.array([50, 500, 850, 1000])
GRID = (np.linspace(90, -90, 5), np.arange(8) * 45.0)
TRUTH = {
    "z": np.random.default_rng(1).normal(size=(7, 4, 5, 8)).astype("f4"),
    "t2m": np.random.default_rng(2).normal(size=(7, 1, 5, 8)).astype("f4"),
}
OPENED = {}


def datasets(file):
    """In place of opening files: what `part` has put there."""
    return (OPENED[file],)


def part(file, name, rows, columns=(0, 1, 2, 3), version=FINAL, order=None, offset=0.0):
    """Some times and levels of the truth in a made-up file, whose dimensions have any order."""
    rows = np.asarray(rows)
    columns = np.asarray(columns if name == "z" else [0])
    values = TRUTH[name][np.ix_(rows, columns)] + np.float32(offset)
    dims = ("time", "level", "latitude", "longitude")
    variable = xr.Variable(dims, values)
    variable = variable.isel(level=0) if name == "t2m" else variable
    variable = variable.transpose(*(d for d in order or dims if d in variable.dims))
    OPENED[Path(file)] = xr.Dataset({name: variable})
    levels = LEVELS[columns] if name == "z" else NO_LEVEL
    versions = np.broadcast_to(np.int8(version), len(rows))
    return Part(
        Path(file),
        datasets,
        0,
        name,
        TIMES[rows],
        np.arange(len(rows)),
        versions,
        levels,
        {},
        GRID,
    )


@st.composite
def divisions(draw):
    """Every field of z in one of three files or in none; each file a product of times, levels."""
    orders = st.permutations(["time", "level", "latitude", "longitude"])
    cuts = sorted(draw(st.lists(st.integers(0, 7), min_size=2, max_size=2)))
    parts, known = [], np.zeros((7, 4), bool)
    for n, (start, stop) in enumerate(zip([0, *cuts], [*cuts, 7], strict=True)):
        for m, columns in enumerate(draw(st.sampled_from([[[0, 1, 2, 3]], [[0, 2], [1, 3]]]))):
            if start < stop and draw(st.integers(0, 3)):  # now and then a file is missing
                rows = range(start, stop)
                parts.append(part(f"{n}{m}.nc", "z", rows, columns, order=draw(orders)))
                known[np.ix_(rows, columns)] = True
    parts.append(part("t2m.nc", "t2m", range(7), order=draw(orders)))
    return draw(st.permutations(parts)), known


def key_of(size):
    """An integer, a slice, a list or nothing."""
    return st.one_of(
        st.integers(-size, size - 1),
        st.builds(slice, st.integers(0, size), st.none(), st.sampled_from([None, 2])),
        st.just(slice(None, None, -1)),
        st.lists(st.integers(0, size - 1), max_size=4).map(lambda x: np.array(x, int)),
    )


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(draw=st.data())
def test_any_division_and_any_indexing_give_the_truth(draw):
    parts, known = draw.draw(divisions())
    found = joined(parts)
    levels = sorted({level for p in parts if p.name == "z" for level in p.levels})
    np.testing.assert_array_equal(found.time.values, TIMES)
    wanted = np.where(known[..., None, None], TRUTH["z"], np.nan)
    truth = {"t2m": xr.DataArray(TRUTH["t2m"][:, 0], dims=("time", "latitude", "longitude"))}
    if levels:
        wanted = wanted[:, np.isin(LEVELS, levels)]
        truth["z"] = xr.DataArray(wanted, dims=("time", "level", "latitude", "longitude"))
    for name, expected in truth.items():
        axes = draw.draw(st.sets(st.sampled_from(expected.dims)))
        key = {dim: draw.draw(key_of(expected.sizes[dim])) for dim in axes}
        values = found[name].isel(key).values
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected.isel(key).values)


@pytest.mark.parametrize("swap", [False, True])
def test_final_replaces_preliminary_field_by_field(swap):
    """In either order of files, and where the final file has only some levels and times."""
    parts = [
        part("early.nc", "z", range(7), version=PRELIMINARY, offset=10),
        part("late.nc", "z", [2, 3], [1, 2], version=FINAL),
    ]
    found = joined(parts[::-1] if swap else parts)
    wanted = TRUTH["z"] + np.float32(10)
    wanted[2:4, 1:3] = TRUTH["z"][2:4, 1:3]
    np.testing.assert_array_equal(found.z.values, wanted)
    assert set(found.expver.values) == {"0005"}  # two levels of each time are preliminary still


def test_expver_is_the_least_final_of_all_fields():
    found = joined(
        [
            part("a.nc", "z", [0, 1], version=FINAL),
            part("b.nc", "z", [2, 3], version=PRELIMINARY),
            part("c.nc", "z", [4], version=UNSAID),
            part("d.nc", "t2m", [0, 2], version=FINAL),
            part("e.nc", "t2m", [1], version=PRELIMINARY),
        ]
    )
    assert found.expver.values.tolist() == ["0001", "0005", "0005", "0005", ""]


@pytest.mark.parametrize(
    "versions",
    [(FINAL, FINAL), (PRELIMINARY, PRELIMINARY), (UNSAID, FINAL), (PRELIMINARY, UNSAID)],
)
def test_two_values_for_one_field_are_refused(versions):
    parts = [
        part("one.nc", "z", [0, 1, 2], [0, 1], version=versions[0]),
        part("two.nc", "z", [2, 3], [1, 2], version=versions[1]),
    ]
    with pytest.raises(
        BuildError, match=r"one.nc and two.nc both hold z at 500 hPa of 2020-01-30T12"
    ):
        joined(parts)


def test_another_grid_is_refused():
    other = part("other.nc", "t2m", [0])
    object.__setattr__(other, "grid", (GRID[0], GRID[1] - 180))
    with pytest.raises(BuildError, match=r"other.nc has 5x8 .* -180 to 135 east, z.nc has 5x8"):
        joined([part("z.nc", "z", [0]), other])
    object.__setattr__(other, "grid", (np.linspace(90, -90, 9), GRID[1]))
    with pytest.raises(BuildError, match="other.nc has 9x8"):
        joined([part("z.nc", "z", [0]), other])


def test_only_the_files_that_own_what_is_asked_for_are_opened(monkeypatch):
    parts = [part(f"{n}.nc", "z", [n]) for n in range(7)]
    found = joined(parts)
    opened = []
    for p in parts:
        object.__setattr__(p, "datasets", lambda file: opened.append(file.name) or datasets(file))
    values = found.z.sel(time=TIMES[[2, 5]]).sel(level=500).values
    np.testing.assert_array_equal(values, TRUTH["z"][[2, 5], 1])
    assert sorted(opened) == ["2.nc", "5.nc"]


def test_times_of_one_chunk_are_advised_to_be_read_together():
    p = part("chunked.nc", "z", range(7), order=("level", "time", "latitude", "longitude"))
    OPENED[p.file].z.encoding["chunksizes"] = (2, 3, 5, 8)
    assert joined([p]).z.encoding["preferred_chunks"] == {"time": 3}
    assert joined([part("plain.nc", "z", [0])]).z.encoding["preferred_chunks"] == {"time": 1}


def test_it_can_be_sent_to_another_process():
    found = joined([part("z.nc", "z", range(7)), part("t.nc", "t2m", range(7))])
    payload = pickle.dumps(found)
    assert len(payload) < 20_000  # the values are not in it
