"""Segments of archives that are slow, broken, interrupted, or have gaps."""

import os
import shutil
import signal
import subprocess
import sys
import time as clock
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.era5.ingestion import (
    FieldStream,
    Patience,
    Segments,
    absent,
    forget_gaps,
    ingest,
)
from dambench_hub.building.sources.states import MissingData
from dambench_hub.building.sources.zarr_stores import Unreachable
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.runtime.workers import in_process, open_workers

TIMES = np.datetime64("2020-02-25", "h") + 24 * np.arange(11)
QUICK = Patience(tries=3, pause=0.0, timeout=5, gaps=0.5)


def value(time):
    return np.full((2, 3), int(hours_since_epoch(time)) % 1000, "f4")


def steady(times):
    return ((time, value(time)) for time in times)


def stream(read=steady, **changes):
    return replace(FieldStream("states", TIMES, (2, 3), read, segment=4), **changes)


def failing(fails):
    """An archive whose reads fail where `fails(times, how many reads there were)` says so."""
    reads = []

    def read(times):
        reads.append(times)
        if error := fails(times, len(reads)):
            raise error
        return ((time, value(time)) for time in times)

    return read, reads


def test_every_time_comes_back(tmp_path):
    ingest(tmp_path, [stream()], in_process)
    segments = Segments(tmp_path, stream())
    for time in TIMES:
        np.testing.assert_array_equal(segments.read(time), value(time))
    assert segments.gaps() == {}
    assert [len(s) for s in stream().segments] == [4, 4, 3]


def test_what_is_there_is_not_read_again(tmp_path):
    read, reads = failing(lambda times, count: None)
    ingest(tmp_path, [stream(read)], in_process)
    (tmp_path / "states").joinpath(stream().path(tmp_path, 1).name).unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    del reads[:]
    ingest(tmp_path, [stream(read)], in_process)
    assert [list(times) for times in reads] == [list(stream().segments[1])]
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())


def test_a_source_that_fails_at_first_is_asked_again(tmp_path):
    read, reads = failing(lambda times, count: OSError("reset") if count < 3 else None)
    ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert Segments(tmp_path, stream()).gaps() == {}
    assert len(reads) == 2 + 3


def test_one_bad_time_does_not_take_its_neighbours(tmp_path):
    bad = TIMES[5]
    read, _ = failing(lambda times, count: OSError("bad block") if bad in times else None)
    ingest(tmp_path, [stream(read)], in_process, QUICK)
    segments = Segments(tmp_path, stream())
    assert list(segments.gaps()) == [int(hours_since_epoch(bad))]
    with pytest.raises(MissingData, match=r"could not be read in 2 tries \(bad block\)"):
        segments.read(bad)
    for time in np.delete(TIMES, 5):
        np.testing.assert_array_equal(segments.read(time), value(time))


def test_what_the_archive_does_not_have_is_noted_without_a_second_try(tmp_path):
    def read(times):
        return (
            (time, MissingData("t has 3 missing values") if time == TIMES[0] else value(time))
            for time in times
        )

    ingest(tmp_path, [stream(read)], in_process, QUICK)
    segments = Segments(tmp_path, stream())
    assert segments.gaps() == {int(hours_since_epoch(TIMES[0])): "t has 3 missing values"}
    np.testing.assert_array_equal(segments.read(TIMES[1]), value(TIMES[1]))


def test_segments_of_nothing_but_gaps(tmp_path):
    read, _ = failing(lambda times, count: OSError("gone"))
    ingest(tmp_path, [stream(read)], in_process, replace(QUICK, tries=1, gaps=1))
    assert len(Segments(tmp_path, stream()).gaps()) == len(TIMES)


def test_a_source_that_hangs_has_failed(tmp_path):
    read, _ = failing(lambda times, count: clock.sleep(60) if count < 3 else None)
    started = clock.monotonic()
    ingest(tmp_path, [stream(read)], in_process, replace(QUICK, timeout=0.1))
    assert clock.monotonic() - started < 5
    assert Segments(tmp_path, stream()).gaps() == {}


def test_a_source_that_gives_less_is_asked_again(tmp_path):
    asked = []

    def read(times):
        asked.append(times)
        given = times[:-1] if len(asked) < 2 else times
        return ((time, value(time)) for time in given)

    ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert Segments(tmp_path, stream()).gaps() == {}
    assert len(asked) == 3 + 1


