"""The run files: all can be read for their method, and the tiny ones train and predict."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from dambench_hub.models.registry import CLASSICAL, METHODS
from dambench_hub.scoring.evaluation import score
from dambench_hub.training.config import read_config
from dambench_hub.training.loop import train

BASELINES = Path(__file__).parents[2] / "baselines"
LEARNED = [method for method in METHODS if method not in CLASSICAL]
FILES = sorted(path for method in LEARNED for path in (BASELINES / method).glob("*.yaml"))
SPEC = importlib.util.spec_from_file_location("predict", BASELINES / "predict.py")
predict = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(predict)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_is_for_its_method(path):
    config = read_config(path)
    assert config.method == path.parent.name
    if path.stem.startswith("era5"):
        assert config.preset == "paper" and config.batch_size == 8 and config.epochs == 40


@pytest.mark.parametrize("method", LEARNED)
def test_every_method_has_its_files(method):
    assert (BASELINES / method / "README.md").is_file()
    for name in ("tiny", "mini", "t31", "era5"):
        assert BASELINES / method / f"{name}.yaml" in FILES


@pytest.fixture
def run(tiny_data, tmp_path):
    def run(file, out, *overrides):
        AcceleratorState._reset_state(True)
        train(read_config(BASELINES / file, overrides), tiny_data, tmp_path / out)
        return tmp_path / out

    return run


@pytest.mark.parametrize("method", LEARNED)
@pytest.mark.parametrize("multi", [False, True], ids=["alone", "multi"])
def test_tiny_trains_and_predicts(run, tiny_data, tiny_folder, tmp_path, method, multi):
    short = ["epochs=1", *(["task=multimodal", f"method=multi_{method}"] if multi else [])]
    short += ["adapter_width=16", "adapter_heads=2", "adapter_layers=1"] if multi else []
    if method == "slams":
        first = run("slams/tiny_autoencoder.yaml", "first", "epochs=1")
        hosts = [run("slams/tiny.yaml", "host", "epochs=1", f"initial={first / 'best'}")] * multi
        short.append(f"initial={[first, *hosts][-1] / 'best'}")
    folder = run(f"{method}/tiny.yaml", "run", *short)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    out = tmp_path / "x.nc"
    arguments = [str(folder), "--data", str(tiny_folder), "--out", str(out), "--batch-size", "5"]
    assert predict.main([*arguments, "--task", "multimodal" if multi else "unimodal"]) == 0
    assert torch.isfinite(torch.tensor(score(out, tiny_data).sample_mse)).all()
