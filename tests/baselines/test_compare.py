"""baselines/compare.py: two recorded methods, day by day."""

import dataclasses
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.scoring.score_record import ScoreRecord

FOLDER = Path(__file__).parents[2] / "baselines"
SCORES = FOLDER / "scores"
SPEC = importlib.util.spec_from_file_location("compare", FOLDER / "compare.py")
compare = sys.modules["compare"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(compare)


def read(name):
    return ScoreRecord.read(SCORES / f"{name}.json")


def rows(capsys, *args):
    """The table, by heads."""
    assert compare.main(list(map(str, args))) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def numbers(text):
    return [float(x.replace("−", "-")) for x in re.findall(r"[+−]?\d+\.\d+", text)]


def test_the_difference_is_that_of_the_skills_and_changes_its_sign(capsys):
    there, back = rows(capsys, "letkf:var3d", "var3d:letkf")
    skills = [read(name).result.scores["skill"] for name in ("letkf", "var3d")]
    (difference,) = numbers(there["difference"])
    assert difference == pytest.approx(skills[1] - skills[0], abs=0.006)
    assert numbers(back["difference"]) == [-difference]
    assert int(there["better on"]) + int(back["better on"]) == int(there["days"])
    low, high = numbers(there["95 %"])
    assert low < difference < high


def test_a_method_differs_from_itself_by_nothing(capsys):
    (row,) = rows(capsys, "var3d:var3d")
    assert numbers(row["difference"]) + numbers(row["95 %"]) == [0, 0, 0]
    assert (row["better on"], row["less on"]) == ("0", "0")
    assert numbers(row["MSE of t850"]) == [0]


def test_mean_square_errors_are_those_of_the_records(capsys):
    (row,) = rows(capsys, "background:var3d")
    mse = [read(name).result.scores["mse"] for name in ("background", "var3d")]
    assert numbers(row["MSE"])[:2] == pytest.approx(mse, rel=1e-3)
    t850 = [
        read(name).result.scores["rmse_pooled"]["t850"] ** 2 for name in ("background", "var3d")
    ]
    assert numbers(row["MSE of t850"]) == pytest.approx([100 * (t850[1] / t850[0] - 1)], abs=0.06)


def with_skill(record, name, points):
    """The record of another training, on every day better by some points."""
    result = record.result
    better = dataclasses.replace(
        result,
        scores=result.scores | {"skill": result.scores["skill"] + points},
        skill_by_day=tuple(np.add(result.skill_by_day, points).tolist()),
    )
    return dataclasses.replace(record, name=name, result=better)


def test_a_name_without_seed_is_the_mean_of_its_trainings(tmp_path, capsys):
    record = read("var3d")
    record.write(tmp_path)
    for seed, points in enumerate((0.0, 2.0, 4.0)):
        with_skill(record, f"mine-{seed}", points).write(tmp_path)
        with_skill(record, f"better-{seed + 1}", points + 0.5).write(tmp_path)
    one, mean, seeds = rows(
        capsys, "var3d:mine-1", "var3d:mine", "mine:better", "--records", tmp_path
    )
    assert (one["difference"], mean["difference"], mean["by seed"]) == ("+2.00", "+2.00", "–")
    assert mean["better on"] == "120"
    assert (seeds["difference"], seeds["by seed"]) == ("+0.50", "−1.50, −1.50")


def test_channels_are_found_by_name(tmp_path, capsys):
    record = read("var3d")
    record.write(tmp_path)
    result = record.result
    turned = dataclasses.replace(
        result,
        scores=result.scores | {"rmse": dict(reversed(result.scores["rmse"].items()))},
        square_errors=result.square_errors[:, ::-1],
    )
    dataclasses.replace(record, name="turned", result=turned).write(tmp_path)
    (row,) = rows(capsys, "var3d:turned", "--records", tmp_path)
    assert numbers(row["MSE of t850"]) == [0]


def test_what_does_not_compare_is_refused(tmp_path, capsys):
    record = read("var3d")
    record.write(tmp_path)
    hours = tuple(hour + 24 for hour in record.result.hours)
    for name, changes in (
        ("elsewhere", {"dataset_revision": "0" * 16}),
        ("later", {"hours": hours}),
        ("later-0", {}),
    ):
        other = dataclasses.replace(record.result, **changes)
        dataclasses.replace(record, name=name, result=other).write(tmp_path)
    (tmp_path / "empty").mkdir()
    told = [
        ("var3d:elsewhere", tmp_path, "revision 0000000000000000"),
        ("var3d:later", tmp_path, "has seeds there, too. Name a seed"),
        ("var3d:var4d", tmp_path, "Did you mean 'var3d'?"),
        ("var3d:var3d", tmp_path / "empty", "is no folder with records"),
        ("background:background", SCORES / "synop", "has no skill by day"),
    ]
    for names, folder, words in told:
        assert compare.main([names, "--records", str(folder)]) == 1
        assert words in capsys.readouterr().err
    (tmp_path / "later-0.json").unlink()
    assert compare.main(["var3d:later", "--records", str(tmp_path)]) == 1
    assert "120 days from 2024-01-03" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["var3d", "var3d:", "a:b:c"])
def test_a_pair_is_two_names(wrong, capsys):
    with pytest.raises(SystemExit) as end:
        compare.parse_args([wrong])
    assert end.value.code == 2 and "ONE:OTHER" in capsys.readouterr().err


def test_the_tables_of_the_pages_are_those_of_the_records():
    text = (FOLDER / "README.md").read_text("utf-8")
    commands = re.findall(r"^python (baselines/compare\.py .*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        args = compare.parse_args(shlex.split(command)[1:])
        printed = compare.table(args.pairs, SCORES).split("\n\n")[0]
        assert printed in text, f"baselines/README.md has another table than {command} prints"
