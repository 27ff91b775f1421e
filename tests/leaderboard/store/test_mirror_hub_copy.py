"""A store that is lost with its disk is taken from the Hub; none is begun beside a copy."""

import pytest

from dambench_hub.errors import BuildError
from dambench_hub.leaderboard.store import mirror
from dambench_hub.leaderboard.store import mirror as hub_copy
from dambench_hub.leaderboard.store.mirror import copied_to_hub
from dambench_hub.leaderboard.store.records import pending_records
from dambench_hub.leaderboard.store.results import Store

REPO = "ORG/results"


@pytest.fixture
def hub(monkeypatch):
    """A Hub that holds what is sent to it: records by path."""
    held = {}

    def send(store, repo_id, tell):
        held.update({record.path: record for record in pending_records(store, repo_id, 999)})

    monkeypatch.setattr(hub_copy, "mirror", send)
    monkeypatch.setattr(mirror, "mirror", send)
    monkeypatch.setattr(hub_copy, "_is_there", lambda repo_id: bool(held))
    monkeypatch.setattr(hub_copy, "download_records", lambda *_: list(held.values()))
    return held


def shown(url):
    return [entry.name for entry in Store(url).ranking("unimodal", None).entries]


def test_results_outlive_the_disk(hub, tmp_path, make_result):
    lost, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("lost", "new"))
    with copied_to_hub(lost, REPO):
        Store(lost).add(make_result(0.5, "a"), "mine")
    assert hub
    with copied_to_hub(new, REPO):
        assert shown(new) == ["mine"]
        Store(new).add(make_result(0.4, "b"), "better")
    assert shown(new) == ["better", "mine"]
    assert len(hub) == 2


def test_a_store_that_is_there_is_not_replaced(hub, tmp_path, make_result):
    url, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two"))
    with copied_to_hub(other, REPO):
        Store(other).add(make_result(0.5, "a"), "of another")
    Store(url, create=True).add(make_result(0.4, "b"), "own")
    with copied_to_hub(url, REPO):
        assert shown(url) == ["own"]


def test_nothing_is_begun_beside_a_copy_that_cannot_be_had(hub, tmp_path, monkeypatch):
    def refuse(*_):
        raise BuildError("The Hub is away.")

    monkeypatch.setattr(hub_copy, "_is_there", lambda repo_id: True)
    monkeypatch.setattr(hub_copy, "download_records", refuse)
    with pytest.raises(BuildError), copied_to_hub(f"sqlite:///{tmp_path}/x.db", REPO):
        pytest.fail("began anew")
    assert not list(tmp_path.iterdir())


def test_a_hub_that_is_away_at_the_end_is_no_error(hub, tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise BuildError("The Hub is away.")

    monkeypatch.setattr(hub_copy, "mirror", refuse)
    with copied_to_hub(f"sqlite:///{tmp_path}/x.db", REPO):
        pass
    assert "The last results are not on the Hub: The Hub is away." in caplog.text


def test_without_a_copy_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(hub_copy, "_is_there", lambda repo_id: pytest.fail("asked the Hub"))
    with copied_to_hub(f"sqlite:///{tmp_path}/x.db", None):
        pass
    assert not list(tmp_path.iterdir())