def test_too_many_gaps_stop_the_build(tmp_path):
    read, reads = failing(lambda times, count: OSError("no route to host"))
    with pytest.raises(BuildError, match=r"More than 2 % of states .*no route.*--retry-gaps"):
        ingest(tmp_path, [stream(read)], in_process, replace(QUICK, gaps=0.02))
    assert len(absent(tmp_path, [stream()])) == 2


def test_gaps_can_be_tried_again(tmp_path):
    read, _ = failing(lambda times, count: OSError("down") if TIMES[9] in times else None)
    ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert forget_gaps(tmp_path) == 1
    assert [number for _, number in absent(tmp_path, [stream()])] == [2]
    ingest(tmp_path, [stream()], in_process)
    assert Segments(tmp_path, stream()).gaps() == {}


def test_a_wrong_unit_is_not_tried_again(tmp_path):
    read, reads = failing(lambda times, count: BuildError("t runs from -80 to 40"))
    with pytest.raises(BuildError, match="t runs from -80"):
        ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert len(reads) == 1
    assert not list(tmp_path.rglob("*"))


def test_a_store_that_cannot_be_reached_is_tried_again(tmp_path):
    read, reads = failing(lambda times, count: Unreachable("no network") if count < 3 else None)
    ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert Segments(tmp_path, stream()).gaps() == {}
    with pytest.raises(Unreachable):
        down, _ = failing(lambda times, count: Unreachable("no network"))
        ingest(tmp_path / "down", [stream(down)], in_process, QUICK)


def test_an_interruption_is_not_taken_for_a_failure(tmp_path):
    read, reads = failing(lambda times, count: KeyboardInterrupt() if count > 1 else None)
    with pytest.raises(KeyboardInterrupt):
        ingest(tmp_path, [stream(read)], in_process, QUICK)
    assert len(reads) == 2
    assert [number for _, number in absent(tmp_path, [stream()])] == [1, 2]


def test_a_field_of_another_shape_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"has shape \(2, 3\), wanted is \(2, 4\)"):
        ingest(tmp_path, [stream(shape=(2, 4))], in_process, QUICK)


def test_parts_share_the_work(tmp_path):
    for part in (2, 1, 3):
        ingest(tmp_path / "parts", [stream()], in_process, part=(part, 3))
    assert absent(tmp_path / "parts", [stream()]) == []
    ingest(tmp_path / "whole", [stream()], in_process)
    for number in range(3):
        one, other = (stream().path(tmp_path / name, number) for name in ("parts", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_disk_that_is_too_small_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    read, reads = failing(lambda times, count: None)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=200))
    with pytest.raises(DambenchError, match=r"0\.0 GB free"):
        ingest(tmp_path, [stream(read)], in_process)
    assert not reads


def test_a_damaged_segment_is_named(tmp_path):
    ingest(tmp_path, [stream()], in_process)
    path = stream().path(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BuildError, match=f"{path.name} cannot be read"):
        Segments(tmp_path, stream()).read(TIMES[0])


@pytest.mark.slow
def test_workers_bring_in_the_same(tmp_path):
    pytest.importorskip("distributed")
    with open_workers(2) as run:
        ingest(tmp_path / "two", [stream()], run)
    ingest(tmp_path / "one", [stream()], in_process)
    for number in range(3):
        one, two = (stream().path(tmp_path / name, number) for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


SLOW = """
import sys, time
import numpy as np
from pathlib import Path
from dambench_hub.building.era5.ingestion import FieldStream, ingest
from dambench_hub.runtime.workers import in_process
sys.path.insert(0, sys.argv[2])
from test_ingestion import TIMES, value

def read(times):
    for t in times:
        time.sleep(0.02)
        yield t, value(t)

ingest(Path(sys.argv[1]), [FieldStream("states", TIMES, (2, 3), read, segment=1)], in_process)
"""


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on(tmp_path):
    command = [sys.executable, "-c", SLOW, str(tmp_path), str(Path(__file__).parent)]
    finished = {}
    for kill in range(1, 4):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(tmp_path.rglob("*.safetensors"))) < 3 * kill and process.poll() is None:
            clock.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("[0-9]*.safetensors")}
        assert finished.items() <= now.items()
        finished = now
    assert 9 <= len(finished) <= len(TIMES)
    subprocess.run(command, check=True, capture_output=True)
    segments = Segments(tmp_path, FieldStream("states", TIMES, (2, 3), steady, segment=1))
    for time in TIMES:
        np.testing.assert_array_equal(segments.read(time), value(time))
