"""Published with the command, loaded back from the Hub with the lines that users type.

Single parts of it, and what happens when the Hub fails, are in `test_publishing.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import hub_server as server
import numpy as np
import pandas as pd
import pytest
import yaml

from dambench_hub.dambench_metrics import dambench_metrics
from dambench_hub.data.dataset import load_data
from dambench_hub.hub.release import collect
from dambench_hub.models.registry import load_method
from dambench_hub.observations.window import Window
from dambench_hub.testing import write_tiny_dataset

ROOT = Path(__file__).parents[2]
METRIC = Path(dambench_metrics.__file__).parent
BOARD = ROOT / "leaderboard_app"

READ = """
import json

import evaluate, numpy as np
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import snapshot_download

import dambench_hub as db
from dambench_hub.models import load_method

configs = {}
for config in get_dataset_config_names("ORG/dambench"):
    loaded = load_dataset("ORG/dambench", config)
    configs[config] = {split: [rows.num_rows, rows.column_names] for split, rows in loaded.items()}

load_dataset("ORG/dambench", "reports", split="test").to_parquet("reports.parquet")
tagged = load_dataset("ORG/dambench", "reports", split="test", revision="v1", streaming=True)

data = db.load_data("ORG/dambench")
batch = next(data.batches("unimodal")).without_reference()
analysis = load_method("ORG/oi").assimilate(batch).mean
metric = evaluate.load("ORG/dambench_metrics")
scores = metric.compute(predictions=analysis, references=data.reference("test", 0)[None])
snapshot_download("ORG/board", repo_type="space", local_dir="board")
np.savez("read.npz", analysis=analysis, reports=data.reports("test", 0).value)
streamed = len(list(tagged))
print(json.dumps({"configs": configs, "streamed": streamed, "rmse": scores["rmse"]}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set with all that one can have: an ensemble, and tables of observations."""
    folder = tmp_path_factory.mktemp("data") / "dambench"
    members = {"ensemble_size": 3, "ensemble_splits": ("test",)}
    write_tiny_dataset(folder, channels=("t2m", "z500"), reports_window=Window(), **members)
    return folder


@pytest.fixture(scope="module")
def read(hub, folder, tmp_path_factory):
    """What the lines above gave, and the folder that they wrote to."""
    here = tmp_path_factory.mktemp("here")
    data = load_data(folder)
    load_method("optimal_interpolation", data.batches("unimodal", "train")).save(here / "oi")
    releases = {"dambench": folder, "oi": here / "oi", METRIC.name: METRIC, "board": BOARD}
    for name, release in releases.items():
        arguments = [str(release), "--repo-id", f"ORG/{name}", "--tag", "v1"]
        run(hub, here, [str(ROOT / "builders" / "publish.py"), *arguments])
    printed = run(hub, here, ["-c", READ], token=None)
    return json.loads(printed.splitlines()[-1]), here


def run(hub, here, arguments, token="hf_maintainer"):
    done = subprocess.run(
        [sys.executable, *arguments],
        env={
            **os.environ,
            **server.environment(hub, here / "home", token),
            "PYTHONPATH": str(ROOT),
        },
        cwd=here,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_all_configs_of_the_card_are_there(read, folder):
    card = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    wanted = {
        info["config_name"]: {
            split["name"]: [split["num_examples"], [f["name"] for f in info["features"]]]
            for split in info["splits"]
        }
        for info in card["dataset_info"]
    }
    assert {"multimodal", "reports", "ensemble", "preview"} <= set(wanted)
    assert read[0]["configs"] == wanted


def test_reports_are_those_of_the_data_set(read, folder):
    printed, here = read
    data = load_data(folder)
    (shard,) = data.manifest.reports.splits["test"]
    wanted = pd.read_parquet(folder / shard.path)
    pd.testing.assert_frame_equal(pd.read_parquet(here / "reports.parquet"), wanted)
    assert printed["streamed"] == shard.rows
    np.testing.assert_array_equal(
        np.load(here / "read.npz")["reports"], data.reports("test", 0).value
    )


def test_a_fitted_method_analyses_and_the_metric_scores_as_here(read, folder):
    printed, here = read
    data = load_data(folder)
    batch = next(data.batches("unimodal"))
    analysis = load_method(here / "oi").assimilate(batch).mean
    np.testing.assert_array_equal(np.load(here / "read.npz")["analysis"], analysis)
    rmse = printed["rmse"]
    error = (analysis - batch.reference)[0].astype("f8")
    weights = data.grid.weights[:, None] / data.grid.size
    wanted = np.sqrt((weights * error**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(list(rmse.values()), wanted, rtol=1e-6)


def test_a_space_is_the_folder_and_runs(read, hub):
    pytest.importorskip("gradio")
    space = read[1] / "board"
    for file in collect(BOARD, "ORG/board").all_files:
        content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
        assert (space / file.path).read_bytes() == content, file.path
    assert "--dev-user" in run(hub, space, ["app.py", "--help"])
