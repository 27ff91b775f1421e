"""The command line: pure output, exit codes 0, 1 and 2, and never a traceback for a mistake."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dambench_hub.cli import commands as cli
from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.accounts import text_rules
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store import results
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.submissions.lifecycle import Submissions
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture
def dambench(capsys):
    """Run a command; gives exit code, stdout and stderr."""

    def run(*arguments):
        try:
            cli.main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def files(tiny_data, tmp_path_factory):
    """Two predictions: the background, and one with half of its error."""
    folder = tmp_path_factory.mktemp("cli")
    for name, share in ("background", 1.0), ("better", 0.5):
        analyses = (
            Analysis(b.reference + np.float32(share) * (b.background - b.reference))
            for b in tiny_data.batches("multimodal")
        )
        write_predictions(
            folder / f"{name}.nc", analyses, task="multimodal", data=tiny_data, model_name=name
        )
    return folder


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/results.db"


def test_help_loads_nothing_heavy():
    code = "import sys; from dambench_hub.cli.commands import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True)
    assert done.returncode == 0
    for module in b"torch", b"datasets", b"matplotlib", b"xarray", b"h5py", b"sqlalchemy", b"numpy":
        assert b"| " + module + b"\n" not in done.stderr
    for command in "validate", "score", "submit", "leaderboard", "tasks", "info", "verify", "plot":
        assert command.encode() in done.stdout


def test_a_right_file_is_valid(dambench, files, tiny_folder):
    code, out, _ = dambench("validate", files / "background.nc", "--data", tiny_folder)
    assert code == 0
    assert "background.nc can be scored with tiny, revision" in out


def test_a_wrong_file_is_not(dambench, files, tiny_folder, tmp_path):
    other = tmp_path / "other"
    write_tiny_dataset(other, channels=("t2m", "z500"))
    code, out, err = dambench("validate", files / "background.nc", "--data", other)
    assert (code, out) == (1, "")
    assert "made for revision" in err
    assert "Unknown channel 'msl'" in err
    assert "Traceback" not in err
    for command in "score", "plot":
        code, out, err = dambench(command, files / "background.nc", "--data", other)
        assert (code, out) == (1, "")
        assert "made for revision" in err


def test_score_prints_json_and_nothing_else(dambench, files, tiny_folder, tiny_data):
    code, out, _ = dambench("score", files / "better.nc", "--data", tiny_folder, "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["model_name"] == "better"
    assert set(shown["scores"]["rmse"]) == set(tiny_data.channels)


def test_score_prints_tables(dambench, files, tiny_folder):
    code, out, _ = dambench("score", files / "better.nc", "--data", tiny_folder)
    assert code == 0
    wanted = ("skill", "mse", "RMSE by pressure level", "RMSE near the surface", "kg kg-1")
    for words in *wanted, "revision", "RMSE by place", "at observations", "by degree":
        assert words in out


KEEPER = Person("admin:kim", "kim")


def id_of(store, name):
    """The id of what has this name."""
    return next(one.id for one in Submissions(Store(store)).all() if one.name == name)


def test_submit_and_leaderboard(dambench, files, tiny_folder, store):
    for name in "background", "better":
        common = ("--data", tiny_folder, "--store", store)
        code, out, _ = dambench("submit", files / f"{name}.nc", "--name", name, *common)
        assert code == 0
    assert "better has rank 1 of 2 in the task multimodal" in out
    code, out, err = dambench("submit", files / "better.nc", "--name", "better", *common)
    assert (code, "already recorded" in err) == (0, True)
    code, out, err = dambench("submit", files / "background.nc", "--name", "mine", *common)
    assert (code, "mine has rank 2 of 3" in out) == (0, True)
    assert "mine: same values as 'background'" in err
    Submissions(Store(store)).withdraw(id_of(store, "mine"), KEEPER, "tried")
    code, out, err = dambench("submit", files / "background.nc", "--name", "mine", *common)
    assert (code, f"admin publish ID --store {store}" in err) == (1, True)

    code, out, _ = dambench("leaderboard", *common)
    assert code == 0
    assert out.index("better") < out.index("background")
    assert "50.0" in out  # half the error is gone
    code, out, _ = dambench("leaderboard", "--json", *common)
    assert [(row["rank"], row["name"]) for row in json.loads(out)] == [
        (1, "better"),
        (2, "background"),
    ]
    code, out, _ = dambench("leaderboard", "--csv", "--task", "multimodal", *common)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["name"] for row in rows] == ["better", "background"]
    assert set(rows[0]) >= {"task", "rank", "mse", "mae", "specdiv", "skill", "rmse_z500"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a|b", "'|' (VERTICAL LINE) cannot stand in a name"),
        ("<b>x</b>", "'<' (LESS-THAN SIGN) cannot stand in a name"),
        ("a\u3164b", "HANGUL FILLER"),
    ],
)
def test_names_have_the_rule_of_the_board(dambench, files, tiny_folder, store, name, message):
    code, out, err = dambench(
        "submit", files / "better.nc", "--name", name, "--data", tiny_folder, "--store", store
    )
    assert (code, out) == (1, "")
    assert message in err


def test_formulas_are_no_formulas_in_csv(dambench, files, tiny_folder, store, monkeypatch):
    """A store from before the rule for names may hold such a name."""
    common = ("--data", tiny_folder, "--store", store)
    for module in text_rules, results:
        monkeypatch.setattr(module, "check_name", str)
    dambench("submit", files / "better.nc", "--name", "=1+1 [red]", *common)
    assert "'=1+1 [red]" in dambench("leaderboard", "--csv", *common)[1]
    assert "=1+1 [red]" in dambench("leaderboard", *common)[1]


def test_hidden_results_are_mentioned(dambench, files, tiny_folder, store, tmp_path):
    dambench("submit", files / "better.nc", "--name", "a", "--data", tiny_folder, "--store", store)
    write_tiny_dataset(tmp_path / "other", channels=("t2m", "z500"))
    code, out, err = dambench("leaderboard", "--data", tmp_path / "other", "--store", store)
    assert code == 0
    assert "No results yet" in out
    assert "1 result of other data set revisions or scorer versions is not shown. To be" in err
    code, out, err = dambench("leaderboard", "--store", store)
    assert (code, err) == (0, "")


def test_an_invalid_file_leaves_no_store(dambench, tiny_folder, store, tmp_path):
    common = ("--data", tiny_folder, "--store", store)
    code, _, err = dambench("submit", tmp_path / "none.nc", "--name", "a", *common)
    assert code == 1
    assert "There is no file" in err
    assert list(tmp_path.iterdir()) == []


def test_tasks_and_info(dambench, tiny_folder, tmp_path):
    code, out, _ = dambench("tasks")
    assert code == 0
    assert "density-01" in out and "1 %" in out
    write_tiny_dataset(tmp_path / "plain", modalities=())
    assert "no: no modalities" in dambench("tasks", "--data", tmp_path / "plain")[1]
    assert "no: no modalities" not in dambench("tasks", "--data", tiny_folder)[1]
    assert dambench("info", tmp_path / "plain")[0] == 0
    code, out, _ = dambench("info", tiny_folder)
    assert code == 0
    for words in "revision", "9x16", "t2m, msl, z500", "cc0-1.0", "2024-02-27T00", "olr (", "MB":
        assert words in out
    assert "ensemble" not in out
    options = {"ensemble_size": 3, "ensemble_splits": ("validation", "test")}
    write_tiny_dataset(tmp_path / "members", channels=("t2m",), **options)
    assert "3 members in validation and test" in dambench("info", tmp_path / "members")[1]


def test_reports_are_told_and_verified(dambench, tiny_folder, tmp_path):
    times = {"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)}
    observations = ObservationSettings()
    options = {"times": times, "observations": observations, "reports_window": Window()}
    manifest = write_tiny_dataset(tmp_path, modalities=(), reference_is_reports=True, **options)
    printed = " ".join(dambench("info", tmp_path)[1].split())
    good, wrong = manifest.reports.counts.values()
    assert f"window (-3 h, 0 h], rows: {good} good, {wrong} background" in printed
    assert "withheld; they are the reference" in printed and "grid points" not in printed
    assert "no: no reference fields" in dambench("tasks", "--data", tmp_path)[1]
    assert "reports" not in dambench("info", tiny_folder)[1]
    assert dambench("verify", tmp_path)[0] == 0
    path = tmp_path / next(manifest.report_shards()).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, _, err = dambench("verify", tmp_path, "--full")
    assert code == 1 and path.name in err


def test_verify_finds_a_changed_byte(dambench, tmp_path):
    write_tiny_dataset(tmp_path)
    assert dambench("verify", tmp_path)[0] == 0
    shard = next((tmp_path / "multimodal").glob("test*"))
    raw = bytearray(shard.read_bytes())
    raw[100] ^= 1
    shard.write_bytes(raw)
    assert dambench("verify", tmp_path)[0] == 0
    code, _, err = dambench("verify", tmp_path, "--full")
    assert code == 1
    assert shard.name in err
    shard.unlink()
    code, _, err = dambench("verify", tmp_path)
    assert (code, "is missing" in err) == (1, True)


def test_plot_prints_its_files(dambench, files, tiny_folder, tmp_path):
    out = tmp_path / "pictures"
    code, printed, _ = dambench(
        "plot", files / "better.nc", "--data", tiny_folder, "--channel", "t2m", "--out", out
    )
    assert code == 0
    assert sorted(printed.split()) == sorted(map(str, out.iterdir()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "FILE", "--data", "nowhere"], "No data set in nowhere"),
        (["score", "FILE", "--data", "DATA", "--task", "multimodl"], "Did you mean 'multimodal'"),
        (["validate", "FILE", "--data", "DATA", "--task", "unimodal"], "not for 'unimodal'"),
        (["plot", "FILE", "--data", "DATA", "--channel", "z50"], "Did you mean 'z500'"),
        (["plot", "FILE", "--data", "DATA", "--out", "FILE/x"], "Could not write"),
        (["leaderboard", "--store", "sqlite:///nowhere.db"], "There is no results store"),
        (["leaderboard", "--store", "nowhere"], "not the URL of a store"),
        (["submit", "FILE", "--data", "DATA", "--name", "x", "--store", "NOWHERE"], "/proc/x"),
        (["info", "nowhere"], "No data set in nowhere"),
        (["verify", "nowhere/at/all"], "No data set in nowhere/at/all"),
    ],
)  # fmt: skip
def test_mistakes_are_told_without_a_traceback(dambench, files, tiny_folder, arguments, words):
    named = {"FILE": files / "better.nc", "DATA": tiny_folder, "FILE/x": files / "better.nc" / "x"}
    named["NOWHERE"] = "sqlite:////proc/x/y.db"
    code, out, err = dambench(*(named.get(argument, argument) for argument in arguments))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("Error: ") or "\n- " in err
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["scroe"], ["score"], ["submit", "x.nc"], ["leaderboard", "--json", "--csv"]]
)
def test_wrong_usage_is_exit_code_2(dambench, arguments):
    code, out, err = dambench(*arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_no_character_fails_a_command(files, tiny_folder, tmp_path, monkeypatch):
    """Where outputs are ASCII, every command ends as elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "中.nc").symlink_to(files / "better.nc")
    data = ["--data", str(tiny_folder)]
    for arguments in (
        ["--help"],
        ["tasks", *data],
        ["info", str(tiny_folder)],
        ["verify", str(tiny_folder)],
        ["validate", "中.nc", *data],
        ["score", "中.nc", *data],
        ["submit", "中.nc", "--name", "Zoë 中", *data],
        ["leaderboard"],
        ["leaderboard", "--csv"],
        ["admin", "list"],
        ["convert", str(tiny_folder), "--out", "中", "--format", "arrow"],
        ["validate", "中", *data],
    ):
        streams = {
            name: io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict", write_through=True)
            for name in ("stdout", "stderr")
        }
        for name, stream in streams.items():
            monkeypatch.setattr(f"sys.{name}", stream)
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        wrong = arguments[:2] == ["validate", "中"]
        assert (end.value.code or 0) == wrong, arguments
        assert streams["stderr" if wrong else "stdout"].buffer.getvalue(), arguments


