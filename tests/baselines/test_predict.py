"""baselines/predict.py: from a method's name to a file that can be scored."""

import importlib.util
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.models import preparation, registry
from dambench_hub.models.conv_cnp import ConvCNP
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.registry import METHODS, Assimilator
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import validate
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import write_tiny_dataset

SCRIPT = Path(__file__).parents[2] / "baselines" / "predict.py"
SPEC = importlib.util.spec_from_file_location("predict", SCRIPT)
predict = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(predict)


class Dice(LearnedAssimilator):
    """Adds keyed noise to the background; `mean` is that of the members."""

    name = "dice"

    def __init__(self, *, channels, grid, members: int = 3):
        super().__init__(channels=channels, grid=grid)
        self.members = members
        self.spread = torch.nn.Parameter(torch.tensor(0.5))

    def analyse(self, inputs):
        noise = inputs.noise.normal(self.members, *inputs.background.shape[1:])
        members = inputs.background[:, None] + self.spread * noise
        return Analysis(members.mean(1), members=members)

    def loss(self, inputs):
        return self.spread


class MultiDice(Dice):
    """Stands for a method with the adapter."""

    name = "multi_dice"


CLASSES = {"dice": Dice, "multi_dice": MultiDice, "conv_cnp": ConvCNP}
SMALL = {"conv_cnp": {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3}}


