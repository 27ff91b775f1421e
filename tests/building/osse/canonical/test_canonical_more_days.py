"""More training days change nothing of what is scored, nor of what methods are scaled with."""

import numpy as np
import pytest

from dambench_hub.building.osse import world as presets
from dambench_hub.building.osse.build import build_world
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.building.osse.dataset import canonical_revisions, world_of
from dambench_hub.building.osse.more_days import WithMoreDays, added_times
from dambench_hub.building.osse.world import Days, World
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError
from dambench_hub.models.base import Analysis
from dambench_hub.predictions.validation import validate
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.storage.manifest import STATISTICS, Manifest

MORE = 5


@pytest.fixture
def mini(installed, tmp_path):
    """The canonical data set: 8 training days."""
    build_world(world_of("mini"), tmp_path / "mini")
    return load_data(tmp_path / "mini")


@pytest.fixture
def larger(installed, simulate_red_spectra, tmp_path):
    """The same with 5 more."""
    build_world(world_of("mini", 0, 8 + MORE), tmp_path / "larger")
    assert simulate_red_spectra == [World("mini", 0, MORE)]
    return load_data(tmp_path / "larger")


def test_all_but_the_training_days_stays_byte_for_byte(mini, larger):
    assert (larger.folder / STATISTICS).read_bytes() == (mini.folder / STATISTICS).read_bytes()
    assert larger.manifest.observation_error_std == mini.manifest.observation_error_std
    for split in ("validation", "test"):
        assert larger.manifest.shards(split) == mini.manifest.shards(split)
        for shard in mini.manifest.shards(split):
            content = (larger.folder / shard.path).read_bytes()
            assert content == (mini.folder / shard.path).read_bytes()


def test_the_new_training_days_come_first_and_the_others_are_the_same(mini, larger):
    times = larger.times("train")
    assert np.all(np.diff(times) > np.timedelta64(0, "h"))
    assert set(times[:MORE].astype("datetime64[Y]").astype(str)) == {"2021"}
    np.testing.assert_array_equal(times[MORE:], mini.times("train"))
    for n in range(mini.size("train")):
        before, after = mini.example("train", n), larger.example("train", MORE + n)
        assert all(np.array_equal(before[k], after[k], equal_nan=k != "time") for k in before)
    assert not np.array_equal(larger.example("train", 0)["reference"], before["reference"])


def test_predictions_belong_to_the_canonical_board(mini, larger, installed, tmp_path):
    revision = canonical_revisions(installed)["mini"]
    assert larger.revision == mini.revision == revision
    assert Manifest.read(larger.folder).revision != mini.manifest.revision
    for made, scored in (larger, mini), (mini, larger):
        path = tmp_path / f"{made.folder.name}.nc"
        analyses = (Analysis(batch.background) for batch in made.batches("multimodal"))
        write_predictions(path, analyses, task="multimodal", data=made, model_name="background")
        assert validate(path, scored) == []


def test_it_says_what_it_is_and_how_it_was_made(larger):
    source = larger.manifest.source
    assert (larger.manifest.name, larger.manifest.added_examples) == ("osse-mini-13days", MORE)
    assert source["command"] == "dambench build mini --days 13 --out dambench"
    assert source["added"]["versions"]["jcm"] == "3.0.0"
    assert "first 5 training days were simulated" in source["description"]


def test_states_of_several_years_ascend(installed, simulated, monkeypatch):
    days = Days("2022-01-02", 3, 2)
    monkeypatch.setitem(
        presets.PRESETS, "mini", presets.replace(presets.MINI, splits={"train": days})
    )
    world, own = World("mini", 0, 7), CanonicalStates(installed, "mini")
    further = type(simulated.states["mini"])(world.preset.splits)
    states = WithMoreDays(own, further)
    times = states.days["train"]
    assert np.all(np.diff(times).astype(int) > 0)
    np.testing.assert_array_equal(times[:7], added_times(world))
    assert [str(time)[:4] for time in times[:7]] == ["2019"] + ["2020"] * 3 + ["2021"] * 3
    for index, (split, n) in {0: ("train-2019", 0), 3: ("train-2020", 2)}.items():
        found, wanted = states.fields("train", index), further.fields(split, n)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    found, wanted = states.fields("train", 7), own.fields("train", 0)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (("mini", 0, 7), "give a number from 8 to 3968"),
        (("mini", 0, 10_000), "give a number from 8 to 3968"),
        (("mini", 1, 20), "canonical preset mini, seed 0"),
        (("tiny", 0, 20), "canonical preset mini, seed 0"),
        (("mini", 0, 20, 0.3), "not for mini, seed 0, soundings 0.3"),
    ],
)
def test_other_numbers_of_days_are_refused(installed, world, message):
    with pytest.raises(BuildError, match=message):
        world_of(*world)


def test_its_own_number_of_days_is_the_canonical_world(installed):
    assert world_of("mini", 0, 8) == world_of("mini") == World("mini", 0)
