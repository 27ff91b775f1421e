"""A small world, shipped and expanded again."""

import json
import shutil

import numpy as np
import pytest

from dambench_hub.building.osse.canonical.index import INDEX, Index
from dambench_hub.building.osse.canonical.model_fields import NAMES
from dambench_hub.building.osse.canonical.packing import places
from dambench_hub.building.osse.canonical.precision import (
    ALLOWED,
    Sight,
    observation_error,
    shares_by_variable,
    spread,
)
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.errors import BuildError


@pytest.fixture
def expanded(shipped):
    return CanonicalStates(shipped, "mini")


def test_rounding_does_no_more_than_it_may_and_uses_it(simulated, shipped, expanded):
    """Measured here from the fields, not with what chose the steps."""
    original, sight = (
        Sight(simulated.states["mini"], simulated.grid),
        Sight(expanded, simulated.grid),
    )
    states = simulated.states["mini"]
    error = observation_error(original, places(states, ("train",)))
    everything = places(states, ("train", "validation", "test"))
    for owner in ("reference", "background"):
        change = [sight.state(owner, *p) - original.state(owner, *p) for p in everything]
        share = np.sqrt(np.mean(np.square(change), axis=(0, 2, 3))) / error
        assert 0.7 * ALLOWED[owner] < share.max() <= ALLOWED[owner]
    ensembles = places(states, ("validation", "test"))
    change = [sight.ensemble(*place) - original.ensemble(*place) for place in ensembles]
    share = np.sqrt(np.mean(np.square(change), axis=(0, 1, 3, 4))) / spread(original, ensembles)
    assert 0.7 * ALLOWED["members"] < share.max() <= ALLOWED["members"]
    assert shipped.precision["members"]["z"] == pytest.approx(100 * share[4:17].max(), abs=0.002)


def test_each_day_is_shipped_once(shipped, simulated):
    states = [(file.split, day) for file in shipped.files if not file.members for day in file.days]
    assert len(states) == len(set(states)) == 8 + 3 + 4 + 3
    assert shipped.ensemble_splits == {
        "tiny": ("validation", "test"),
        "mini": ("validation", "test"),
        "cycle": ("validation",),
    }


def test_presets_share_days(shipped):
    tiny, mini, cycle = (CanonicalStates(shipped, name) for name in ("tiny", "mini", "cycle"))
    for other, place in ((tiny, ("validation", 1)), (cycle, ("train", 5)), (tiny, ("test", 0))):
        for name, field in mini.fields(*place).items():
            np.testing.assert_array_equal(other.fields(*place)[name], field)
    for name, field in mini.fields("test", 1).items():
        np.testing.assert_array_equal(cycle.fields("test", 3)[name], field)
    assert not np.array_equal(
        cycle.fields("test", 1)["reference/t"], mini.fields("test", 1)["reference/t"]
    )


def test_dry_places_stay_dry(simulated, expanded):
    rain = simulated.states["mini"].fields("test", 0)["reference/precipitation"]
    again = expanded.fields("test", 0)["reference/precipitation"]
    assert (rain == 0).any()
    assert np.all(again[rain == 0] == 0)
    assert again.min() >= 0


def test_too_coarse_steps_are_refused():
    shares = np.full(71, 0.005)
    assert shares_by_variable("reference", shares)["z"] == 0.5
    shares[20] = 0.02
    with pytest.raises(BuildError, match=r"q200 of the reference by 2.00 %, allowed are 1 %"):
        shares_by_variable("reference", shares)


@pytest.mark.parametrize("damage", ["bytes", "file", "index"])
def test_damage_is_found_and_explained(shipped, tmp_path, damage):
    folder = tmp_path / "toy"
    shutil.copytree(shipped.folder, folder)
    path = folder / "mini-test.safetensors"
    if damage == "bytes":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "file":
        path.unlink()
    else:
        (folder / INDEX).write_text("{}")
    with pytest.raises(BuildError, match="Install the package again"):
        CanonicalStates(Index.read(folder), "mini").fields("test", 0)


def test_the_hash_of_the_index_covers_every_file(shipped):
    raw = json.loads((shipped.folder / INDEX).read_text())
    listed = {file["path"] for file in raw["files"]} | {INDEX, "geography.safetensors"}
    assert listed == {path.name for path in shipped.folder.iterdir()}
    assert set(raw["steps"]) == {*NAMES, *(f"members/{name}" for name in NAMES)}
