"""Curves hold each method once, in the order of densities, and the background always."""

import uuid

import pytest

from dambench_hub.leaderboard.accounts.person import Person, local_person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.rows import (
    Event,
    append_event,
    insert_result,
    insert_submission,
    stamp,
)
from dambench_hub.leaderboard.store.schema import State
from dambench_hub.leaderboard.web.curves import by_density, by_parameters

ADA, BOB = Person("hf:1", "ada"), Person("hf:2", "bob")


@pytest.fixture
def site(tmp_path, tiny_folder):
    return Site.open(tiny_folder, f"sqlite:///{tmp_path}/store.db", tmp_path / "site")


@pytest.fixture
def hand_in(site, make_result):
    def put(name, task, score, owner=ADA, **attributes):
        key = uuid.uuid4().hex
        known = {"value_hash": key, "dataset_revision": site.data.revision}
        result = make_result(
            task=task, score=score, attributes={"model_name": name} | attributes, **known
        )
        with site.store.transaction(write=True) as connection:
            at = site.store.now(connection)
            insert_submission(connection, owner, name, task, stamp(at), id=key)
            insert_result(connection, key, owner.id, result, at)
            append_event(connection, key, at, Event(State.PUBLISHED, owner.id))

    return put


def test_a_curve_follows_the_densities(hand_in, site):
    for task, score in (("density-20", 0.1), ("density-01", 0.4), ("density-05", 0.2)):
        hand_in("mine", task, score)
    hand_in("once", "density-05", 0.01)
    (curve,) = by_density(site, 5)
    assert (curve.name, curve.x, curve.y) == ("mine", (1.0, 5.0, 20.0), (-0.4, -0.2, -0.1))


def test_the_best_and_the_background_are_shown(hand_in, site):
    for task in ("density-01", "density-05"):
        hand_in("background", task, 1.0, owner=local_person())
        for at in range(6):
            hand_in(f"method {at}", task, 0.1 + at / 10, owner=BOB if at else ADA)
    names = [curve.name for curve in by_density(site, 3)]
    assert names == ["background", "method 0", "method 1"]


def test_methods_stand_by_their_number_of_parameters(hand_in, site):
    hand_in("large", "unimodal", 0.1, parameters="12 M")
    hand_in("small", "unimodal", 0.2, parameters="3e5")
    hand_in("silent", "unimodal", 0.05)
    found = by_parameters(site.store.ranking("unimodal"))
    assert [(one.name, one.x) for one in found] == [("small", (3e5,)), ("large", (12e6,))]
