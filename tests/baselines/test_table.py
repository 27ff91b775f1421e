"""baselines/table.py: prediction files as one table."""

import importlib.util
from pathlib import Path

import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score

SCRIPT = Path(__file__).parents[2] / "baselines" / "table.py"
SPEC = importlib.util.spec_from_file_location("table", SCRIPT)
table = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(table)


@pytest.fixture
def written(tiny_data, tmp_path):
    """Predictions that move the background towards the reference by a share."""

    def written(name, share):
        analyses = (
            Analysis(batch.background + share * (batch.reference - batch.background))
            for batch in tiny_data.batches("unimodal", batch_size=2)
        )
        path = tmp_path / f"{name}.nc"
        write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name=name)
        return str(path)

    return written


def rows(capsys, *arguments):
    code = table.main(list(arguments))
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return code, [dict(zip(cells[0], row, strict=True)) for row in cells[2:]] if cells else []


def test_methods_in_the_order_of_their_error(written, tiny_data, tiny_folder, capsys, tmp_path):
    files = [written("background", 0.0), written("mine-0", 0.5), written("mine-1", 0.4)]
    code, (mine, background) = rows(capsys, *files, "--data", str(tiny_folder), "--block-days", "1")
    assert (code, mine["method"], mine["seeds"]) == (0, "mine", "2")
    seeds = [score(path, tiny_data).scores["mse"] for path in files[1:]]
    mean, spread = mine["MSE"].split(" ± ")
    assert float(mean) == pytest.approx(sum(seeds) / 2, rel=1e-3)
    assert float(spread) == pytest.approx(abs(seeds[0] - seeds[1]) / 2**0.5, rel=0.1)
    low, high = map(float, background["95 %"].split(" … "))
    assert low < float(background["MSE"]) < high
    assert mine["parameters"] == "–" and float(background["analysis, s"]) >= 0
    assert "z500" in mine and "u10" not in mine


def test_a_missing_file_is_told(tiny_folder, tmp_path, capsys):
    assert table.main([str(tmp_path / "x.nc"), "--data", str(tiny_folder)]) == 1
    assert "x.nc" in capsys.readouterr().err
