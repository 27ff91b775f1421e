"""baselines/controls.py: from a multi-modal model's folder to what its gain is made of."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dambench_hub.data.dataset import load_data
from dambench_hub.data.modality_controls import CONTROLS
from dambench_hub.models.pretrained import TRAINING_FILE
from dambench_hub.models.registry import load_method, method_class
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import tiny_plan, write_tiny_dataset

SCRIPT = Path(__file__).parents[2] / "baselines" / "controls.py"
SPEC = importlib.util.spec_from_file_location("controls", SCRIPT)
controls = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(controls)

HOST = {"width": 4, "depth": 1, "kernel": 3, "set_kernel": 3, "norm": "none", "residual": True}
ADAPTER = {"adapter_width": 8, "adapter_heads": 2, "adapter_layers": 1}
ZERO = "+0.00 (+0.00 … +0.00)"


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A data set whose test days are enough for intervals."""
    folder = tmp_path_factory.mktemp("long") / "long"
    test = np.datetime64("2024-01-01T00", "h") + 18 * 24 * np.arange(6)
    write_tiny_dataset(folder, times={**tiny_plan().times, "test": test})
    return load_data(folder)


def saved(folder, name, data, gain=0.0, **settings):
    """An untrained model; `gain` times noise is what its adapter adds."""
    torch.manual_seed(0)
    model = method_class(name)(channels=list(data.channels), grid=str(data.grid), **settings)
    model.set_statistics(data.statistics)
    if gain:
        torch.nn.init.normal_(model.adapter.projection.weight, std=gain)
    model.save_pretrained(folder / name)
    return str(folder / name)


