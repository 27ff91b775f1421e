"""`dambench export`: a store for each kind of source, and a message for each mistake."""

import numpy as np
import pytest
import xarray as xr

from dambench_hub.cli import commands as cli
from dambench_hub.data.batch import Analysis
from dambench_hub.predictions.writer import write_predictions


@pytest.fixture
def export(capsys):
    """Run the command; gives exit code, stdout and stderr."""

    def run(*arguments):
        try:
            cli.main(["export", *map(str, arguments)])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def file(tiny_data, tmp_path):
    analyses = (Analysis(b.background, time=b.time) for b in tiny_data.batches("unimodal"))
    path = tmp_path / "mine.nc"
    write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="mine")
    return path


def test_a_data_set_and_a_file_become_stores(export, tiny_folder, tiny_data, file, tmp_path):
    jobs = {
        "reference": [tiny_folder],
        "train": [tiny_folder, "--split", "train"],
        "background": [tiny_folder, "--background"],
        "mine": [file, "--data", tiny_folder],
    }
    for name, arguments in jobs.items():
        code, out, err = export(*arguments, "--zarr", tmp_path / f"{name}.zarr")
        assert code == 0 and f"{name}.zarr" in out and f"Writing {name}.zarr" in err
    stores = {name: xr.open_zarr(tmp_path / f"{name}.zarr") for name in jobs}
    assert stores["train"].sizes["time"] == tiny_data.size("train")
    background, mine = (stores[name]["2m_temperature"][1, 0] for name in ("background", "mine"))
    np.testing.assert_array_equal(background, mine)
    np.testing.assert_array_equal(background, tiny_data.background("test", 1)[0])
    reference = stores["reference"]["2m_temperature"][1]
    np.testing.assert_array_equal(reference, tiny_data.reference("test", 1)[0])


def test_mistakes_are_told_without_a_traceback(export, tiny_folder, file, tmp_path):
    place = ("--zarr", tmp_path / "out.zarr")
    (tmp_path / "there.zarr").mkdir()
    cases = {
        "--split and --background are of data sets": [file, *place, "--background"],
        "There is no file": [tmp_path / "absent.nc", "--data", tiny_folder, *place],
        "absent": [tmp_path / "absent", *place],
        "ends in .zarr": [tiny_folder, "--zarr", tmp_path / "out"],
        "is there already": [tiny_folder, "--zarr", tmp_path / "there.zarr"],
    }
    for message, arguments in cases.items():
        code, out, err = export(*arguments)
        assert (code, out) == (1, "") and message in err and "Traceback" not in err
    assert not (tmp_path / "out.zarr").exists()


def test_where_it_goes_must_be_said(export, tiny_folder):
    code, _, err = export(tiny_folder)
    assert code == 2 and "--zarr" in err
