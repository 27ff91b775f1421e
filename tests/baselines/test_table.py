"""baselines/record.py and table.py: prediction files as records, records as one table."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import tiny_plan, write_tiny_dataset

FOLDER = Path(__file__).parents[2] / "baselines"


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


record, table = script("record"), script("table")


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A data set whose test days are enough for intervals."""
    folder = tmp_path_factory.mktemp("long") / "long"
    test = np.datetime64("2024-01-01T00", "h") + 10 * 24 * np.arange(12)
    times = {**tiny_plan().times, "test": test}
    write_tiny_dataset(folder, times=times)
    return load_data(folder)


def write(folder, data, name, share, noise=0.0):
    """A prediction that moves the background towards the reference by a share."""
    rng = np.random.default_rng(hash_of(name))
    analyses = (
        Analysis(
            batch.background
            + (share + noise * rng.normal(size=(len(batch), 1, 1, 1)).astype("f4"))
            * (batch.reference - batch.background)
        )
        for batch in data.batches("unimodal", batch_size=2)
    )
    path = folder / f"{name}.nc"
    write_predictions(path, analyses, task="unimodal", data=data, model_name=name)
    return str(path)


def hash_of(name):
    return sum(map(ord, name))


def recorded(files, data, folder):
    """The folder of the files' records."""
    options = ["--data", str(data), "--runs", str(folder / "runs"), "--out", str(folder / "scores")]
    assert record.main([*files, *options]) == 0
    return str(folder / "scores")


