import numpy as np
import pytest

from dambench_hub.cli.commands import main
from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.diagnostics import Diagnostics


@pytest.fixture
def submit(tmp_path, tiny_folder, tiny_data):
    """`submit(scale, name)` hands in the background times a scale, as a person would."""

    def run(scale, name):
        path = tmp_path / f"{scale}.nc"
        analyses = (Analysis(scale * b.background) for b in tiny_data.batches("unimodal"))
        write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="m")
        common = ["--data", str(tiny_folder), "--store", f"sqlite:///{tmp_path}/store.db"]
        arguments = ["submit", str(path), "--name", name, "--folder", str(tmp_path / "board")]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *common])
        assert not ended.value.code
        path.unlink()
        return Store(common[-1]).ranking("unimodal").entries[0]

    return run


def test_what_is_submitted_here_has_pictures(submit, tmp_path):
    entry = submit(1.0, "mine")
    seen = Diagnostics.read(tmp_path / "board" / "views" / f"{entry.submission}.safetensors")
    assert (seen.submission, seen.value_hash) == (entry.submission, entry.result.value_hash)
    assert seen.has_maps


def test_pictures_are_of_the_values_on_the_board(submit, tmp_path):
    best = submit(1.0, "mine")
    assert submit(1.01, "mine").submission == best.submission
    again = submit(1.0, "mine")
    assert again.submission == best.submission
    (kept,) = (tmp_path / "board" / "views").iterdir()
    assert Diagnostics.read(kept).value_hash == best.result.value_hash


def test_errors_at_stations_are_kept_in_a_file_of_their_own(
    predict_stations, stations_folder, tmp_path
):
    store, board = f"sqlite:///{tmp_path}/store.db", tmp_path / "board"
    options = ["--data", str(stations_folder), "--store", store, "--folder", str(board)]
    with pytest.raises(SystemExit) as ended:
        main(["submit", str(predict_stations(2.0)), "--name", "mine", *options])
    assert not ended.value.code
    (entry,) = Store(store).ranking("synop").entries
    files = DiagnosticsFiles(board / "views")
    assert files.read(entry.submission) is None and len([*files.folder.iterdir()]) == 1
    errors = files.read_stations(entry.submission)
    assert len(set(errors.station)) == entry.result.scores["stations"]["t2m"]
    np.testing.assert_allclose(errors.analysis - errors.background, 2, atol=1e-4)
    files.remove(entry.submission)
    assert files.read_stations(entry.submission) is None