@pytest.fixture(scope="module")
def models(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    host = saved(folder, "conv_cnp", tiny_data, **HOST)
    multi = saved(folder, "multi_conv_cnp", tiny_data, **HOST, **ADAPTER)
    eager = saved(folder / "eager", "multi_conv_cnp", tiny_data, gain=1.0, **HOST, **ADAPTER)
    constant = saved(folder / "constant", "multi_conv_cnp", tiny_data, gain=1.0, **HOST, **ADAPTER)
    trained(constant, modality_control="constant")
    return {"host": host, "multi": multi, "eager": eager, "constant": constant}


def trained(folder, **record):
    """Note in a model's folder how it was trained."""
    method = json.loads((Path(folder) / "config.json").read_text())["method"]
    (Path(folder) / TRAINING_FILE).write_text(yaml.safe_dump({"method": method, **record}))


@pytest.fixture
def run(long, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments, data=long.folder):
        code = controls.main([*arguments, "--data", str(data)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def rows(printed):
    """Cells of each row by its name."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    first = next(i for i, cells in enumerate(lines) if cells[0] == "method")
    table = lines[first : lines.index([""], first)]
    return {cells[0]: cells[1:] for cells in table if len(cells) > 1}


def test_an_untrained_adapter_gains_nothing(run, models):
    code, out, _ = run(models["multi"], "--host", models["host"], "--capacity", models["constant"])
    assert code == 0
    table = rows(out)
    methods = ["background", "conv_cnp", "multi_conv_cnp"]
    assert list(table) == ["method", *methods, *CONTROLS, "trained on constant"]
    assert table["method"] == ["skill, %", "to multi_conv_cnp", "to conv_cnp"]
    for control in CONTROLS:
        assert table[control] == [table["conv_cnp"][0], ZERO, ZERO]
    assert ZERO not in table["background"]
    alone = rows(run(models["eager"])[1])
    assert table["trained on constant"][0] == alone["constant"][0]


def test_a_classical_method_is_compared_with_itself_without_modalities(run):
    code, out, _ = run("var3d", "--host", "var3d")
    assert code == 0
    table = rows(out)
    assert list(table) == ["method", "background", "var3d", "multi_var3d", *CONTROLS]
    assert table["method"] == ["skill, %", "to multi_var3d", "to var3d"]
    assert read(table["var3d"][0]) > 0
    assert table["multi_var3d"][1] != ZERO


def test_the_scores_are_those_of_the_benchmark(run, models, long, tmp_path):
    table = rows(run(models["eager"])[1])
    assert table["background"][0] == "0.00"
    method = load_method(models["eager"])
    analyses = (method.assimilate(batch) for batch in long.batches("multimodal", batch_size=4))
    path = tmp_path / "x.nc"
    write_predictions(path, analyses, task="multimodal", data=long, model_name="x")
    plain, constant = (read(table[name][0]) for name in ("multi_conv_cnp", "constant"))
    assert plain == pytest.approx(score(path, long).scores["skill"], abs=0.006)
    assert plain != constant
    difference = read(table["constant"][1].split()[0])
    assert difference == pytest.approx(constant - plain, abs=0.011)


def read(text):
    return float(text.replace("−", "-"))


def test_batch_size_and_rerun_change_nothing(run, models):
    one, four, again = (rows(run(models["eager"], "--batch-size", n)[1]) for n in ("1", "4", "4"))
    assert one == four == again


def test_rows_that_are_kept_are_not_made_again(run, models, tmp_path, monkeypatch):
    out = ("--out", str(tmp_path / "kept.json"))
    model = method_class("multi_conv_cnp")
    whole, assimilate, called = run(models["eager"])[1], model.assimilate, []

    def stop_after_three_batches(self, *arguments):
        called.append(0)
        if len(called) > 3:  # the row of the model itself takes two
            raise KeyboardInterrupt
        return assimilate(self, *arguments)

    monkeypatch.setattr(model, "assimilate", stop_after_three_batches)
    code, _, err = run(models["eager"], *out)
    assert (code, "Run the same command again" in err) == (1, True)
    monkeypatch.setattr(model, "assimilate", assimilate)
    kept = json.loads((tmp_path / "kept.json").read_text())["cells"]
    assert [cell["row"] for cell in kept] == ["background", "multi_conv_cnp"]

    def count(self, *arguments):
        called.append(0)
        return assimilate(self, *arguments)

    called.clear()
    monkeypatch.setattr(model, "assimilate", count)
    code, out_again, _ = run(models["eager"], *out)
    assert (code, len(called)) == (0, 2 * len(CONTROLS))
    assert rows(out_again) == rows(whole)
    # Other weights are another model, also under the same name.
    code, other, _ = run(models["multi"], *out)
    assert rows(other)["multi_conv_cnp"] == rows(run(models["multi"])[1])["multi_conv_cnp"]
    code, _, err = run(models["eager"], *out, "--seed", "1")
    assert (code, "seed is 0 there, 1 here" in err) == (1, True)


def test_kept_rows_of_another_method_without_files_are_not_taken(run, tmp_path):
    out = ("--out", str(tmp_path / "kept.json"))
    first, second = (rows(run(method, *out)[1]) for method in ("var3d", "letkf"))
    assert second == rows(run("letkf")[1])
    assert second["shuffled"][0] != first["shuffled"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "unimodal"], "Use the task multimodal"),
        (["--batch-size", "0"], "batch_size is at least 1"),
        (["--device", "cuda:99"], "There is no device cuda:99"),
        (["--device", "abacus"], "There is no device abacus; here are cpu"),
    ],
)
def test_mistakes_are_told(long, models, capsys, arguments, words):
    data = ["--data", str(long.folder)]
    assert controls.main([models["multi"], *data, *arguments]) == 1
    assert words in capsys.readouterr().err


def test_other_models_and_data_are_refused(run, models, tmp_path, tiny_folder):
    code, _, err = run(models["multi"], data=tiny_folder)
    assert (code, "Score more days, further apart" in err) == (1, True)
    code, _, err = run(models["host"])
    assert (code, "one trained as multi_conv_cnp" in err) == (1, True)
    code, _, err = run("background")
    assert (code, "reads no modalities" in err) == (1, True)
    code, _, err = run(models["multi"], "--host", models["eager"])
    assert (code, "which reads modalities" in err) == (1, True)
    code, _, err = run(models["multi"], "--host", "var3d")
    assert (code, "holds var3d, the model is of conv_cnp" in err) == (1, True)
    code, _, err = run(models["multi"], "--capacity", models["eager"])
    assert (code, "trained with modality_control=unknown" in err) == (1, True)
    code, _, err = run(models["multi"], "--capacity", "letkf")
    assert (code, "--capacity letkf was trained with" in err) == (1, True)
    write_tiny_dataset(tmp_path / "x", modalities=())
    code, _, err = run(models["multi"], data=tmp_path / "x")
    assert (code, "has none. Use the task unimodal" in err) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        controls.main([])


def test_a_host_that_was_trained_otherwise_is_told(run, tiny_data, tmp_path):
    host = saved(tmp_path, "conv_cnp", tiny_data, **HOST)
    multi = saved(tmp_path, "multi_conv_cnp", tiny_data, **HOST, **ADAPTER)
    trained(multi, epochs=30, initial="runs/conv_cnp/best")
    for epochs, initial, told in ((30, "runs/conv_cnp/best", False), (60, None, True)):
        trained(host, epochs=epochs, initial=initial)
        code, out, _ = run(multi, "--host", host)
        said = "epochs: 60 and 30" in out and "initial: None and runs/conv_cnp/best" in out
        assert (code, said, "trained otherwise" in out) == (0, told, told)


def test_a_host_whose_encoder_sees_modalities_is_none(run, tiny_data, tmp_path):
    sizes = {"latent_widths": [8, 4], "widths": [8, 8], "blocks": 1, "steps": 2, "members": 2}
    host = saved(tmp_path, "slams", tiny_data, aux=True, **sizes)
    multi = saved(tmp_path, "multi_slams", tiny_data, stage="score", **sizes, **ADAPTER)
    code, _, err = run(multi, "--host", host)
    assert (code, "which reads modalities" in err) == (1, True)
