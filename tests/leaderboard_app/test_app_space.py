"""The folder of the leaderboard is a Space that can be pushed as it is."""

import shutil
from pathlib import Path

import pytest
import yaml

from dambench_hub.errors import BuildError
from dambench_hub.hub.publishing import describe
from dambench_hub.hub.release import collect
from dambench_hub.version import __version__

FOLDER = Path(__file__).parents[2] / "leaderboard_app"
NEEDED = {"README.md", "app.py", "requirements.txt", "scorer.py"}


def header(folder=FOLDER):
    return yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])


def test_the_folder_is_a_space_with_all_its_files():
    release = collect(FOLDER, "ORG/board")
    assert (release.kind, release.sdk) == ("space", "gradio")
    paths = {file.path for file in release.files}
    records = {path for path in paths if path.startswith("scores/")}
    assert paths - records == NEEDED
    assert "scores/var3d.json" in records and "scores/multimodal/background.json" in records
    assert "to the space ORG/board" in describe(release, "ORG/board")


def test_the_header_asks_for_sign_in_and_for_the_gradio_that_was_tried():
    front = header()
    assert front["hf_oauth"] is True
    assert 0 < front["hf_oauth_expiration_minutes"] <= 480
    assert "hf_oauth_scopes" not in front  # who somebody is, and nothing more
    pins = (FOLDER.parent / "constraints.txt").read_text().splitlines()
    assert f"gradio=={front['sdk_version']}" in pins
    assert len(front["short_description"]) <= 60


def test_a_space_runs_this_version(tmp_path):
    folder = tmp_path / "leaderboard_app"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for line in ("dambench-hub[app]==0.0.1", "dambench-hub[app]>=0.1", "dambench-hub"):
        (folder / "requirements.txt").write_text(f"{line}\n")
        with pytest.raises(BuildError, match=f"Pin it: dambench-hub.app.=={__version__}"):
            collect(folder, "ORG/board")
