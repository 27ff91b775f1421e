"""The publishing script: what it prints, its exit codes, and what arrives on a small Hub."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import hub_server as server
import numpy as np
import pytest
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "builders" / "publish.py"


SPEC = spec_from_file_location("publish_script", SCRIPT)
script = module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "fnp"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(2, "f4")}, folder / "model.safetensors")
    return folder


def test_a_dry_run_prints_the_plan_offline(tiny_folder, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("socket.socket.connect", None)
    assert script.main([str(tiny_folder), "--repo-id", "ORG/NAME", "--tag", "v1", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    size = (tiny_folder / "manifest.json").stat().st_size
    assert f"manifest.json  {size:,} bytes" in printed
    assert "17 files" in printed and "to the dataset ORG/NAME" in printed
    assert printed.rstrip().endswith("3. the tag v1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repo-id", "NAME"], "Give ORG/NAME"),
        (["--repo-id", "ORG/NAME", "--deny", "train"], "denied by its name (train)"),
        (["--repo-id", "ORG/NAME", "--deny", "a/b"], "nothing at a/b"),
        (["--repo-id", "ORG/NAME", "--kind", "model"], "save_pretrained"),
    ],
)
def test_wrong_input_exits_with_1(tiny_folder, capsys, options, message):
    assert script.main([str(tiny_folder), "--dry-run", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error


@pytest.mark.parametrize("options", [[], ["x"], ["x", "--repo-id", "a/b", "--kind", "paper"]])
def test_wrong_usage_exits_with_2(options):
    with pytest.raises(SystemExit) as exit_info:
        script.main(options)
    assert exit_info.value.code == 2


def test_the_command_publishes_or_sends_nothing(tiny_folder, model, tmp_path):
    with server.running_hub() as hub:

        def run(folder, repo_id, *options):
            return subprocess.run(
                [sys.executable, str(SCRIPT), str(folder), "--repo-id", repo_id, *options],
                env={**os.environ, **server.environment(hub, tmp_path / "home")},
                capture_output=True,
                text=True,
            )

        denied = next(tiny_folder.glob("multimodal/test-*"))
        refused = run(tiny_folder, "ORG/dambench", "--deny", str(denied))
        assert refused.returncode == 1 and "denied by its name" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert hub.sessions["hf_maintainer"].requests == []
        for kind, folder in ("datasets", tiny_folder), ("models", model):
            done = run(folder, f"ORG/{folder.name}", "--tag", "v1.0")
            assert done.returncode == 0, done.stderr
            assert "Tagged v1.0." in done.stdout
            repository = hub.repositories[kind, f"ORG/{folder.name}"]
            head = repository.branches["main"]
            assert repository.tags == {"v1.0": head} and len(repository.moves) == 2
            there = {path.split("/")[0] for path in repository.commits[head]}
            shown = {path.name for path in folder.iterdir()}
            assert there - {".gitattributes", "croissant.json"} == shown