def rows(capsys, folder):
    capsys.readouterr()
    code = table.main([folder])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return code, [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_methods_in_the_order_of_their_skill(long, tmp_path, capsys):
    files = [
        write(tmp_path, long, name, share, 0.05)
        for name, share in (("letkf", 0.2), ("mine-0", 0.5), ("mine-1", 0.45))
    ]
    files.append(write(tmp_path, long, "background", 0.0))
    code, found = rows(capsys, recorded(files, long.folder, tmp_path))
    mine, letkf, background = found[:3]
    assert (code, mine["method"], mine["seeds"]) == (0, "mine", "2")
    assert [row["ranks"] for row in found[:3]] == ["1", "2", "3"]
    seeds = [score(path, long).scores["skill"] for path in files[1:3]]
    mean, spread = mine["skill, %"].split(" ± ")
    assert float(mean) == pytest.approx(sum(seeds) / 2, abs=0.01)
    assert float(spread) == pytest.approx(abs(seeds[0] - seeds[1]) / 2**0.5, abs=0.01)
    low, high = map(float, mine["95 %"].split(" … "))
    assert low < float(mean) < high
    assert (background["skill, %"], background["95 %"]) == ("0.00", "0.0 … 0.0")
    assert mine["parameters"] == "–" and float(background["analysis, s"]) >= 0
    assert float(letkf["MSE"]) < float(background["MSE"])
    assert "z500" in mine and "u10" not in mine


def test_a_classical_method_with_modalities_costs_what_it_costs_without_training(
    long, tmp_path, capsys
):
    files = [write(tmp_path, long, name, 0.3) for name in ("multi_letkf", "multi_mine")]
    _, found = rows(capsys, recorded(files, long.folder, tmp_path))
    seconds = {row["method"]: row["analysis, s"] for row in found}
    assert float(seconds["multi_letkf"]) > 0 and seconds["multi_mine"] == "–"


def test_what_intervals_hold_is_said(long, tmp_path, capsys):
    files = [write(tmp_path, long, f"mine-{seed}", 0.5 + seed / 20, 0.05) for seed in (0, 1)]
    folder = Path(recorded(files, long.folder, tmp_path))
    for given, words in (
        ([folder], "pooled over 1 method)"),
        ([folder / "mine-0.json"], "not of training"),
    ):
        assert table.main(list(map(str, given))) == 0
        assert words in capsys.readouterr().out


def test_too_few_days_are_told(tiny_data, tiny_folder, tmp_path, capsys):
    path = write(tmp_path, tiny_data, "mine", 0.5)
    assert table.main([recorded([path], tiny_folder, tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "No intervals: 5 samples lie in" in out and "| – | – |" in out


def test_a_missing_file_is_told(tiny_folder, tmp_path, capsys):
    assert record.main([str(tmp_path / "x.nc"), "--data", str(tiny_folder)]) == 1
    assert "x.nc" in capsys.readouterr().err
    assert table.main([str(tmp_path / "x.json")]) == 1
    assert "x.json is not a record" in capsys.readouterr().err
    assert table.main([str(tmp_path)]) == 1
    assert "found no records" in capsys.readouterr().err


def test_columns_are_chosen_by_their_heads(long, tmp_path, capsys):
    folder = recorded([write(tmp_path, long, "mine", 0.5)], long.folder, tmp_path)
    capsys.readouterr()
    assert table.main([folder, "--columns", "method", "z500", "skill, %"]) == 0
    assert capsys.readouterr().out.startswith("| method | skill, % | z500 |\n| --- | ---: | ---: |")
    assert table.main([folder, "--columns", "z50"]) == 1
    assert "Did you mean" in capsys.readouterr().err


def test_uncertainty_is_a_column_on_demand(long, tmp_path, capsys):
    """Of members and of a predicted std; a method without either has a dash."""
    batches = list(long.batches("unimodal", batch_size=4))
    deviation = long.statistics.background_error_std.astype("f4")[:, None, None]
    offsets = np.array([-0.5, 0.5], "f4").reshape(-1, 1, 1, 1)
    kinds = {
        "sure": [Analysis(b.background, np.ones_like(b.background) * deviation) for b in batches],
        "sampled": [
            Analysis(b.background, members=b.background[:, None] + offsets * deviation)
            for b in batches
        ],
        "mute": [Analysis(b.background) for b in batches],
    }
    files = {name: tmp_path / f"{name}.nc" for name in kinds}
    for name, analyses in kinds.items():
        write_predictions(files[name], analyses, task="unimodal", data=long, model_name=name)
    folder = recorded(list(map(str, files.values())), long.folder, tmp_path)
    _, found = rows(capsys, folder)
    heads = ["CRPS", "spread/skill", "skill, ∞ members"]
    assert not set(heads) & set(found[0])
    assert table.main([folder, "--columns", "method", *heads]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    cells = {
        row[0]: row[1:] for row in ([c.strip() for c in line[1:-1].split("|")] for line in lines)
    }
    assert cells["mute"] == ["–"] * 3
    crps_at, spread_at, at_infinity = map(cells["method"].index, heads)
    assert cells["sure"][spread_at] == cells["sure"][at_infinity] == "–"
    assert float(cells["sampled"][spread_at]) > 0
    infinite = score(files["sampled"], long).scores["skill_infinite_ensemble"]
    assert cells["sampled"][at_infinity].replace("−", "-") == f"{infinite:.2f}"
    std = dict(zip(long.channels, long.statistics.std, strict=True))
    for name in "sure", "sampled":
        crps = score(files[name], long).scores["crps"]
        wanted = np.mean([crps[channel] / std[channel] for channel in crps])
        assert float(cells[name][crps_at]) == pytest.approx(wanted, rel=1e-3)


def test_a_crps_without_units_is_refused(long, tmp_path, capsys):
    analyses = (
        Analysis(b.background, np.ones_like(b.background)) for b in long.batches("unimodal")
    )
    write_predictions(tmp_path / "x.nc", analyses, task="unimodal", data=long, model_name="x")
    path = Path(recorded([str(tmp_path / "x.nc")], long.folder, tmp_path), "x.json")
    content = json.loads(path.read_text())
    del content["std"]
    path.write_text(json.dumps(content))
    assert table.main([str(path)]) == 0
    assert table.main([str(path), "--columns", "method", "CRPS"]) == 1
    assert "Record the prediction again" in capsys.readouterr().err


def test_a_record_says_which_target_makes_its_prediction(long, tmp_path):
    (tmp_path / "density-01").mkdir()
    write(tmp_path, long, "var3d", 0.5)
    for path in ("var3d.nc", "density-01/var3d.nc"):
        analyses = (Analysis(b.background) for b in long.batches("density-01", batch_size=2))
        if "/" in path:
            options = {"task": "density-01", "data": long, "model_name": "var3d"}
            write_predictions(tmp_path / path, analyses, **options)
        out = tmp_path / "scores" / path
        options = ["--data", str(long.folder), "--runs", str(tmp_path), "--out", str(out.parent)]
        assert record.main([str(tmp_path / path), *options]) == 0
        assert json.loads(out.with_suffix(".json").read_text())["command"] == f"make results/{path}"


def test_a_record_of_another_task_is_not_replaced(long, tmp_path, capsys):
    write(tmp_path, long, "var3d", 0.5)
    options = ["--data", str(long.folder), "--runs", str(tmp_path), "--out", str(tmp_path)]
    assert record.main([str(tmp_path / "var3d.nc"), *options]) == 0
    kept = (tmp_path / "var3d.json").read_bytes()
    analyses = (Analysis(b.background) for b in long.batches("density-01", batch_size=2))
    other = tmp_path / "other" / "var3d.nc"
    other.parent.mkdir()
    write_predictions(other, analyses, task="density-01", data=long, model_name="var3d")
    assert record.main([str(other), *options]) == 1
    assert "is of the task unimodal, the predictions are of density-01" in capsys.readouterr().err
    assert (tmp_path / "var3d.json").read_bytes() == kept


def test_errors_at_stations_have_a_table_of_their_own(
    predict_stations, stations_folder, tmp_path, capsys
):
    (tmp_path / "synop").mkdir()
    for name, shift in (("background", 0.0), ("mine", 5.0)):
        predict_stations(shift).rename(tmp_path / "synop" / f"{name}.nc")
        path = str(tmp_path / "synop" / f"{name}.nc")
        folder = recorded([path], stations_folder, tmp_path)
    again = json.loads(Path(folder, "background.json").read_text())
    assert again["command"] == "make results/synop/background.nc"
    assert "station_errors" not in again["result"]
    capsys.readouterr()
    assert table.main([str(folder)]) == 0
    first, second = capsys.readouterr().out.splitlines()[2:4]
    scores = again["result"]["scores"]
    assert first.startswith("| background |") and second.startswith("| mine |")
    assert f"| {scores['station_rmse']:#.4g} |" in first and first.endswith("| 0.00 |")
    assert table.main([str(folder), "--columns", "method", "95 %, K"]) == 0
    low, high = (scores[end]["t2m"] for end in ("rmse_low", "rmse_high"))
    assert f"| background | {low:#.4g} … {high:#.4g} |" in capsys.readouterr().out
    assert table.main([str(folder), "--columns", "SpecDiv"]) == 1


def test_rows_can_be_left_out(long, tmp_path, capsys):
    files = [write(tmp_path, long, name, 0.3) for name in ("longer_mine-0", "longer_x", "mine-0")]
    folder = recorded(files, long.folder, tmp_path)
    capsys.readouterr()
    assert table.main([folder, "--without", "longer_*", "--columns", "method"]) == 0
    assert capsys.readouterr().out.splitlines()[2:4] == ["| mine |", ""]
    assert table.main([folder, "--without", "*"]) == 1
    assert "found no records" in capsys.readouterr().err


SCORES = sorted((FOLDER / "scores").glob("*.json"))


@pytest.mark.skipif(not SCORES, reason="no baselines are recorded")
@pytest.mark.parametrize("page", ["README.md", "baselines/README.md"])
def test_the_tables_of_the_pages_are_those_of_the_records(page):
    """Each page says with which command its table was printed."""
    text = (FOLDER.parent / page).read_text("utf-8")
    commands = re.findall(r"`python (baselines/table\.py baselines/scores[^`]*)`", text)
    assert commands
    for command in commands:
        args = table.parse_args(shlex.split(command)[1:])
        folders = [FOLDER.parent / folder for folder in args.records]
        records = table.read_records(folders, args.task, args.without)
        printed = table.table(records, args.columns).split("\n\n")[0]
        assert printed in text, f"{page} has another table than {command} prints"
