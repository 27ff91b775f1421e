"""What the READMEs show must run: its Python, its commands, its links."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.cli.install_metric import MODULE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BUILDERS = (ROOT / "builders" / "README.md").read_text("utf-8")
BASELINES = (ROOT / "baselines" / "README.md").read_text("utf-8")
YOUR_METHOD = (ROOT / "baselines" / "your_method" / "README.md").read_text("utf-8")
ALL = README + BUILDERS + BASELINES + YOUR_METHOD
LINES = re.findall(r"^((?:python|dambench|make) .+)$", ALL, re.MULTILINE)
INLINE = re.findall(r"`((?:python|dambench|make) [^`]+)`", ALL)
COMMANDS = sorted({command.split("#")[0].strip() for command in LINES + INLINE})


@pytest.fixture
def beside_data(tiny_folder, tmp_path, monkeypatch):
    """A folder with the data set `dambench` and the metric in it."""
    (tmp_path / "dambench").symlink_to(tiny_folder)
    (tmp_path / "dambench_metrics").symlink_to(MODULE.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def test_its_python_runs_from_top_to_bottom(beside_data):
    assert len(PYTHON) >= 4
    fields = np.zeros((2, 3, 9, 16), "f4")
    names = {"analysis": fields + 1, "reference": fields}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), names)
    assert (beside_data / "mine.nc").stat().st_size > 0


def test_its_commands_exist():
    assert any(command.startswith("dambench ") for command in COMMANDS)
    assert any(command.startswith("python ") for command in COMMANDS)
    for command in COMMANDS:
        program, name, *options = shlex.split(command)
        if program == "make":
            known = ["make", "--dry-run", "--directory", ROOT, name, *options]
            assert subprocess.run(known, capture_output=True, check=False).returncode == 0, command
            continue
        options = [word for word in options if word.startswith("--")]
        script = (str(ROOT / name),) if program == "python" else ("-m", "dambench_hub.cli", name)
        known = help_of(*script)
        for option in options:
            assert option in known, f"{command}: no {option}"


@cache
def help_of(*script):
    done = subprocess.run(
        [sys.executable, *script, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout


def test_its_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).is_file(), link
    for folder, text in (("builders", BUILDERS), ("baselines", BASELINES)):
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / folder / link).is_file(), link
