"""What leaves a folder, and what never does."""

import dataclasses
import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from dambench_hub.errors import BuildError, DataError
from dambench_hub.hub.release import ReleaseFile, collect
from dambench_hub.models.card import RANKED
from dambench_hub.observations.window import Window
from dambench_hub.storage.manifest import GEOGRAPHY, Manifest
from dambench_hub.testing import tiny_plan, write_tiny_dataset

SHARD = "multimodal/test-00000-of-00001.parquet"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A data set that a test may change."""
    return shutil.copytree(tiny_folder, tmp_path / "dambench")


@pytest.fixture(scope="module")
def hidden_folder(tmp_path_factory):
    """Another data set, not to be published."""
    folder = tmp_path_factory.mktemp("private") / "truths"
    write_tiny_dataset(folder, source={**tiny_plan().source, "settings": {"seed": 1}})
    return folder


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "fnp"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(2, "f4")}, folder / "model.safetensors")
    return folder


def test_a_data_set_is_what_its_manifest_names(folder):
    manifest = Manifest.read(folder)
    (folder / ".build").mkdir()
    (folder / ".build" / "truth.parquet").write_bytes(b"secret")
    (folder / ".env").write_text("HF_TOKEN=hf_x")
    release = collect(folder, "ORG/NAME")
    assert release.kind == "dataset" and release.revision == manifest.revision
    assert {f.path for f in release.shards} == {s.path for s in manifest.all_shards()}
    assert {f.path for f in release.files} == {
        "README.md", "manifest.json", "statistics.safetensors", "croissant.json"
    }  # fmt: skip
    for file in release.all_files:
        content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
        assert ReleaseFile.of(file.path, content).sha256 == file.sha256
        assert len(content) == file.size


def test_geography_goes_with_the_shards(folder):
    (folder / GEOGRAPHY).parent.mkdir()
    (folder / GEOGRAPHY).write_bytes(b"tiles")
    digest = hashlib.sha256(b"tiles").hexdigest()
    dataclasses.replace(Manifest.read(folder), geography_sha256=digest).write(folder)
    release = collect(folder, "ORG/NAME")
    assert (GEOGRAPHY, digest) in {(file.path, file.sha256) for file in release.shards}
    files = {file.path: file for file in release.files}
    assert GEOGRAPHY in files["croissant.json"].content.decode()
    (folder / GEOGRAPHY).write_bytes(b"other")
    with pytest.raises(BuildError, match="geography"):
        collect(folder, "ORG/NAME")


def test_tables_of_observations_go_with_the_shards(tmp_path):
    folder = tmp_path / "data"
    manifest = write_tiny_dataset(folder, channels=("t2m",), reports_window=Window())
    tables = {(shard.path, shard.sha256) for shard in manifest.report_shards()}
    release = collect(folder, "ORG/NAME")
    assert len(tables) == 3 and tables < {(file.path, file.sha256) for file in release.shards}
    hidden = dataclasses.replace(manifest, splits={}, copies={})
    (tmp_path / "alone").mkdir()
    hidden.write(tmp_path / "alone")
    table = folder / manifest.reports.splits["test"][0].path
    for deny in tmp_path / "alone", shutil.copy(table, tmp_path / "truth.parquet"):
        with pytest.raises(BuildError, match=r"reports/.*\.parquet is denied: its content is that"):
            collect(folder, "ORG/NAME", deny=[deny])


def test_the_card_and_the_description_say_where_it_is(folder):
    files = {file.path: file for file in collect(folder, "ORG/NAME", tag="v1.0").files}
    assert b'load_dataset("ORG/NAME", "multimodal"' in files["README.md"].content
    described = json.loads(files["croissant.json"].content)
    assert described["url"] == "https://huggingface.co/datasets/ORG/NAME"
    assert described["distribution"][1]["contentUrl"].startswith(f"{described['url']}/resolve/v1.0")
    assert b'load_dataset("dambench"' in (folder / "README.md").read_bytes(), "left as it was"


def test_a_data_set_whose_times_are_not_numbers_is_refused(folder):
    dataclasses.replace(Manifest.read(folder), format_version=1).write(folder)
    with pytest.raises(BuildError, match="format version 1.*dambench convert .* --format parquet"):
        collect(folder, "ORG/NAME")


def test_a_benchmark_names_the_tasks_that_models_give_scores_of(folder):
    def files(**options):
        return {file.path: file.content for file in collect(folder, "ORG/NAME", **options).files}

    assert "eval.yaml" not in files()
    described = yaml.safe_load(files(framework="dambench")["eval.yaml"])
    assert described["evaluation_framework"] == "dambench"
    assert described["name"] and "higher is better" in described["description"]
    card = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    configs = {
        entry["config_name"]: [file["split"] for file in entry["data_files"]]
        for entry in card["configs"]
    }
    assert [task["id"] for task in described["tasks"]] == list(RANKED)
    assert all(task["split"] in configs[task["config"]] for task in described["tasks"])


def test_only_a_data_set_is_a_benchmark(model):
    with pytest.raises(BuildError, match="is a model; only a data set"):
        collect(model, "ORG/NAME", framework="dambench")


def test_git_hashes_are_those_of_git():
    assert ReleaseFile.of("a", b"hello\n").git_sha1 == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_damaged_data_set_is_refused(folder):
    data = bytearray((folder / SHARD).read_bytes())
    data[100] ^= 1
    (folder / SHARD).write_bytes(data)
    with pytest.raises(BuildError, match="test-00000-of-00001.parquet does not have the hash"):
        collect(folder, "ORG/NAME")
    (folder / SHARD).unlink()
    with pytest.raises(BuildError, match="is missing"):
        collect(folder, "ORG/NAME")
    (folder / "manifest.json").unlink()
    (folder / ".build").mkdir()
    with pytest.raises(DataError, match="build has not finished"):
        collect(folder, "ORG/NAME")


def test_strangers_are_refused(folder):
    shutil.copy(folder / SHARD, folder / "multimodal" / "extra.parquet")
    with pytest.raises(BuildError, match="does not name: multimodal/extra.parquet"):
        collect(folder, "ORG/NAME")


@pytest.mark.parametrize("name", ["test", "multimodal", "test-*", "test-00000-of-00001.parquet"])
def test_a_denied_name_is_refused(folder, name):
    """B9: of a split, a folder, a pattern, a file."""
    with pytest.raises(
        BuildError, match=r"test-00000-of-00001.parquet is denied by its name|multi"
    ):
        collect(folder, "ORG/NAME", deny=[name])
    collect(folder, "ORG/NAME", deny=["hidden", "hidden-*", "tes"])


def test_a_hidden_shard_is_refused_under_any_name(folder, hidden_folder, tmp_path):
    """B9: the file itself, renamed and put among public shards."""
    hidden = next(hidden_folder.glob("multimodal/test-*"))
    truth = shutil.copy(hidden, tmp_path / "truth.parquet")
    shutil.copy(hidden, folder / "multimodal" / "train-00008-of-00009.parquet")
    for deny in truth, hidden_folder, hidden_folder.parent, hidden_folder / "manifest.json":
        with pytest.raises(BuildError, match="train-00008-of-00009.parquet is denied: its content"):
            collect(folder, "ORG/NAME", deny=[deny])


def test_hidden_values_are_refused_in_another_format(folder, hidden_folder, tmp_path):
    """B9: the values of a public Parquet shard are those of a hidden HDF5 shard."""
    truths = tmp_path / "truths"
    write_tiny_dataset(truths, format="hdf5")
    with pytest.raises(BuildError, match=f"{SHARD} is denied: its content is that of"):
        collect(folder, "ORG/NAME", deny=[truths / "multimodal" / "test-00000-of-00001.h5"])
    (tmp_path / "alone").mkdir()
    alone = shutil.copy(truths / "manifest.json", tmp_path / "alone")
    with pytest.raises(BuildError, match="is denied: its content is that of"):
        collect(folder, "ORG/NAME", deny=[alone])
    collect(folder, "ORG/NAME", deny=[hidden_folder / "manifest.json"])


def test_what_is_denied_must_exist(folder, tmp_path):
    with pytest.raises(BuildError, match="nothing at .*its content cannot be denied"):
        collect(folder, "ORG/NAME", deny=[tmp_path / "hiden"])


def test_empty_files_deny_nothing(model, tmp_path):
    denied = tmp_path / "private"
    denied.mkdir()
    (denied / "__init__.py").touch()
    (model / "NOTES.md").touch()
    assert collect(model, "ORG/fnp", deny=[denied]) == collect(model, "ORG/fnp")


def test_a_model_is_weights_and_text(model):
    assert {f.path for f in collect(model, "ORG/fnp").files} == {"config.json", "model.safetensors"}
    assert collect(model, "ORG/fnp").kind == "model"
    for name in ("optimizer.pt", "model.bin", "state.pkl", "state"):
        (model / name).write_bytes(pickle.dumps({"a": 1}))
        with pytest.raises(BuildError, match=f"{name} is neither safetensors nor text"):
            collect(model, "ORG/fnp")
        (model / name).unlink()
    for name in ("more.safetensors", "notes.txt", "data.json"):
        (model / name).write_bytes(pickle.dumps({"a": 1}))
        with pytest.raises(BuildError, match=f"{name} is not what its name says"):
            collect(model, "ORG/fnp")
        (model / name).unlink()
    (model / "config.json").unlink()
    with pytest.raises(BuildError, match=r"no config.json; write the model with save_pretrained"):
        collect(model, "ORG/fnp", "model")


def test_the_scores_of_a_model_go_along_and_no_other_dot_file(model):
    for path in (".eval_results/dambench.yaml", ".git/config.yaml", ".env", ".cache/x.json"):
        (model / path).parent.mkdir(exist_ok=True)
        (model / path).write_text("- dataset: {id: ORG/dambench, task_id: unimodal}\n  value: 1\n")
    (model / ".eval_results" / "more").mkdir()
    (model / ".eval_results" / "more" / "a.yaml").write_text("")
    (model / ".eval_results" / ".hidden.yaml").write_text("")
    (model / ".eval_results" / "state.pkl").write_bytes(pickle.dumps(1))
    assert {f.path for f in collect(model, "ORG/fnp").files} == {
        "config.json", "model.safetensors", ".eval_results/dambench.yaml"
    }  # fmt: skip
    with pytest.raises(BuildError, match=r".eval_results/dambench.yaml is denied by its name"):
        collect(model, "ORG/fnp", deny=["dambench.yaml"])
    (model / ".eval_results" / "dambench.yaml").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BuildError, match="dambench.yaml is not what its name says"):
        collect(model, "ORG/fnp")


def test_the_card_of_a_model_loads_it_from_where_it_is(model):
    card = 'FNP.from_pretrained("runs/fnp/best")\ndb.load_data("dambench")\n'
    (model / "README.md").write_text(card)
    files = {file.path: file for file in collect(model, "ORG/fnp").files}
    wanted = b'FNP.from_pretrained("ORG/fnp")\ndb.load_data("dambench")\n'
    assert files["README.md"].content == wanted and files["README.md"].size == len(wanted)
    assert (model / "README.md").read_text() == card, "left as it was"


def test_the_state_of_a_training_stays_here(model, tmp_path):
    save_file({"m": np.zeros(2, "f4")}, model / "optimizer.safetensors")
    with pytest.raises(BuildError, match=r"optimizer.safetensors .* state of a training"):
        collect(model, "ORG/fnp")
    (model / "optimizer.safetensors").unlink()
    training = tmp_path / "runs" / "my_fnp"
    training.mkdir(parents=True)
    (training / "config.yaml").write_text("method: fnp")
    model.rename(training / "best")
    with pytest.raises(BuildError, match=r"is a training run. Publish .* my_fnp/best|my_fnp/best"):
        collect(training, "ORG/fnp")
    assert collect(training / "best", "ORG/fnp").title == "model my_fnp"


def test_a_space_has_what_its_header_names(tmp_path):
    folder = tmp_path / "board"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "app.pyc").write_bytes(b"")
    card = folder / "README.md"
    card.write_text("---\ntitle: Board\nsdk: gradio\napp_file: app.py\n---\n")
    with pytest.raises(BuildError, match="has no app.py, which a space"):
        collect(folder, "ORG/board")
    (folder / "app.py").write_text("")
    release = collect(folder, "ORG/board")
    assert (release.kind, release.sdk) == ("space", "gradio")
    assert {file.path for file in release.all_files} == {"README.md", "app.py"}
    card.write_text("---\ntitle: Board\n---\n")
    with pytest.raises(BuildError, match="needs one"):
        collect(folder, "ORG/board", "space")
    card.write_text("---\ntitle: [\n---\n")
    with pytest.raises(BuildError, match="header of .* cannot be read"):
        collect(folder, "ORG/board")


def test_a_metric_is_named_like_its_repository(tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "README.md").write_text("---\nsdk: gradio\ntags: [evaluate, metric]\n---\n")
    (folder / "scores.py").write_text("")
    assert collect(folder, "ORG/scores").kind == "metric"
    with pytest.raises(BuildError, match=r"has no points.py, which a metric named ORG/points"):
        collect(folder, "ORG/points")


def test_other_folders_are_of_no_kind(tmp_path):
    with pytest.raises(BuildError, match="no data set .*, no model .* and no Space"):
        collect(tmp_path, "ORG/NAME")
    with pytest.raises(BuildError, match="is not a folder"):
        collect(tmp_path / "absent", "ORG/NAME")
