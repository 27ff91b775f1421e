"""The data set of real stations, from the files of the repository; wrong files are refused."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from datasets import load_dataset

from dambench_hub.building import land_mask, relief
from dambench_hub.data import load_data
from dambench_hub.tasks.benchmark import current_version

FOLDER = Path(__file__).parents[2] / "builders" / "synop"
SPEC = spec_from_file_location("build_synop", FOLDER / "build.py")
script = module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "synop"
    assert script.main(["--out", str(out)]) == 0
    return out


def test_it_is_the_data_set_of_the_benchmark(folder):
    data = load_data(folder, full=True)
    assert data.manifest.canonical and data.manifest.lead_hours == 48
    assert current_version().worlds["synop-europe"] == data.revision
    np.testing.assert_array_equal(data.times("test"), [np.datetime64("2018-11-20T12", "h")])
    assert data.background("test", 0).shape == (1, 361, 720)
    assert 2_000 < data.elevation.max() < 7_000


def test_reports_are_those_of_the_file(folder):
    data = load_data(folder)
    given, kept = (data.reports("test", 0, withheld=withheld) for withheld in (False, True))
    temperatures = [table.is_of("variable", "t2m").sum() for table in (given, kept)]
    assert sum(temperatures) == 1_469 and 0.15 < temperatures[1] / 1_469 < 0.25
    assert not set(given.labels("station")) & set(kept.labels("station"))
    counts = data.manifest.reports.counts
    assert counts["gross"] == 1 and counts["background"] == 2 and sum(counts.values()) == 6_962
    assert not np.any(kept.quality) and "28" in str(data.manifest.source["settings"]["refused"])


def test_stock_datasets_reads_it(folder):
    rows = load_dataset(str(folder), "reports", split="test")
    assert len(rows) == 6_962 and rows[0]["report"] == "synop"


def test_the_revision_is_of_files_and_options_not_of_rounding(tmp_path, monkeypatch):
    # Pictures and land of few points, which are faster.
    heights = xr.load_dataarray(FOLDER / "elevation.nc", engine="h5netcdf")[::8, ::8]
    heights.to_netcdf(tmp_path / "elevation.nc", engine="h5netcdf")
    np.savez_compressed(tmp_path / "mask.npz", mask=np.zeros((180, 360), bool))
    monkeypatch.setattr(land_mask, "_mask_file", lambda: tmp_path / "mask.npz")
    monkeypatch.setattr(relief, "PIXELS_PER_DEGREE", 1)

    def revision(name, *options):
        out, elevation = str(tmp_path / name), str(tmp_path / "elevation.nc")
        assert script.main(["--out", out, "--elevation", elevation, *options]) == 0
        return load_data(out).revision

    assert revision("one") == revision("again") != revision("other", "--seed", "1")


@pytest.mark.parametrize(
    ("option", "file", "said"),
    [
        ("--background", "synop_europe_20181120.bufr", "no GRIB message|cannot be read"),
        ("--elevation", "t2m_forecast_20181120.grib", "holds no elevation in m"),
        ("--reports", "t2m_forecast_20181120.grib", "has no reports in the window"),
        ("--reports", "temp_20081208.bufr", "has no reports in the window of 2018-11-20T12"),
    ],
)
def test_other_files_are_refused_and_nothing_is_written(tmp_path, capsys, option, file, said):
    out = tmp_path / "synop"
    assert script.main(["--out", str(out), option, str(FOLDER / file)]) == 1
    assert not out.exists()
    assert re.search(said, capsys.readouterr().err)
