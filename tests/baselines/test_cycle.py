"""baselines/cycle.py and compare_cycles.py: from a method's name to its cycles, side by side."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from turning_world import CHANNELS, GRID, Turning, build_turning_world

from dambench_hub.cycling import CycleRecord
from dambench_hub.data import load_data
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import validate
from dambench_hub.scoring.evaluation import score

BASELINES = Path(__file__).parents[2] / "baselines"


def script(name):
    spec = importlib.util.spec_from_file_location(name, BASELINES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cycle, compare_cycles = script("cycle"), script("compare_cycles")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turning") / "data"
    build_turning_world(folder)
    return load_data(folder)


@pytest.fixture
def run(data, tmp_path, monkeypatch):
    """Cycles in the turning model; the exit code."""

    def run(method, *options, out="a.nc", damping=0.01):
        view = ChannelStates(Turning(damping), CHANNELS, GRID)
        monkeypatch.setattr(cycle, "find_view", lambda model, data: view)
        return cycle.main(
            [method, "--data", str(data.folder), "--out", str(tmp_path / out), *options]
        )

    return run


def test_a_cycle_becomes_a_prediction_a_record_and_a_picture(run, data, tmp_path, capsys):
    assert run("var3d", "--forecasts", "3") == 0
    path = tmp_path / "a.nc"
    assert str(path) in capsys.readouterr().out.split()
    assert validate(path, data) == []
    assert score(path, data).task == "cycling"
    record = CycleRecord.read(tmp_path / "a.errors.nc")
    assert record.done == 24 and list(record.lead_hours) == [24, 48, 72]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.errors.nc", "a.nc", "a.png"]


def test_ensembles_cycle_and_keep_their_members(run, tmp_path):
    assert run("letkf", "--members", "4", "--keep-members", "--option", "relaxation=0.5") == 0
    with open_prediction(tmp_path / "a.nc") as prediction:
        assert prediction[0].shape == (4, 2, 9, 16)
    assert np.all(CycleRecord.read(tmp_path / "a.errors.nc").arrays["background_spread"] > 0)


def test_it_goes_on_where_it_stopped(run, tmp_path, monkeypatch):
    assert run("var3d", "--members", "3", out="whole.nc") == 0
    one = cycle.CycleRun._one

    def five(self, *args):
        if self.record.done == 5:
            raise KeyboardInterrupt
        return one(self, *args)

    monkeypatch.setattr(cycle.CycleRun, "_one", five)
    assert run("var3d", "--members", "3", out="cut.nc") == 1
    assert not (tmp_path / "cut.nc").exists()
    monkeypatch.setattr(cycle.CycleRun, "_one", one)
    assert run("var3d", "--members", "4", out="cut.nc") == 1, "of other settings"
    assert run("var3d", "--members", "3", out="cut.nc") == 0
    records = [CycleRecord.read(tmp_path / f"{name}.errors.nc") for name in ("whole", "cut")]
    for name, array in records[0].arrays.items():
        np.testing.assert_array_equal(records[1].arrays[name], array)


def test_a_diverged_cycle_says_so_and_writes_no_prediction(run, tmp_path, capsys):
    with np.errstate(over="ignore", invalid="ignore"):
        assert run("background", damping=-1e15) == 1
    out, err = capsys.readouterr()
    assert "The cycle of background diverged: the" in err and "Traceback" not in err
    assert "diverged, the" in " ".join(out.split())
    assert not (tmp_path / "a.nc").exists()
    assert "not finite" in CycleRecord.read(tmp_path / "a.errors.nc").diverged


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["var3d", "--task", "unimodal"], "unimodal does not cycle; use baselines/predict.py"),
        (["var4", "--forecasts", "2"], "Unknown method 'var4'"),
        (["letkf", "--option", "localization_km=1"], "Did you mean 'localisation_km'?"),
        (["background", "--option", "a=1"], "background has no options"),
        (["letkf", "--option", "relaxation"], "Wanted is an option like"),
        (["letkf", "--device", "cuda"], "runs on the CPU"),
    ],
)
def test_what_cannot_be_done_is_said(run, capsys, tmp_path, arguments, message):
    assert run(*arguments) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(run, tmp_path, capsys):
    (tmp_path / "a.nc").write_text("mine")
    assert run("background") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "a.nc").read_text() == "mine"


@pytest.mark.parametrize("option", ["--members", "--forecasts", "--forecast-every"])
def test_wrong_usage(run, option):
    with pytest.raises(SystemExit, match="2"):
        run("background", option, "0")


def test_cycles_side_by_side(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert run("var3d", out="var3d.nc") == 0 and run("background", out="background.nc") == 0
    capsys.readouterr()
    files = [str(tmp_path / f"{name}.errors.nc") for name in ("background", "var3d")]
    assert compare_cycles.main([*files, "--out", str(tmp_path / "both.png")]) == 0
    first_words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [word for word in first_words if word in ("var3d", "background")] == [
        "var3d",
        "background",
    ]
    assert (tmp_path / "both.png").exists()
    assert compare_cycles.main([str(BASELINES / "README.md")]) == 1
    assert "is no record of a cycle" in capsys.readouterr().err


def test_predict_leaves_the_task_to_cycle(data, capsys):
    assert (
        script("predict").main(["background", "--data", str(data.folder), "--task", "cycling"]) == 1
    )
    assert "baselines/cycle.py background" in capsys.readouterr().err


def test_cycles_of_other_days_are_not_compared(run, tmp_path, capsys):
    assert run("background") == 0
    record = CycleRecord.read(tmp_path / "a.errors.nc")
    record.times = record.times + np.timedelta64(24, "h")
    record.write(tmp_path / "later.errors.nc", {})
    files = [str(tmp_path / name) for name in ("a.errors.nc", "later.errors.nc")]
    assert compare_cycles.main(files) == 1
    assert "are of other days or channels" in capsys.readouterr().err
