"""baselines/your_method: the page's commands, as they stand there, from the copy to the rank."""

import importlib.util
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from turning_world import CHANNELS, GRID, Turning, build_turning_world

from dambench_hub import cli
from dambench_hub.cycling import CycleRecord
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.models.registry import load_method, method_class
from dambench_hub.scoring.score_record import ScoreRecord

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "baselines" / "your_method" / "README.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
INSTALL = 'pip install -e "../cressman[test]"'
TESTS = "pytest ../cressman"


@pytest.fixture(scope="module")
def place(tiny_folder, tmp_path_factory):
    """A clone with the tiny data set, and beside it the renamed copy, installed in `site`."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building needs setuptools 77 or newer in this environment")
    place = tmp_path_factory.mktemp("place")
    (place / "clone").mkdir()
    (place / "clone" / "baselines").symlink_to(ROOT / "baselines")
    (place / "clone" / "dambench").symlink_to(tiny_folder)
    copying = LINES[LINES.index("cp -r baselines/your_method ../cressman") : LINES.index(INSTALL)]
    subprocess.run(["bash", "-ec", "\n".join(copying)], cwd=place / "clone", check=True)
    without_network = ["--no-index", "--no-deps", "--no-build-isolation", "--target", "../site"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", *without_network, "../cressman"]
    subprocess.run(pip, cwd=place / "clone", check=True)
    return place


@pytest.fixture
def installed(place, monkeypatch):
    monkeypatch.syspath_prepend(place / "site")
    monkeypatch.chdir(place / "clone")
    AcceleratorState._reset_state(True)
    return place / "clone"


def script(name):
    path = ROOT / "baselines" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(line, monkeypatch, *more):
    """A line of the page in this process; its exit code."""
    assert line in LINES
    program, name, *arguments = shlex.split(line)
    if program == "python":
        return script(Path(name).stem).main([*arguments, *more])
    monkeypatch.setattr("sys.argv", [program, name, *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def lines_with(word, *programs):
    return [line for line in LINES if word in line and line.split()[0] in programs]


def test_the_copy_has_the_new_name_and_passes_its_tests(place):
    files = list((place / "cressman").glob("*.*"))
    assert {"pyproject.toml", "cressman.py", "test_cressman.py"} <= {path.name for path in files}
    old = re.compile("your[_-]method|YourMethod")
    for path in files:
        assert path.is_dir() or not old.search(path.name + path.read_text("utf-8")), path
    assert TESTS in LINES
    command = [sys.executable, "-m", *shlex.split(TESTS), "-q", "-p", "no:cacheprovider"]
    paths = f"{place / 'site'}:{ROOT}"
    done = subprocess.run(
        command, cwd=place / "clone", env={"PYTHONPATH": paths, "PATH": ""}, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode()


def test_from_a_prediction_to_a_rank(installed, monkeypatch, capsys):
    commands = [
        line
        for line in LINES
        if line.startswith(("python baselines/predict.py", "dambench ")) and "network" not in line
    ]
    for line in (line for line in commands if "cycle" not in line):
        assert run(line, monkeypatch) == 0, line
    board = [line for line in commands if line.startswith("dambench leaderboard")]
    capsys.readouterr()
    assert run(*board, monkeypatch) == 0
    ranked = re.findall(r"^ ?\d +(\w+) ", capsys.readouterr().out, re.M)
    assert ranked == ["cressman", "background"]


def test_its_record_has_its_cost_and_its_command(installed, monkeypatch):
    (predicting, *_) = lines_with("results/cressman.nc", "python")
    assert run(predicting, monkeypatch, "--overwrite") == 0
    (recording,) = lines_with("record.py", "python")
    assert run(recording, monkeypatch) == 0
    record = ScoreRecord.read(installed / "results" / "scores" / "cressman.json")
    assert record.cost.seconds > 0 and record.cost.parameters is None
    assert record.command == "python baselines/predict.py cressman --task unimodal"
    table = script("table")
    assert table.is_fitted("cressman") and not table.is_fitted("your_network")
    assert not table.is_fitted("nobody_knows")


def test_options_reach_it(installed, monkeypatch, capsys):
    predict = ["cressman", "--data", "dambench", "--task", "unimodal", "--out", "x.nc"]
    option = shlex.split(re.search(r"`(--option [^`]+)`", PAGE)[1])
    assert script("predict").main([*predict, *option]) == 0
    assert script("predict").main([*predict, "--overwrite", "--option", "radius_km=1"]) == 1
    assert "Did you mean 'radii_km'?" in capsys.readouterr().err


def test_the_network_trains_and_predicts(installed, monkeypatch):
    training, predicting, submitting = lines_with("your_network-0", "python", "dambench")
    run_file = (ROOT / "baselines" / "your_method" / "your_network.yaml").read_text("utf-8")
    assert "width: 64" in run_file
    assert run(training, monkeypatch, "epochs=1", "width=8") == 0
    assert run(predicting, monkeypatch) == 0
    assert run(submitting, monkeypatch) == 0
    trained = installed / "runs" / "your_network-0"
    assert "method_package: cressman 0.1.0" in (trained / "config.yaml").read_text("utf-8")
    model = load_method(trained)
    assert model.parameter_count > 0
    carding = re.search(r"`python baselines/card.py ([^`]+)`", PAGE)[1]
    assert script("card").main(shlex.split(carding)) == 0
    card = (trained / "best" / "README.md").read_text("utf-8")
    assert 'pip install "dambench-hub[train]" cressman' in card
    assert 'load_method("runs/your_network-0/best")' in card


def test_the_untrained_network_is_the_background(installed, tiny_data):
    network = method_class("your_network")(channels=tiny_data.channels, grid=str(tiny_data.grid))
    network.set_statistics(tiny_data.statistics)
    batch = next(tiny_data.batches("unimodal"))
    assert torch.equal(network.assimilate(batch).mean, torch.from_numpy(batch.background.copy()))


def test_it_cycles(installed, monkeypatch, tmp_path):
    build_turning_world(tmp_path / "data")
    cycle = script("cycle")
    view = ChannelStates(Turning(0.01), CHANNELS, GRID)
    monkeypatch.setattr(cycle, "find_view", lambda model, data: view)
    (line, *_) = lines_with("cycle.py cressman", "python")
    words = shlex.split(line.replace("--data cycle", f"--data {tmp_path / 'data'}"))
    assert cycle.main([*words[2:], "--forecasts", "1"]) == 0
    assert CycleRecord.read(installed / "results" / "cressman_cycle.errors.nc").done == 24
