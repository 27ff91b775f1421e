"""baselines/ablations.py: observations get worse, and what was scored is kept."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.models.registry import method_class

SCRIPT = Path(__file__).parents[2] / "baselines" / "ablations.py"
SPEC = importlib.util.spec_from_file_location("ablations", SCRIPT)
ablations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ablations)

FEW = ("--coarse", "2", "4", "--noisy", "0.25", "1", "--sparse", "5", "10", "40")


def run(folder, tiny_folder, *more):
    out = ["--data", str(tiny_folder), "--out", str(folder / "ablations")]
    return ablations.main([*more, *FEW, *out])


@pytest.fixture
def cells(tmp_path, tiny_folder):
    """Of a first run with one method."""
    assert run(tmp_path, tiny_folder, "optimal_interpolation") == 0
    return json.loads((tmp_path / "ablations.json").read_text())["cells"]


def skill(cells, **observations):
    (found,) = [
        cell["scores"]["skill"]
        for cell in cells
        if all(cell["observations"][name] == value for name, value in observations.items())
    ]
    return found


def test_worse_observations_leave_less_skill(cells, tmp_path):
    column = {"network": "column", "density": 0.1}
    assert skill(cells, **column, error_scale=0.25) > skill(cells, **column, error_scale=1.0)
    sparse, dense = (
        skill(cells, network="column", density=density, error_scale=0.25) for density in (0.05, 0.4)
    )
    assert sparse < dense
    assert skill(cells, network="blocks", density=1 / 16) < skill(
        cells, network="blocks", density=1 / 4
    )
    # Of seven values, 10 % and an error of 0.25 are the same, those of the task.
    assert len(cells) == 6
    assert (tmp_path / "ablations.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_scored_is_kept_and_more_can_be_added(
    cells, tmp_path, tiny_folder, monkeypatch, capsys
):
    def refuse(*args, **kwargs):
        raise AssertionError("it was scored already")

    monkeypatch.setattr(method_class("optimal_interpolation"), "assimilate", refuse)
    assert run(tmp_path, tiny_folder, "optimal_interpolation", "background") == 0
    again = json.loads((tmp_path / "ablations.json").read_text())["cells"]
    assert again[: len(cells)] == cells and len(again) == 2 * len(cells)
    table = capsys.readouterr().out
    assert table.count("0.0 / ") == 7 and "sparse" in table
    np.testing.assert_allclose([c["scores"]["skill"] for c in again[len(cells) :]], 0, atol=1e-9)


def test_a_method_may_be_given_options(tmp_path, tiny_folder, capsys):
    more = ["letkf", "letkf:members=5", "letkf:members=5:localisation_km=9000"]
    assert run(tmp_path, tiny_folder, *more, "--stride", "4") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    heading, _, first, *_ = ([cell.strip() for cell in line.split("|")][3:-1] for line in lines)
    assert heading == more
    assert len(set(first)) == 3
    kept = json.loads((tmp_path / "ablations.json").read_text())["cells"]
    assert {cell["method"] for cell in kept} == {"letkf"}
    assert {json.dumps(cell["options"]) for cell in kept} == {
        "{}",
        '{"members": 5}',
        '{"members": 5, "localisation_km": 9000}',
    }
    for wrong, words in (("letkf:member=5", "no option 'member'"), ("letkf:5", "Wanted is an")):
        assert run(tmp_path, tiny_folder, wrong, "--stride", "4") == 1
        assert words in capsys.readouterr().err


def test_many_methods_are_rows(tmp_path, tiny_folder, capsys):
    out = ["--data", str(tiny_folder), "--out", str(tmp_path / "ablations")]
    one = ["--coarse", "--sparse", "--noisy", "0.25"]
    assert ablations.main(["background", "optimal_interpolation", *one, *out]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed]
    assert cells[0] == ["method", "noisy 0.25"]
    assert [line[0] for line in cells[2:]] == ["background", "optimal_interpolation"]
    assert cells[2][1].startswith("0.0 / ")


def test_a_record_of_something_else_is_not_mixed_in(cells, tmp_path, tiny_folder, capsys):
    assert run(tmp_path, tiny_folder, "background", "--stride", "2") == 1
    assert "stride is 1 there, 2 here" in capsys.readouterr().err
    assert ablations.main(["background", "--coarse", "--noisy", "--sparse"]) == 1
    assert "Nothing to vary" in capsys.readouterr().err