def test_a_queueing_system_may_end_a_build(dambench, monkeypatch, tmp_path):
    """By SIGTERM, which is answered as Ctrl-C is."""

    def ended(*args, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr("dambench_hub.building.osse.build.build_world", ended)
    before = signal.getsignal(signal.SIGTERM)
    code, _, told = dambench("build", "tiny", "--out", tmp_path / "out")
    assert code == 1 and "Run the same command again to go on" in told
    assert signal.getsignal(signal.SIGTERM) is before


def test_version(dambench):
    from dambench_hub.version import __version__

    assert dambench("--version") == (0, f"{__version__}\n", "")


def test_the_station_that_decides_a_score_is_named(dambench, predict_stations, stations_folder):
    code, printed, _ = dambench("score", predict_stations(0.5), "--data", stations_folder)
    assert code == 0 and re.search(r"\d+ % of it at \w+", printed)


def test_install_metric(dambench, monkeypatch, tmp_path):
    import evaluate.config

    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", tmp_path)
    code, out, _ = dambench("install-metric")
    assert code == 0
    assert out.strip().endswith("dambench_metrics.py")


def test_convert_writes_the_same_values_in_another_format(dambench, tiny_folder, tmp_path):
    from dambench_hub.data.dataset import load_data

    out = tmp_path / "arrow"
    arguments = ("convert", tiny_folder, "--out", out, "--format", "arrow")
    code, printed, err = dambench(*arguments, "--configs", "background,stations")
    old, new = load_data(tiny_folder), load_data(out, full=True)
    assert code == 0
    for words in "in arrow", new.revision, f"converted from {old.revision}":
        assert words in printed
    assert "Writing shards" in err and "Statistics" not in err
    assert set(new.manifest.copies) == {"background", "stations"}
    for split in old.manifest.splits:
        assert [shard.content_sha256 for shard in new.manifest.shards(split)] == [
            shard.content_sha256 for shard in old.manifest.shards(split)
        ]
    assert "rounding" not in dambench("info", out)[1]


def test_info_tells_what_was_rounded_away(dambench, tiny_folder, tmp_path):
    out = tmp_path / "rounded"
    arguments = ("convert", tiny_folder, "--out", out, "--format", "parquet", "--keep-bits")
    assert dambench(*arguments, 7)[0] == 0
    code, printed, _ = dambench("info", out)
    rounding = json.loads((out / "manifest.json").read_text())["rounding"]
    assert code == 0
    assert "background to 7 mantissa bits" in printed
    assert f"relative error at most {rounding['max_relative_error']:.2g}" in printed
    worst = max(rounding["rms_in_background_error_std"])
    assert f"RMS at most {worst:.2g} × background error (" in printed
    code, _, err = dambench(*arguments, 9)
    assert (code, "built with other settings: keep_bits is 7 there, 9 here" in err) == (1, True)
    assert dambench(*arguments, 9, "--fresh")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["DATA", "--out", "NEW", "--format", "arow"], "Did you mean 'arrow'"),
        (["DATA", "--out", "DATA", "--format", "arrow"], "overlaps with"),
        (["nowhere", "--out", "NEW", "--format", "arrow"], "No data set in nowhere"),
        (["DATA", "--out", "NEW", "--format", "arrow", "--configs", "olr"], "Unknown config 'olr'"),
        (["DATA", "--out", "NEW", "--format", "arrow", "--keep-bits", "0"], "from 1 to 23"),
        (["DATA", "--out", "FILE", "--format", "arrow"], "is a file"),
    ],
)
def test_what_cannot_be_converted_is_told(dambench, files, tiny_folder, tmp_path, arguments, words):
    named = {"DATA": tiny_folder, "NEW": tmp_path / "new", "FILE": files / "better.nc"}
    code, out, err = dambench("convert", *(named.get(argument, argument) for argument in arguments))
    assert (code, out) == (1, "")
    assert words in err and "Traceback" not in err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--out", "new"],
        ["--format", "arrow"],
        ["--out", "n", "--format", "f", "--keep-bits", "x"],
    ],
)
def test_convert_asks_for_folder_and_format(dambench, arguments):
    code, out, err = dambench("convert", *arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err
