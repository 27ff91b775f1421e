"""Copies of a store: whole or refused, and as good as the store they were made from."""

import os
import threading
from datetime import datetime, timedelta

import pytest

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.backup import NAME, _superseded, back_up, keep_backup, restore
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.runtime.files import sha256


@pytest.fixture
def store(tmp_path, make_result):
    store = Store(f"sqlite:///{tmp_path}/board.db", create=True)
    store.add(make_result(0.5), "first")
    return store


def shown(store):
    return [entry.to_dict() for entry in store.ranking("unimodal").entries]


def test_a_copy_is_as_good_as_the_store(store, tmp_path):
    digest = back_up(store, tmp_path / "copy.db")
    assert (tmp_path / "copy.db.sha256").read_text() == f"{digest}  copy.db\n"
    url = f"sqlite:///{tmp_path}/new/board.db"
    assert restore(tmp_path / "copy.db", url) == tmp_path / "copy.db"
    assert shown(Store(url)) == shown(store)


def test_a_copy_is_made_while_others_write(store, tmp_path, make_result):
    """Each copy holds what was confirmed before it was begun, and whole rows only."""
    enough = threading.Event()

    def write():
        number = 0
        while not enough.is_set():
            number += 1
            store.add(make_result(0.4, f"{number}"), f"name {number}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = len(shown(store))
            back_up(store, tmp_path / f"{number}.db")
            url = f"sqlite:///{tmp_path}/restored-{number}.db"
            restore(tmp_path / f"{number}.db", url)
            assert before <= len(shown(Store(url))) <= len(shown(store))
    finally:
        enough.set()
        writer.join()


def cut(path):
    path.write_bytes(path.read_bytes()[:-4096])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def forget_hash(path):
    path.with_name(path.name + ".sha256").unlink()


def damage_all(path):
    """The hash is right, and the database is not."""
    raw = bytearray(path.read_bytes())
    raw[4096:12288] = os.urandom(8192)
    path.write_bytes(raw)
    path.with_name(path.name + ".sha256").write_text(f"{sha256(path)}  {path.name}\n")


@pytest.mark.parametrize("tear", [cut, flip, forget_hash, damage_all])
def test_a_torn_copy_is_refused_and_an_older_one_used(store, tmp_path, make_result, tear):
    folder = tmp_path / "copies"
    for number, name in enumerate(("old.db", "new.db")):
        back_up(store, folder / name)
        os.utime(folder / f"{name}.sha256", (number, number))
        store.add(make_result(0.3, name), name)
    tear(folder / "new.db")
    url, said = f"sqlite:///{tmp_path}/restored.db", []
    with pytest.raises(StoreError, match=r"new\.db (is torn|is not whole|is damaged)"):
        restore(folder / "new.db", url)
    assert not (tmp_path / "restored.db").exists()
    if tear is forget_hash:  # as if it had never been made
        said.append("new.db")
    assert restore(folder, url, said.append) == folder / "old.db"
    assert "new.db" in said[0]
    assert [entry["name"] for entry in shown(Store(url))] == ["first"]


def test_nothing_is_overwritten(store, tmp_path):
    back_up(store, tmp_path / "copy.db")
    with pytest.raises(StoreError, match=r"board\.db is there already"):
        restore(tmp_path / "copy.db", store.url)
    (tmp_path / "new.db-wal").write_bytes(b"left over")
    with pytest.raises(StoreError, match=r"new\.db-wal is there already"):
        restore(tmp_path / "copy.db", f"sqlite:///{tmp_path}/new.db")


def test_refusals(store, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, words in (
        (tmp_path / "empty", "no sound backup"),
        (tmp_path / "none.db", "There is no backup"),
    ):
        with pytest.raises(StoreError, match=words):
            restore(place, f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreError, match="--from-records"):
        restore(tmp_path / "copy.db", "postgresql://host/board")
    with pytest.raises(StoreError, match="no SQLite file"):
        back_up(Store("sqlite://", create=True), tmp_path / "copy.db")
    with pytest.raises(DambenchError, match="Could not write"):
        back_up(store, store.path / "copy.db")


def test_of_copies_by_themselves_24_hours_14_days_and_12_months_stay(tmp_path):
    """An hourly copy for a year and a half; the newest copies of each kind stay, whatever came."""
    moment = datetime(2025, 1, 1)
    while moment < datetime(2026, 7, 1, 12):
        (tmp_path / moment.strftime(NAME)).touch()
        for path in _superseded(tmp_path):
            path.unlink()
        moment += timedelta(hours=1)
    kept = sorted(datetime.strptime(path.name, NAME) for path in tmp_path.iterdir())
    last = moment - timedelta(hours=1)
    hours = {last - timedelta(hours=n) for n in range(24)}
    days = {datetime(2026, 7, 1, 23) - timedelta(days=n) for n in range(1, 14)}
    months = {datetime(2025 + m // 12, m % 12 + 1, 1) - timedelta(hours=1) for m in range(8, 19)}
    assert kept == sorted(hours | days | months)


def test_a_copy_by_itself_can_be_restored(store, tmp_path, make_result):
    keep_backup(store, tmp_path / "backups")
    store.add(make_result(0.4, "b"), "second")
    newest = keep_backup(store, tmp_path / "backups")
    url = f"sqlite:///{tmp_path}/new.db"
    assert restore(tmp_path / "backups", url) == newest
    assert shown(Store(url)) == shown(store)
