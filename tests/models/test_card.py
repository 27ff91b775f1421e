"""The card of a trained model: what it says, that its code runs, and what is left out."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.card import Scored, point_to, write_model_card
from dambench_hub.models.conv_cnp import ConvCNP
from dambench_hub.models.optimal_interpolation import OptimalInterpolation
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score

SCRIPT = Path(__file__).parents[2] / "baselines" / "card.py"
SPEC = importlib.util.spec_from_file_location("card_script", SCRIPT)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)

RECORD = "method: conv_cnp\nmixed_precision: no\ndata_name: tiny\ndata_revision: 0a1b\n"
COMMAND = "accelerate launch baselines/train.py --config baselines/conv_cnp/mini.yaml"


@pytest.fixture(scope="session")
def trained(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "conv_cnp"
    torch.manual_seed(0)
    model = ConvCNP(
        channels=tiny_data.channels,
        grid=str(tiny_data.grid),
        width=8,
        depth=1,
        kernel=3,
        set_kernel=3,
    )
    model.set_statistics(tiny_data.statistics).save_pretrained(folder)
    return folder


@pytest.fixture
def run_folder(trained, tmp_path):
    """A training's folder, as `runs/my_cnp`, with a model in best/."""
    folder = tmp_path / "runs" / "my_cnp"
    shutil.copytree(trained, folder / "best")
    (folder / "config.yaml").write_text(f"{RECORD}command: {COMMAND}\n")
    return folder


def scores_file(tiny_data, folder, task, **changes):
    """What `dambench score --json` prints for an analysis half-way to the reference."""
    halves = (
        Analysis((batch.background + batch.reference) / 2)
        for batch in tiny_data.batches(task, batch_size=2)
    )
    write_predictions(folder / "x.nc", halves, task=task, data=tiny_data, model_name="half")
    path = folder / f"{task}.json"
    path.write_text(json.dumps(score(folder / "x.nc", tiny_data).to_dict() | changes))
    return path


def read(folder):
    return ModelCard.load(folder / "README.md", ignore_metadata_errors=False)


def test_a_complete_card(run_folder, tiny_folder, tiny_data, tmp_path, capsys):
    files = [scores_file(tiny_data, tmp_path, task) for task in ("multimodal", "density-20")]
    options = ["--scores", *map(str, files), "--data", str(tiny_folder)]
    assert script.main([str(run_folder), *options, "--dataset-id", "ORG/dambench"]) == 0
    folder = run_folder / "best"
    assert capsys.readouterr().out == f"{folder / 'README.md'}\n"
    card = read(folder)
    data = card.data.to_dict()
    assert data["library_name"] == "dambench" and data["license"] == "apache-2.0"
    assert data["datasets"] == ["ORG/dambench"] and data["pipeline_tag"] == "other"
    assert {"data-assimilation", "conv_cnp"} <= set(data["tags"]) and "mse" in data["metrics"]
    model = ConvCNP.from_pretrained(folder)
    for words in (f"{model.parameter_count:,}", "revision `0a1b`", COMMAND, "on 9x16"):
        assert words in card.text, words
    assert "More Information Needed" not in card.text and "$" not in card.text
    assert (folder / "training.yaml").read_bytes() == (run_folder / "config.yaml").read_bytes()


def test_all_scores_stand_in_the_model_index(run_folder, tiny_data, tmp_path):
    files = [scores_file(tiny_data, tmp_path, task) for task in ("unimodal", "density-20")]
    scored = [Scored.read(path, tiny_data) for path in files]
    write_model_card(run_folder / "best", scores=scored, dataset_id="ORG/dambench")
    card = read(run_folder / "best")
    results = card.data.eval_results
    for sheet in scored:
        mine = {
            result.metric_name: result.metric_value
            for result in results
            if result.dataset_config == sheet.task
        }
        assert mine["MSE"] == sheet.scores["mse"] and mine["SpecDiv"] == sheet.scores["specdiv"]
        for channel, value in sheet.scores["rmse"].items():
            assert mine[f"RMSE {channel}"] == value
            assert mine[f"MSE {channel}"] == sheet.scores["mse_by_channel"][channel]
            assert mine[f"bias {channel}"] == sheet.scores["bias"][channel]
        values = [v.values() if isinstance(v, dict) else [v] for v in sheet.scores.values()]
        numbers = [one for group in values for one in group if isinstance(one, int | float)]
        assert sorted(mine.values()) == sorted(numbers)
        row = next(line for line in card.text.splitlines() if f"| `{sheet.task}` |" in line)
        assert f"{sheet.scores['mse']:.4g}" in row and "50.0" in row
    assert {result.dataset_revision for result in results} == {tiny_data.revision}


def test_the_ranked_score_is_the_skill(run_folder, tiny_data, tmp_path):
    """Half the error of the background is gone. Other tasks have no board."""
    files = [scores_file(tiny_data, tmp_path, t) for t in ("unimodal", "multimodal", "density-20")]
    scored = [Scored.read(path, tiny_data) for path in files]
    folder = run_folder / "best"
    write_model_card(folder, scores=scored, dataset_id="ORG/dambench")
    raw = yaml.safe_load((folder / ".eval_results" / "dambench.yaml").read_text())
    entries = parse_eval_result_entries(raw)
    assert [(e.dataset_id, e.task_id) for e in entries] == [
        ("ORG/dambench", "unimodal"),
        ("ORG/dambench", "multimodal"),
    ]
    for entry, sheet in zip(entries, scored, strict=False):
        assert entry.value == pytest.approx(50, abs=0.01)
        assert f"MSE {sheet.scores['mse']:.6g}" in entry.notes and tiny_data.revision in entry.notes