def test_its_help_is_printed_in_every_encoding(monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.setattr("sys.stdout", output)
    with pytest.raises(SystemExit, match="^0$"):
        predict.main(["--help"])
    assert b"--part 1/4 ... 4/4" in output.buffer.getvalue()


@pytest.fixture(scope="session")
def models(tiny_data, tmp_path_factory):
    """Folders of untrained models, by method."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, model_class in CLASSES.items():
        settings = {"channels": tiny_data.channels, "grid": str(tiny_data.grid)}
        model = model_class(**settings, **SMALL.get(name, {}))
        model.set_statistics(tiny_data.statistics).save_pretrained(folder / name)
    return folder


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """`dice` and `multi_dice` are methods like others; no launcher started these tests."""
    monkeypatch.setitem(METHODS, "dice", "Dice")
    known = registry.method_class

    def method_class(name):
        return CLASSES.get(name) or known(name)

    monkeypatch.setattr(registry, "method_class", method_class)
    monkeypatch.setattr(preparation, "method_class", method_class)
    for variable in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(variable, raising=False)


def values(path):
    with open_prediction(path) as prediction:
        return np.stack(list(prediction))


@pytest.fixture
def run(tiny_folder, tmp_path, capsys):
    def run(method, *options, out="x.nc", data=tiny_folder):
        arguments = [str(method), "--data", str(data), "--out", str(tmp_path / out), *options]
        code = predict.main(arguments)
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("out", ["x.nc", "x.safetensors"])
def test_the_background_is_the_background(run, tiny_data, tmp_path, out):
    assert run("background", out=out)[0] == 0
    result = score(tmp_path / out, tiny_data)
    assert result.task == "multimodal"
    assert result.attributes == {"model_name": "background"}
    errors = [
        tiny_data.background("test", i).astype("f8") - tiny_data.reference("test", i)
        for i in range(5)
    ]
    mse = np.mean((np.array(errors) / tiny_data.statistics.std[:, None, None]) ** 2)
    assert result.scores["mse"] == pytest.approx(mse, rel=1e-9)
    assert result.main_score == 0


def test_optimal_interpolation_is_fitted_and_better(run, tiny_data, tmp_path):
    for method in "background", "optimal_interpolation":
        assert run(method, "--task", "density-20", out=f"{method}.nc")[0] == 0
    background, analysis = (
        score(tmp_path / f"{method}.nc", tiny_data).main_score
        for method in ("background", "optimal_interpolation")
    )
    assert background == 0
    assert analysis > 5


def test_the_batch_size_changes_nothing(run, tiny_data, tmp_path):
    for size in "1", "3":
        assert run("optimal_interpolation", "--batch-size", size, out=f"{size}.nc")[0] == 0
    one, three = (score(tmp_path / f"{size}.nc", tiny_data).main_score for size in "13")
    assert one == pytest.approx(three, abs=1e-3)


def test_a_method_never_sees_the_reference(run, monkeypatch):
    class Curious(Assimilator):
        name = "curious"

        def assimilate(self, batch, generator=None):
            assert batch.reference is None
            return Analysis(batch.background)

    monkeypatch.setattr(predict, "load_method", lambda name, training, **options: Curious())
    assert run("curious")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimal_interpolaton"], "Did you mean 'optimal_interpolation'"),
        (["background", "--task", "unimodl"], "Did you mean 'unimodal'"),
        (["background", "--batch-size", "0"], "batch_size is at least 1"),
        (["background", "--members", "4"], "background draws no samples"),
        (["MODELS/dice", "--members", "0"], "--members is 1 to 64, got 0"),
        (["MODELS/conv_cnp", "--members", "4"], "Methods that do: "),
        (["background", "--part", "3/2"], "There is no part 3/2"),
        (["background", "--part", "half"], "Wanted is a part like 2/4, got 'half'"),
        (["background", "--device", "cuda"], "background runs on the CPU"),
        (["MODELS/dice", "--device", "cuda:77"], "There is no device cuda:77; here are cpu"),
        (["MODELS/dice", "--device", "abacus"], "There is no device abacus"),
        (["MODELS/multi_dice", "--task", "unimodal"], "use --task multimodal, or use dice"),
        (["MODELS/none"], "There is no folder"),
        (["MODELS"], "is no trained model"),
        (["background", "--revision", "v1"], "for methods on the Hub"),
        (["conv_cnp"], "has to be trained first"),
    ],
)
def test_mistakes_are_told(run, models, tmp_path, arguments, words):
    code, err = run(*(word.replace("MODELS", str(models)) for word in arguments))
    assert code == 1
    assert words in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_no_data_set(run, tmp_path):
    code, err = run("background", data=tmp_path / "nowhere")
    assert (code, "No data set in" in err) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        predict.main([])


def test_an_existing_file_is_kept_unless_told(run, tmp_path):
    (tmp_path / "x.nc").write_text("precious")
    code, err = run("background")
    assert (code, "--overwrite" in err) == (1, True)
    assert (tmp_path / "x.nc").read_text() == "precious"
    assert run("background", "--overwrite")[0] == 0
    assert (tmp_path / "x.nc").read_bytes().startswith(b"\x89HDF")


def test_the_name_of_the_file_says_how_it_is_stored(run, tmp_path):
    code, err = run("background", out="x.txt")
    assert (code, "must end in .nc" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_data_is_refused(run, models, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_tiny_dataset(other, channels=("t2m", "msl"), modalities=())
    code, err = run(models / "dice", "--task", "unimodal", data=other)
    assert (code, "Train it on this data set" in err) == (1, True)
    code, err = run(models / "multi_dice", "--task", "unimodal", data=other)
    assert (code, "the data set tiny has none" in err) == (1, True)
    code, err = run(models / "multi_dice", data=other)
    assert (code, "Use the task unimodal" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_trained_model_is_found_in_its_training(run, models, tmp_path, tiny_data):
    training = tmp_path / "my_cnp"
    training.mkdir()
    record = "method: conv_cnp\ndata_name: tiny\ndata_revision: abc\n"
    (training / "config.yaml").write_text(record)
    code, err = run(training)
    assert (code, "no trained model yet" in err) == (1, True)
    for name in "last", "best":
        shutil.copytree(models / "conv_cnp", training / name)
    (training / "last" / "model.safetensors").write_bytes(b"")
    for folder in training, training / "best":
        assert run(folder, "--overwrite", "--task", "unimodal")[0] == 0
        result = score(tmp_path / "x.nc", tiny_data)
        model = ConvCNP.from_pretrained(training / "best")
        assert result.attributes == {
            "model_name": "my_cnp",
            "parameters": str(model.parameter_count),
            "training_data": "tiny, revision abc",
        }
    batch = next(tiny_data.batches("unimodal", batch_size=4))
    np.testing.assert_array_equal(
        values(tmp_path / "x.nc")[:4], model.assimilate(batch).mean.numpy()
    )


def test_members_are_written_when_asked_for(run, models, tmp_path, tiny_data):
    assert run(models / "dice", out="mean.nc")[0] == 0
    assert run(models / "dice", "--members", "4", out="members.nc")[0] == 0
    mean, members = (values(tmp_path / name) for name in ("mean.nc", "members.nc"))
    assert mean.shape == (5, 5, 9, 16) and members.shape == (5, 4, 5, 9, 16)
    assert validate(tmp_path / "members.nc", tiny_data) == []
    assert "crps" in score(tmp_path / "members.nc", tiny_data).scores
    assert run(models / "dice", "--members", "3", out="three.nc")[0] == 0
    three = values(tmp_path / "three.nc").mean(1)
    np.testing.assert_allclose(three, mean, rtol=1e-4)


def deviations(path):
    with open_prediction(path) as prediction:
        return [prediction.std(index) for index in range(len(prediction))]


@pytest.mark.parametrize("out", ["x.nc", "x.safetensors"])
def test_a_predicted_std_is_written(run, models, tmp_path, tiny_data, out):
    assert run(models / "conv_cnp", "--task", "unimodal", out=out)[0] == 0
    assert validate(tmp_path / out, tiny_data) == []
    model = ConvCNP.from_pretrained(models / "conv_cnp")
    (batch,) = tiny_data.batches("unimodal", batch_size=4, indices=np.arange(4))
    wanted = model.assimilate(batch.without_reference()).std.numpy()
    np.testing.assert_array_equal(deviations(tmp_path / out)[:4], wanted)
    scores = score(tmp_path / out, tiny_data).scores
    assert min(scores["crps"].values()) > 0 and "spread_skill" not in scores


@pytest.mark.parametrize("method", ["background", "letkf", "dice"])
def test_the_spread_of_members_that_are_not_kept_is_no_predicted_std(run, models, tmp_path, method):
    assert run(models / method if method in CLASSES else method)[0] == 0
    assert deviations(tmp_path / "x.nc") == [None] * 5


def test_the_seed_makes_other_samples(run, models, tmp_path):
    for seed in "0", "1":
        assert run(models / "dice", "--seed", seed, out=f"{seed}.nc")[0] == 0
    assert run(models / "dice", out="again.nc")[0] == 0
    assert not np.array_equal(values(tmp_path / "0.nc"), values(tmp_path / "1.nc"))
    assert (tmp_path / "0.nc").read_bytes() == (tmp_path / "again.nc").read_bytes()


@pytest.mark.parametrize("method", ["letkf", "enkf", "hybrid", "particle_filter"])
def test_ensemble_methods_write_their_mean_or_their_members(run, tmp_path, method):
    for options in (["--members", "5"], ["--members", "5", "--seed", "1"]):
        assert run(method, *options, out=f"{len(options)}.nc")[0] == 0
    members, others = values(tmp_path / "2.nc"), values(tmp_path / "4.nc")
    assert members.shape[:2] == (5, 5) and others.shape == members.shape
    assert not np.array_equal(members, others)
    assert run(method, out="mean.nc")[0] == 0
    mean = values(tmp_path / "mean.nc")
    assert mean.shape == (5, *members.shape[2:])


@pytest.mark.parametrize("method", ["letkf", "hybrid", "optimal_interpolation"])
def test_ensemble_methods_work_on_the_ensemble_of_the_data(run, tmp_path, method):
    """Unless told; a method that has no use for members does not even read them."""
    folder = tmp_path / "with_members"
    write_tiny_dataset(folder, ensemble_size=4, ensemble_splits=("test",))
    data = load_data(folder)
    batches = {
        name: data.batches("unimodal", batch_size=5, ensemble=name == "of the day")
        for name in ("of the day", "climatological")
    }
    fitted = registry.load_method(method, data.batches("unimodal", "train", 4))
    wanted = {name: fitted.assimilate(next(found)).mean for name, found in batches.items()}
    options = ["--task", "unimodal", "--batch-size", "5"]
    assert run(method, *options, out="a.nc", data=folder)[0] == 0
    assert run(method, *options, "--no-ensemble", out="b.nc", data=folder)[0] == 0
    np.testing.assert_array_equal(values(tmp_path / "a.nc"), wanted["of the day"])
    np.testing.assert_array_equal(values(tmp_path / "b.nc"), wanted["climatological"])
    same = np.array_equal(wanted["of the day"], wanted["climatological"])
    assert same == (not registry.method_class(method).uses_ensemble)


def test_members_are_those_of_the_data_s_ensemble(run, tmp_path):
    folder = tmp_path / "with_members"
    write_tiny_dataset(folder, ensemble_size=4, ensemble_splits=("test",))
    code, err = run("letkf", "--members", "5", data=folder)
    assert code == 1 and "analyses the 4 members of the data set" in err and "--no-ensemble" in err
    assert run("letkf", "--members", "4", out="4.nc", data=folder)[0] == 0
    assert values(tmp_path / "4.nc").shape[1] == 4
    assert run("letkf", "--members", "5", "--no-ensemble", out="5.nc", data=folder)[0] == 0
    assert values(tmp_path / "5.nc").shape[1] == 5


@pytest.mark.parametrize("method", ["dice", "conv_cnp", "optimal_interpolation", "letkf"])
def test_processes_and_interruptions_change_no_bit(run, models, tmp_path, method):
    method = models / method if method in CLASSES else method
    assert run(method, "--batch-size", "2", out="one.nc")[0] == 0
    for part in "3/3", "1/3":
        code, err = run(method, "--batch-size", "2", "--part", part, out="three.nc")
        assert (code, "the last one writes the file" in err) == (0, True)
        assert not (tmp_path / "three.nc").exists()
    assert run(method, "--batch-size", "2", "--part", "2/3", out="three.nc")[0] == 0
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "three.nc").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.nc", "three.nc"]


@pytest.mark.parametrize("method", ["dice", "background"])
def test_methods_that_treat_values_alone_give_the_same_bits_in_any_batch(
    run, models, tmp_path, method
):
    method = models / method if method in CLASSES else method
    for size in "1", "3", "8":
        assert run(method, "--batch-size", size, out=f"{size}.nc")[0] == 0
    one, *others = ((tmp_path / f"{size}.nc").read_bytes() for size in "138")
    assert others == [one, one]


def test_an_interrupted_run_goes_on(run, models, tmp_path, monkeypatch):
    assert run(models / "dice", "--batch-size", "2", out="whole.nc")[0] == 0
    assimilate, made = Dice.assimilate, []

    def interrupted(self, batch, generator=None):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(batch.time.tolist())
        return assimilate(self, batch, generator)

    monkeypatch.setattr(Dice, "assimilate", interrupted)
    code, err = run(models / "dice", "--batch-size", "2")
    assert (code, "Run the same command again" in err) == (1, True)
    assert [path.name for path in tmp_path.glob("x*")] == ["x.nc.parts"]
    for options in (["--seed", "1"], ["--members", "2"], ["--task", "unimodal"]):
        code, err = run(models / "dice", "--batch-size", "2", *options)
        assert (code, "holds parts of another run" in err) == (1, True)
        assert options[0].strip("-") in err and options[1] in err
    monkeypatch.setattr(Dice, "assimilate", assimilate)
    assert run(models / "dice", "--batch-size", "2")[0] == 0
    assert (tmp_path / "x.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole.nc", "x.nc"]


def test_parts_of_other_weights_are_refused(run, models, tmp_path, monkeypatch):
    trained = shutil.copytree(models / "dice", tmp_path / "dice")
    assert run(trained, "--part", "1/2")[0] == 0
    model = Dice.from_pretrained(trained)
    model.spread.data += 1
    model.save_pretrained(trained)
    code, err = run(trained, "--part", "2/2")
    assert (code, "files.model.safetensors is" in err) == (1, True)


KILLED = """
import importlib.util, os, signal, sys

spec = importlib.util.spec_from_file_location("predict", sys.argv[1])
predict = importlib.util.module_from_spec(spec)
spec.loader.exec_module(predict)
from dambench_hub.models.background import Background

assimilate, made = Background.assimilate, []


def killed(self, batch, generator=None):
    if len(made) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    made.append(1)
    return assimilate(self, batch, generator)


if sys.argv[2] == "killed":
    Background.assimilate = killed
sys.exit(predict.main(sys.argv[3:]))
"""


def test_launched_processes_share_the_work_and_survive_a_kill(run, tiny_folder, tmp_path):
    """Two processes as a launcher starts them; both are killed after a batch, then run again."""
    out = tmp_path / "x.nc"
    options = ["background", "--data", tiny_folder, "--out", out, "--batch-size", "1"]

    def launch(how):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", KILLED, SCRIPT, how, *options],
                env={**os.environ, "RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in "01"
        ]
        printed = [process.communicate()[0] for process in processes]
        return [process.returncode for process in processes], printed

    assert launch("killed")[0] == [-signal.SIGKILL] * 2
    assert len(list((tmp_path / "x.nc.parts").glob("*.npz"))) == 2
    codes, printed = launch("again")
    assert codes == [0, 0] and sorted(printed) == ["", f"{out}\n"]
    assert run("background", out="alone.nc")[0] == 0
    assert out.read_bytes() == (tmp_path / "alone.nc").read_bytes()


def test_a_launched_process_that_comes_late_does_no_harm(run, tmp_path, monkeypatch):
    assert run("background")[0] == 0
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("background")[0] == 0
    code, err = run("background", "--part", "2/2")
    assert (code, "leave it out under a launcher" in err) == (1, True)
    monkeypatch.setenv("RANK", "0")
    assert run("background")[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc"]


def test_diverging_methods_stop_at_once(run, models, tmp_path, monkeypatch):
    trained = shutil.copytree(models / "dice", tmp_path / "dice")
    model = Dice.from_pretrained(trained)
    model.spread.data += torch.nan
    model.save_pretrained(trained)
    code, err = run(trained)
    assert (code, "find where the method diverges" in err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["dice"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_analysis_but_for_rounding(run, models, tmp_path, tiny_data):
    for device in "cpu", "cuda":
        assert run(models / "conv_cnp", "--device", device, out=f"{device}.nc")[0] == 0
    first, second = (values(tmp_path / f"{device}.nc") for device in ("cpu", "cuda"))
    scale = tiny_data.statistics.std[:, None, None]
    np.testing.assert_allclose((first - second) / scale, 0, atol=1e-3)
