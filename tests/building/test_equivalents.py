"""An operator is trained on other times than those it serves, and its equivalents reach methods."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.equivalents import add_equivalents, train_equivalents
from dambench_hub.building.examples import Source
from dambench_hub.building.trained_equivalents import ALL, TrainedEquivalents, predictors
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError
from dambench_hub.testing import TinyAtmosphere, tiny_plan

YEARS = ("2000", "2001", "2002")
SPEC = spec_from_file_location(
    "equivalents_script", Path(__file__).parents[2] / "builders" / "equivalents.py"
)
script = module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def measured(reference, plan):
    """Radiation and rain that a column determines: linear, and linear in log(1 + mm)."""
    t2m, q700 = (reference[plan.channels.index(name)] for name in ("t2m", "q700"))
    rain = np.expm1(np.clip(1 + 100 * q700, 0, None))
    return {"olr": (2 * t2m - 300).astype("f4"), "precipitation": rain.astype("f4")}


def build(out, spoilt=None, unmeasured=None, years=YEARS, days=3, **changes):
    """A data set without equivalents; at spoilt times all measurements are 0, or no rain known."""
    times = {
        "train": np.concatenate(
            [np.datetime64(f"{year}-03-01", "h") + 24 * np.arange(days) for year in years]
        ),
        "validation": np.datetime64("2023-03-01", "h") + 24 * np.arange(2),
        "test": np.datetime64("2024-03-01", "h") + 24 * np.arange(2),
    }
    plan = tiny_plan(times=times, **changes)
    world = TinyAtmosphere(plan)

    def read(split, index):
        fields = {k: v for k, v in world.read(split, index).items() if "_" not in k}
        found = measured(fields["reference"], plan)
        if str(times[split][index]).startswith(spoilt or "never"):
            found = {name: np.zeros_like(field) for name, field in found.items()}
        if str(times[split][index]).startswith(unmeasured or "never"):
            found["precipitation"] = np.full_like(found["precipitation"], np.nan)
        return fields | (found if plan.modalities else {})

    build_dataset(out, plan, lambda work: Source(read))
    return load_data(out)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build(tmp_path_factory.mktemp("real") / "dambench")


@pytest.fixture(scope="module")
def trained(data):
    return train_equivalents(data)


def test_what_the_column_determines_is_found(data, trained):
    assert trained.skill["olr"]["r2"] > 0.99 and trained.skill["precipitation"]["r2"] > 0.95
    assert trained.skill["olr"]["departure"] > trained.skill["olr"]["error"]
    example = data.example("test", 0)
    found = trained(example["reference"], np.datetime64("2024-03-01T00", "h"), "test")
    assert found["olr"].dtype == np.float32 and (found["precipitation"] >= 0).all()
    assert np.std(found["olr"] - example["olr"]) < 0.1 * np.std(example["olr"])


def test_no_training_year_is_served_by_an_operator_that_has_seen_it(tmp_path, data, trained):
    other = train_equivalents(build(tmp_path / "spoilt", spoilt="2001"))
    for modality, folds in trained.weights.items():
        assert set(folds) == {*YEARS, ALL}
        np.testing.assert_array_equal(other.weights[modality]["2001"], folds["2001"])
        assert not np.allclose(other.weights[modality]["2000"], folds["2000"])


def test_of_a_single_year_each_month_is_left_out(tmp_path):
    whole, other = (
        train_equivalents(build(tmp_path / name, spoilt, years=("2001",), days=33))
        for name, spoilt in (("whole", None), ("spoilt", "2001-04"))
    )
    for modality, folds in whole.weights.items():
        assert set(folds) == {"2001-03", "2001-04", ALL}
        np.testing.assert_array_equal(other.weights[modality]["2001-04"], folds["2001-04"])
        assert not np.allclose(other.weights[modality]["2001-03"], folds["2001-03"])
    add_equivalents(tmp_path / "whole", whole, tmp_path / "new")
    assert "each training month on the other months" in (tmp_path / "new/README.md").read_text()


def test_a_modality_that_validation_does_not_have_has_no_skill(tmp_path):
    trained = train_equivalents(build(tmp_path / "rainless", unmeasured="2023"))
    assert set(trained.skill) == {"olr"} and set(trained.weights) == {"olr", "precipitation"}


def test_the_file_holds_all_of_it(tmp_path, data, trained):
    trained.write(tmp_path / "operator.safetensors")
    read = TrainedEquivalents.read(tmp_path / "operator.safetensors")
    state, time = data.example("train", 0)["background"], np.datetime64("2000-03-01", "h")
    for name, field in trained(state, time, "train").items():
        np.testing.assert_array_equal(read(state, time, "train")[name], field)
    assert (read.skill, read.trained_on) == (trained.skill, trained.trained_on)


def test_the_new_data_set_has_departures_and_says_whose(tmp_path, data, trained):
    manifest = add_equivalents(data.folder, trained, tmp_path / "new")
    new = load_data(tmp_path / "new")
    assert new.revision != data.revision and manifest.source["equivalents"]["skill"]
    for split in ("train", "test"):
        (batch,) = new.batches("multimodal", split, 1, indices=[1])
        (before,) = data.batches("multimodal", split, 1, indices=[1])
        assert np.isnan(before.departures["olr"]).all()
        wanted = trained(batch.background[0], batch.time[0], split)
        np.testing.assert_array_equal(batch.background_modalities["olr"][0], wanted["olr"])
        assert np.isfinite(batch.departures["olr"]).all()
        np.testing.assert_array_equal(batch.observation_values, before.observation_values)
        np.testing.assert_array_equal(batch.reference, before.reference)
    card = (tmp_path / "new" / "README.md").read_text()
    assert "regression on the column above each point" in card and "of the variance" in card
    with pytest.raises(BuildError, match="of its forecast, which are better"):
        add_equivalents(tmp_path / "new", trained, tmp_path / "newer")


def test_predictors_know_the_season_and_are_of_order_one(data):
    state = data.example("train", 0)["reference"]
    summer, winter = (
        predictors(state, np.datetime64(t, "h"), data.channels, data.statistics)
        for t in ("2001-07-02", "2001-01-01")
    )
    assert summer.shape == (3 + 5 + 1, 9, 16)  # one channel is humidity
    assert (summer[0] == 1).all() and not np.allclose(summer[2], winter[2])
    np.testing.assert_array_equal(summer[3:], winter[3:])
    assert np.abs(summer).max() < 30


def test_what_cannot_be_trained_or_used_says_why(tmp_path, data, trained):
    with pytest.raises(BuildError, match="training times of 2001-03 only"):
        train_equivalents(build(tmp_path / "one", years=("2001",)))
    with pytest.raises(BuildError, match="has no modalities"):
        train_equivalents(build(tmp_path / "none", modalities=()))
    with pytest.raises(BuildError, match="other times than 1999"):
        trained(data.example("train", 0)["background"], np.datetime64("1999-01-01", "h"), "train")
    with pytest.raises(BuildError, match="trained on 5 channels on 9x16.* has 2"):
        few = build(tmp_path / "few", channels=("t2m", "q700"))
        add_equivalents(few.folder, trained, tmp_path / "new")
    (tmp_path / "other.safetensors").write_bytes(b"none")
    with pytest.raises(BuildError, match="holds no trained operator"):
        TrainedEquivalents.read(tmp_path / "other.safetensors")


def test_the_script_trains_and_adds(tmp_path, data, capsys):
    operator, out = tmp_path / "operator.safetensors", tmp_path / "new"
    assert script.main(["train", str(data.folder), "--out", str(operator)]) == 0
    assert "olr: r2" in capsys.readouterr().out
    command = ["add", str(data.folder), "--trained", str(operator), "--out", str(out)]
    assert script.main(command) == 0
    assert load_data(out).revision in capsys.readouterr().out
    assert script.main(["add", str(data.folder), "--trained", "absent", "--out", str(out)]) == 1