def test_what_is_not_known_is_left_out(run_folder, tiny_data, tmp_path):
    """No scores, no data set, no training: nothing is invented, and old entries go."""
    folder = run_folder / "best"
    sheet = scores_file(tiny_data, tmp_path, "unimodal")
    entries = folder / ".eval_results" / "dambench.yaml"
    write_model_card(folder, scores=[Scored.read(sheet, tiny_data)], dataset_id="ORG/dambench")
    assert entries.exists()
    old = Scored.read(sheet)
    del old.scores["skill"]
    write_model_card(folder, scores=[old], dataset_id="ORG/dambench")
    assert not entries.exists(), "scores of version 1 have no skill"
    write_model_card(folder, scores=[Scored.read(sheet, tiny_data)])
    assert not entries.exists(), "where the data set lies on the Hub is not known"
    assert "datasets" not in read(folder).data.to_dict()
    (run_folder / "config.yaml").write_text("method: fnp\n")  # of something else
    (folder / "training.yaml").unlink()
    write_model_card(folder)
    card = read(folder)
    assert card.data.eval_results is None and "## Scores" not in card.text
    assert "trained on" not in card.text and not (folder / "training.yaml").exists()


def test_the_code_of_the_card_runs(run_folder, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model_card(Path("runs/my_cnp/best"), data=str(tiny_folder))
    (code,) = re.findall(r"```python\n(.*?)```", read(run_folder / "best").text, re.S)
    names = {}
    exec(code, names)
    shape = re.search(r"# \((.*?)\), physical", code)[1]
    assert str(tuple(names["analysis"].mean.shape)) == f"({shape})"
    assert 'from_pretrained("runs/my_cnp/best")' in code
    assert 'from_pretrained("ORG/cnp")' in point_to(code, "ORG/cnp")


def test_a_multi_modal_model_is_loaded_by_its_folder(tiny_data, tiny_folder, tmp_path, monkeypatch):
    from dambench_hub.models.registry import method_class

    settings = {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3, "adapter_width": 16}
    model = method_class("multi_conv_cnp")(
        channels=tiny_data.channels, grid=str(tiny_data.grid), **settings
    )
    model.set_statistics(tiny_data.statistics).save_pretrained(tmp_path / "multi")
    monkeypatch.chdir(tmp_path)
    write_model_card(Path("multi"), data=str(tiny_folder))
    (code,) = re.findall(r"```python\n(.*?)```", read(tmp_path / "multi").text, re.S)
    assert 'load_method("multi")' in code and 'batches("multimodal")' in code
    exec(code, {})
    assert 'load_method("ORG/multi")' in point_to(code, "ORG/multi")


def test_the_text_is_that_of_the_method(run_folder, trained, tmp_path, monkeypatch):
    text = "---\ntitle: x\n---\n# ConvCNP\n\nSet convolutions of two streams.\n\n# Decisions\n"
    write_model_card(run_folder / "best", text=text)
    card = read(run_folder / "best").text
    assert "Set convolutions of two streams.\n\n# Decisions" in card
    assert "title: x" not in card and "# ConvCNP" not in card
    monkeypatch.setattr(script, "__file__", str(tmp_path / "baselines" / "card.py"))
    (tmp_path / "baselines" / "conv_cnp").mkdir(parents=True)
    assert script.method_text("multi_conv_cnp") == ""
    (tmp_path / "baselines" / "conv_cnp" / "README.md").write_text(text)
    assert script.method_text("multi_conv_cnp") == script.method_text("conv_cnp") == text


def test_a_saved_model_has_a_card_at_once(trained):
    card = read(trained)
    assert card.data.to_dict()["library_name"] == "dambench"
    assert "ConvCNP.from_pretrained" in card.text
    assert "More Information Needed" not in card.text and "PytorchModelHubMixin" not in card.text


def test_wrong_scores_are_refused(run_folder, tiny_data, tmp_path, tmp_path_factory):
    (tmp_path / "no.json").write_text('{"mse": 1}')
    for path in tmp_path / "no.json", tmp_path / "absent.json":
        with pytest.raises(DataError, match="holds no scores .*--json"):
            Scored.read(path)
    other = scores_file(tiny_data, tmp_path, "unimodal", dataset_revision="beef")
    with pytest.raises(DataError, match="revision beef, the data set given has"):
        Scored.read(other, tiny_data)
    sheet = Scored.read(scores_file(tiny_data, tmp_path, "unimodal"))
    sheet.scores["rmse"].pop("t2m")
    with pytest.raises(DataError, match="4 channels, the model has 5"):
        write_model_card(run_folder / "best", scores=[sheet])


def test_only_trained_models_have_cards(tiny_data, tiny_folder, tmp_path, capsys):
    fitted = OptimalInterpolation.fit(load_data(tiny_folder).batches("unimodal", "train", 4))
    fitted.save(tmp_path / "oi")
    with pytest.raises(TaskError, match="fitted where it is used"):
        write_model_card(tmp_path / "oi")
    assert script.main([str(tmp_path)]) == 1
    assert "is no trained model" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(RECORD)
    assert script.main([str(tmp_path / "run")]) == 1
    assert "no trained model yet" in capsys.readouterr().err


def test_a_damaged_record_of_the_training_is_named(run_folder, capsys):
    (run_folder / "config.yaml").write_text("method: [")
    assert script.main([str(run_folder)]) == 1
    assert "config.yaml cannot be read" in capsys.readouterr().err
