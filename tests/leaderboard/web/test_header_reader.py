"""Headers are read by few at once, nobody waits long, and none is read twice."""

from contextlib import contextmanager
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from dambench_hub.errors import PredictionError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.web import header_reader
from dambench_hub.leaderboard.web.header_reader import AT_ONCE, Busy, HeaderReader

PEOPLE = [Person(f"hf:{number}", f"p{number}") for number in range(AT_ONCE + 1)]
PATIENCE = 30.0


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that were opened, each open until its event is set."""
    opened = {}

    @contextmanager
    def open_slowly(path, limits):
        if path == "damaged":
            raise PredictionError("It is damaged.")
        started, done = opened[path]
        started.set()
        assert done.wait(PATIENCE)
        yield SimpleNamespace(header=object())

    monkeypatch.setattr(header_reader, "open_sandboxed", open_slowly)
    monkeypatch.setattr(header_reader, "WAIT_SECONDS", 0.05)
    return opened


@pytest.fixture
def begin(opened):
    """`begin(reader, person, path)` is a thread that is reading now."""
    threads = []

    def begin(reader, person, path):
        opened[path] = (Event(), Event())
        threads.append(Thread(target=reader.read, args=(person, path), daemon=True))
        threads[-1].start()
        assert opened[path][0].wait(PATIENCE)
        return threads[-1]

    yield begin
    for _, done in opened.values():
        done.set()
    for thread in threads:
        thread.join(PATIENCE)


def test_who_finds_no_place_does_not_wait_for_one(opened, begin):
    reader = HeaderReader()
    readings = [begin(reader, person, person.name) for person in PEOPLE[:AT_ONCE]]
    with pytest.raises(Busy, match="of others"):
        reader.read(PEOPLE[-1], "third")
    opened[PEOPLE[0].name][1].set()
    readings[0].join(PATIENCE)
    begin(reader, PEOPLE[-1], "third")


def test_one_person_takes_one_place(opened, begin):
    reader = HeaderReader()
    begin(reader, PEOPLE[0], "first")
    with pytest.raises(Busy, match="of yours"):
        reader.read(PEOPLE[0], "second")
    begin(reader, PEOPLE[1], "another's")


def test_a_header_is_read_once(opened):
    reader, done = HeaderReader(), Event()
    done.set()
    opened |= {"good": (Event(), done), "other": (Event(), done)}
    first = reader.read(PEOPLE[0], "good")
    assert reader.read(PEOPLE[0], "good") is first
    assert reader.read(PEOPLE[0], "other") is not first


def test_a_file_that_cannot_be_read_leaves_its_place(opened):
    reader = HeaderReader()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(PredictionError):
            reader.read(PEOPLE[0], "damaged")
