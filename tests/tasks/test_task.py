"""All tasks load; what is misspelt is named."""

import dataclasses

import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import TaskError
from dambench_hub.observations import ObservationSettings
from dambench_hub.tasks import task as tasks
from dambench_hub.tasks.task import Task, load_task, task_names


@pytest.mark.parametrize("name", task_names())
def test_every_task_loads(name, tiny_data):
    task = load_task(name)
    assert task.name == name and task.description.endswith(".")
    assert load_task(task) is task
    settings = task.observation_settings(tiny_data.manifest)
    assert settings.points(tiny_data.grid) >= 1
    assert task.modalities(tiny_data.manifest) == (
        ("precipitation", "olr") if task.config == "multimodal" else ()
    )


def test_the_boards_of_the_contract():
    densities = {f"density-{percent:02d}": percent / 100 for percent in (1, 2, 5, 10, 20)}
    assert set(task_names()) >= {"unimodal", "multimodal", "noise-free", *densities}
    for name, density in densities.items():
        assert load_task(name).observations == {"density": density}
    assert load_task("noise-free").observations == {"error_scale": 0}
    assert load_task("noisy").observations == {"error_scale": 1}
    assert load_task("network").config == "multimodal"
    for name in ("unimodal", "multimodal"):
        task = load_task(name)
        assert (task.main_score, task.split, task.config) == ("skill", "test", name)
        assert task.larger_is_better
        assert task.observations == {}


def test_a_task_changes_only_what_it_names(tiny_data):
    settings = Task("t", "d", observations={"seed": 3}).observation_settings(tiny_data.manifest)
    assert settings == ObservationSettings(density=0.1, seed=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": "multimodel"}, "unknown config 'multimodel'. Did you mean 'multimodal'"),
        ({"main_score": "mxe"}, "unknown main_score 'mxe'. Did you mean 'mse'"),
        ({"stride": 0}, "stride is at least 1"),
        ({"observations": {"densty": 0.1}}, "'densty'. Did you mean 'density'"),
        ({"observations": {"density": 2}}, "0 < density <= 1"),
    ],
)
def test_wrong_values_are_refused(changes, message):
    with pytest.raises(TaskError) as caught:
        dataclasses.replace(load_task("unimodal"), **changes)
    assert message in str(caught.value)


def test_a_task_that_cycles_needs_times_that_follow_one_another(tiny_data):
    daily, manifest = load_task("cycling"), tiny_data.manifest
    assert daily.cycle_hours == 24 and daily.lacking(manifest) is None
    assert list(daily.times(manifest)) == list(manifest.times("test"))
    four_a_day = dataclasses.replace(daily, cycle_hours=6)
    assert four_a_day.lacking(manifest) == "times are not 6 h apart"
    with pytest.raises(TaskError, match=r"every 6 h, the test times of \S+ are 24 h apart"):
        four_a_day.times(manifest)


def test_what_a_data_set_lacks_is_said(tiny_data):
    task, manifest = load_task("multimodal"), tiny_data.manifest
    assert task.lacking(manifest) is None
    assert task.lacking(dataclasses.replace(manifest, modalities=())) == "no modalities"
    assert dataclasses.replace(task, split="tset").lacking(manifest) == "no tset split"


@pytest.mark.parametrize(
    ("name", "other"), [("multimodal", "unimodal"), ("multimodal-cycling", "cycling")]
)
def test_without_modalities_there_is_another_task(name, other, tiny_data):
    manifest = dataclasses.replace(tiny_data.manifest, modalities=())
    with pytest.raises(TaskError, match=f"has none. Use the task {other}."):
        load_task(name).modalities(manifest)
    assert load_task(other).modalities(manifest) == ()


def test_blocks_have_to_fit_the_grid(tiny_data):
    task, manifest = load_task("coarse"), tiny_data.manifest
    assert task.lacking(manifest) is None
    other = dataclasses.replace(manifest, grid=Grid(10, 16))
    assert task.lacking(other) == "blocks do not fit 10x16"


def test_names_are_suggested():
    with pytest.raises(TaskError, match="Did you mean 'multimodal'"):
        load_task("multimodl")
    with pytest.raises(TaskError, match="Known are coarse, cycling, density-01, "):
        load_task("../../x")


def test_an_unknown_key_in_a_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("description: Mine.\nsplitt: test\n")
    monkeypatch.setattr(tasks, "files", lambda package: tmp_path)
    assert task_names() == ("mine",)
    with pytest.raises(TaskError, match="Task mine: unknown key 'splitt'. Did you mean 'split'"):
        load_task("mine")


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_stride_thins_the_scored_times(stride, tiny_data):
    task = dataclasses.replace(load_task("multimodal"), stride=stride)
    times = task.times(tiny_data.manifest)
    assert list(times) == list(tiny_data.times("test"))[::stride]
    batches = list(tiny_data.batches(task, batch_size=2))
    assert [t for batch in batches for t in batch.time] == list(times)
    # The stride thins what is scored, not what is trained on.
    assert sum(len(batch) for batch in tiny_data.batches(task, "train")) == tiny_data.size("train")
