"""Training: what it leaves behind, and that stopping, sharing and saving memory change nothing."""

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from filelock import FileLock
from torch import nn

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DambenchError, DataError, TaskError, TrainingError
from dambench_hub.metrics import RmseSkill
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.registry import METHODS, load_method
from dambench_hub.testing import write_tiny_dataset
from dambench_hub.training import checkpoints
from dambench_hub.training.checkpoints import checkpoint_steps, write_model
from dambench_hub.training.config import make_config
from dambench_hub.training.loop import train


class Nudging(LearnedAssimilator):
    """Moves the background towards the observations by a learned share of each channel.

    `at_loss` is called with the inputs of each loss, and may return another loss.
    """

    name = "nudging"
    at_loss = None

    def __init__(self, *, channels, grid, noise: float = 0.1):
        super().__init__(channels=channels, grid=grid)
        self.noise = noise
        self.share = nn.Parameter(torch.rand(len(self.channels), 1, 1))
        self.frozen = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.register_buffer("losses", torch.zeros((), dtype=torch.int64))

    def analyse(self, inputs):
        innovation = inputs.observed * (inputs.observations - inputs.background)
        return Analysis(inputs.background + self.share * innovation)

    def loss(self, inputs):
        self.losses += 1
        noise = self.noise * inputs.noise.normal(*inputs.background.shape[1:])
        error = self.analyse(replace(inputs, background=inputs.background + noise)).mean
        loss = (error - inputs.reference).square().mean()
        changed = type(self).at_loss and type(self).at_loss(self, inputs, loss)
        return loss if changed is None else changed


@pytest.fixture(autouse=True)
def nudging(monkeypatch):
    """The method of these tests, and a process that has not trained before."""
    module = ModuleType("dambench_hub.models.nudging")
    module.Nudging = Nudging
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METHODS, "nudging", "Nudging")
    monkeypatch.setattr(Nudging, "at_loss", None)
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


BASE = {
    "method": "nudging",
    "epochs": 4,
    "batch_size": 4,
    "learning_rate": 0.05,
    "mixed_precision": "no",
    "tracker": "none",
    "schedule": "linear",
    "roll_longitude": True,
    "ema_decay": 0.8,
}
"""8 samples: 2 steps an epoch, 8 in all."""


@pytest.fixture
def run(tiny_data, tmp_path):
    def run(out="run", data=tiny_data, **changes):
        AcceleratorState._reset_state(True)
        return train(make_config({**BASE, **changes}), data, tmp_path / out, "the command")

    return run


def metrics(folder, key):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[key] for line in lines if key in line}


def weights(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
    }


# What a training leaves behind


@pytest.fixture
def trained(run, tmp_path):
    run()
    return tmp_path / "run"


def test_the_best_model_is_better_than_the_background(trained, tiny_data):
    assert (trained / "best" / "config.json").is_file()
    model = load_method(trained / "best")
    weights = tiny_data.grid.weights[:, None] / tiny_data.statistics.std[:, None, None] ** 2
    errors = [
        np.mean(weights * (state - batch.reference) ** 2)
        for batch in tiny_data.batches("unimodal", "validation", 4)
        for state in (model.assimilate(batch).mean.numpy(), batch.background)
    ]
    skills = metrics(trained, "validation_skill")
    best = max(skills, key=skills.get)
    score = RmseSkill(tiny_data.channels, tiny_data.grid, tiny_data.statistics.std)
    for batch in tiny_data.batches("unimodal", "validation", 4):
        score.update(model.assimilate(batch).mean.numpy(), batch.reference, batch.background)
    assert skills[best] == pytest.approx(score.compute()["skill"], rel=1e-5)
    assert errors[0] == pytest.approx(metrics(trained, "validation_mse")[best], rel=1e-5)
    assert errors[1] == pytest.approx(metrics(trained, "background_mse")[8], rel=1e-5)
    assert errors[0] < errors[1]


def test_metrics_have_a_line_for_each_step_and_validation(trained):
    assert list(metrics(trained, "loss")) == list(range(1, 9))
    for key in "validation_skill", "validation_mse":
        assert list(metrics(trained, key)) == [2, 4, 6, 8]
    rates = list(metrics(trained, "learning_rate").values())
    assert rates == pytest.approx(0.05 * np.linspace(1, 0, 8))
    seconds, waiting = metrics(trained, "seconds"), metrics(trained, "waiting_seconds")
    assert all(0 <= waiting[step] <= seconds[step] for step in seconds)


def test_config_tells_all_that_the_training_depends_on(trained, tiny_data):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config.items() >= BASE.items()
    assert config["preset"] == "paper"
    assert config["data_revision"] == tiny_data.revision
    assert (config["world_size"], config["command"]) == (1, "the command")
    assert config["version"] and config["data_name"] == "tiny"


def test_training_states_are_the_last_and_the_best(run, tmp_path):
    progress = run(learning_rate=1e-9, keep=1, ema_decay=0.0)  # the first is about the best
    steps = checkpoint_steps(tmp_path / "run" / "checkpoints")
    assert steps == sorted({8, progress.best_step})


def test_frozen_parameters_stay(trained):
    model = load_method(trained / "last")
    assert model.frozen.item() == 0
    assert model.losses.item() == 8


# Stopping and going on


@pytest.mark.parametrize(
    ("stop_at", "number"), [(1, signal.SIGTERM), (3, signal.SIGINT), (4, signal.SIGTERM)]
)
def test_stopping_and_going_on_is_never_stopping(
    run, tmp_path, monkeypatch, capsys, stop_at, number
):
    before = signal.signal(number, lambda *_: pytest.fail("the request was not noted"))
    try:
        run("whole")

        def request(model, inputs, loss):
            if model.losses == stop_at:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(Nudging, "at_loss", request)
        with pytest.raises(KeyboardInterrupt):
            run("parts")
        assert list(metrics(tmp_path / "parts", "loss")) == list(range(1, stop_at + 1))
        assert checkpoint_steps(tmp_path / "parts" / "checkpoints")[-1] == stop_at
        monkeypatch.setattr(Nudging, "at_loss", None)
        run("parts")
    finally:
        signal.signal(number, before)
    assert f"Going on from step {stop_at} of 8" in capsys.readouterr().err
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    for key in ("loss", "gradient_norm", "validation_mse"):
        assert metrics(tmp_path / "parts", key) == metrics(tmp_path / "whole", key)


def test_a_training_from_before_skill_goes_on(run, tmp_path):
    run(max_minutes=1e-9)
    states = tmp_path / "run" / "checkpoints"
    step = checkpoint_steps(states)[-1]
    tensors, numbers = checkpoints.read_checkpoint(states, step)
    del numbers["best_skill"]
    shutil.rmtree(states)
    checkpoints.write_checkpoint(states, step, tensors, numbers)
    progress = run(max_minutes=10)
    assert progress.step == 8 and progress.best_mse < numbers["best_mse"]
    skills = metrics(tmp_path / "run", "validation_skill")
    assert progress.best_skill == skills[progress.best_step] == max(skills.values())


def test_going_on_with_other_micro_batches_changes_no_more_than_rounding(run, tmp_path):
    run("whole")
    run("parts", validation_every=4, max_minutes=1e-9)
    run("parts", validation_every=4, max_minutes=10, micro_batch_size=2)
    parts, whole = (metrics(tmp_path / out, "loss") for out in ("parts", "whole"))
    assert list(parts) == list(range(1, 9)) and parts == pytest.approx(whole, rel=1e-5)


def test_a_finished_training_is_left_as_it_is(run, tmp_path, capsys):
    run()
    before = weights(tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    run(tracker="none", keep=5, max_minutes=7)  # these change no weight
    assert weights(tmp_path / "run") == before
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == lines
    assert "from step 8 of 8" in capsys.readouterr().err


def test_a_damaged_state_is_passed_over(run, tmp_path, capsys):
    run("whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    path = tmp_path / "parts" / "checkpoints" / "step-8" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "parts" / "checkpoints" / ".step-9.0.partial").mkdir()
    run("parts")
    said = capsys.readouterr().err
    assert "step-8/model.safetensors is damaged" in said and "Going on from step 6" in said
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts", "loss") == metrics(tmp_path / "whole", "loss")


def test_a_limit_of_time_ends_with_a_model(run, tmp_path, capsys):
    run("whole", validation_every=4)
    assert run("parts", validation_every=4, max_minutes=1e-9).step == 1
    assert (tmp_path / "parts" / "best" / "model.safetensors").exists()
    assert "max_minutes are spent" in capsys.readouterr().err
    assert run("parts", validation_every=4, max_minutes=1e-9).step == 1  # still spent
    assert run("parts", validation_every=4, max_minutes=10).step == 8
    last = "checkpoints/step-8/model.safetensors"
    assert (tmp_path / "parts" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


def test_states_can_be_saved_between_validations(run, tmp_path):
    run(checkpoint_every=3, keep=9, epochs=3, validation_every=2)
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [3, 4, 6]


# What must not happen


@pytest.mark.parametrize("what", ["loss", "norm of the gradient"])
def test_numbers_that_are_not_finite_end_the_training(run, tmp_path, monkeypatch, what, tiny_data):
    def spoil(model, inputs, loss):
        if model.losses == 4:
            # The slope of a root is infinite at 0.
            return loss * torch.nan if what == "loss" else loss + (0 * model.share).sqrt().sum()

    monkeypatch.setattr(Nudging, "at_loss", spoil)
    with pytest.raises(
        TrainingError, match=r"of step 4 is (nan|inf).*step 2 is untouched"
    ) as caught:
        run()
    named = [str(time) for time in tiny_data.times("train") if str(time) in str(caught.value)]
    assert len(named) == 4
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [2]
    assert torch.isfinite(load_method(tmp_path / "run" / "best").share).all()


def test_weights_that_are_not_finite_are_not_saved(run, tmp_path, monkeypatch):
    def spoil(model, inputs, loss):
        if model.losses == 4:
            model.background_error_std[0] = torch.inf

    monkeypatch.setattr(Nudging, "at_loss", spoil)
    with pytest.raises(TrainingError, match="background_error_std are not finite after step 4"):
        run()
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [2]
    assert torch.isfinite(load_method(tmp_path / "run" / "last").background_error_std).all()


def test_a_full_disk_keeps_what_there_is(run, tmp_path, monkeypatch):
    real = checkpoints.save_file
    saved = []

    def fill_up(tensors, path):
        saved.append(path)
        if len(saved) > 3:  # of the second state
            raise OSError(28, "No space left on device")
        real(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", fill_up)
        with pytest.raises(DambenchError, match=r"disk is full.*run this again"):
            run()
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [2]
    run()
    run("whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_another_training_is_refused(run, tmp_path, trained):
    before = weights(trained)
    with pytest.raises(TrainingError) as caught:
        run(epochs=5, learning_rate=0.1, noise=0.2)
    for words in ("epochs was 4 and is 5", "learning_rate was 0.05 and is 0.1", "noise was None"):
        assert words in str(caught.value)
    assert "To go on" in str(caught.value) and "last starts from its weights" in str(caught.value)
    write_tiny_dataset(tmp_path / "other", name="other", lead_hours=12)
    with pytest.raises(TrainingError, match="data_revision was"):
        run(data=load_data(tmp_path / "other"))
    config = trained / "config.yaml"
    config.write_text("")
    with pytest.raises(TrainingError, match=r"config.yaml cannot be read"):
        run()
    assert weights(trained) == before


def test_a_training_without_a_state_can_be_corrected(run, tmp_path):
    with pytest.raises(TrainingError, match="batch_size is 9"):
        run(batch_size=9)
    run(batch_size=8, epochs=1)
    assert list(metrics(tmp_path / "run", "loss")) == [1]
    with pytest.raises(TrainingError, match="batch_size was 8 and is 4"):
        run(epochs=1)


def test_a_missing_split_is_told_at_once(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Nudging, "at_loss", lambda *_: pytest.fail("a step was made"))
    days = {"train": np.datetime64("2001-03-01", "h") + 24 * np.arange(8)}
    write_tiny_dataset(tmp_path / "data", times=days)
    with pytest.raises(DambenchError, match="validation"):
        run(data=load_data(tmp_path / "data"))


def test_two_trainings_do_not_share_a_folder(run, tmp_path):
    (tmp_path / "run").mkdir()
    with (
        FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(TrainingError, match="A training is running"),
    ):
        run()


def test_a_state_of_another_version_is_refused(run, trained, monkeypatch):
    monkeypatch.setattr(Nudging, "__init__", lambda self, **kw: other_init(self, **kw))
    with pytest.raises(TrainingError, match="that of another version of nudging"):
        run()


def other_init(self, *, channels, grid):
    LearnedAssimilator.__init__(self, channels=channels, grid=grid)
    self.weight = nn.Parameter(torch.zeros(3))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"batch_size": 9}, TrainingError, "has 8 samples, batch_size is 9"),
        ({"mixed_precision": "fp16"}, TrainingError, "needs a GPU"),
        ({"initial": "nowhere"}, DataError, "no folder nowhere"),
        ({"method": "conv_cnp", "width": 0}, TaskError, "width"),
    ],
)
def test_what_cannot_start_says_why(run, changes, error, words):
    if torch.cuda.is_available() and "mixed_precision" in changes:
        pytest.skip("a GPU can do fp16")
    with pytest.raises(error, match=words):
        run(**changes)


# What changes nothing


def test_micro_batches_change_nothing(run, tmp_path):
    for size in (None, 2, 1):
        run(f"{size}", micro_batch_size=size)
    whole = metrics(tmp_path / "None", "loss")
    for size in (2, 1):
        assert metrics(tmp_path / f"{size}", "loss") == pytest.approx(whole, rel=1e-5)
        norms = metrics(tmp_path / f"{size}", "gradient_norm")
        assert norms == pytest.approx(metrics(tmp_path / "None", "gradient_norm"), rel=1e-4)


def test_the_random_state_of_the_process_changes_nothing(run, tmp_path, monkeypatch):
    run("calm")

    def disturb(model, inputs, loss):
        torch.rand(3)
        np.random.rand()

    monkeypatch.setattr(Nudging, "at_loss", disturb)
    run("disturbed")
    assert weights(tmp_path / "calm") == weights(tmp_path / "disturbed")


# Options


def test_seeds_differ(run, tmp_path):
    run("0", epochs=1)
    run("1", epochs=1, seed=1)
    assert metrics(tmp_path / "0", "loss") != metrics(tmp_path / "1", "loss")


def seen(run, monkeypatch, **changes):
    """Observed points and background by epoch and time, as the loss sees them."""
    epochs = [{}, {}]

    def look(model, inputs, loss):
        for row, stream in enumerate(inputs.noise.streams):
            epochs[(int(model.losses) - 1) // 2][float(inputs.reference[row].sum())] = (
                inputs.observed[row].clone(),
                inputs.background[row].clone(),
                stream.initial_seed(),
            )

    monkeypatch.setattr(Nudging, "at_loss", look)
    run(str(changes), epochs=2, **changes)
    return epochs


@pytest.mark.parametrize("redraw", [False, True])
def test_observations_are_redrawn_each_epoch(run, monkeypatch, redraw):
    first, second = seen(run, monkeypatch, redraw=redraw, roll_longitude=False)
    assert len(first) == 8 and first.keys() == second.keys()
    for sample, (observed, background, noise) in first.items():
        assert torch.equal(observed, second[sample][0]) != redraw
        assert torch.equal(background, second[sample][1])
        assert noise != second[sample][2]


def test_samples_are_rolled_when_asked(run, monkeypatch):
    plain = seen(run, monkeypatch, roll_longitude=False)[0]
    turned = seen(run, monkeypatch, roll_longitude=True)[0]
    plain = [background for _, background, _ in plain.values()]
    differing = 0
    for _, background, _ in turned.values():
        same = [
            shift
            for field in plain
            for shift in range(16)
            if torch.equal(field.roll(shift, -1), background)
        ]
        assert len(same) == 1
        differing += same[0] != 0
    assert differing > 3


def test_averaged_weights_are_what_is_saved(run, tmp_path):
    run("average")
    run("plain", ema_decay=0.0)
    folder = tmp_path / "average"
    saved = load_method(folder / "last").share
    state, _ = checkpoints.read_checkpoint(folder / "checkpoints", 8)
    assert torch.equal(saved, state["average"]["share"])
    assert not torch.equal(saved, state["model"]["share"])
    plain, _ = checkpoints.read_checkpoint(tmp_path / "plain" / "checkpoints", 8)
    assert torch.equal(state["model"]["share"], plain["model"]["share"])
    assert plain["average"] == {}


def test_a_part_of_the_validation_split_can_do(run, tmp_path, tiny_data):
    run(validation_samples=2, epochs=1)
    errors = []
    for index in (0, 3):
        error = tiny_data.background("validation", index) - tiny_data.reference("validation", index)
        scaled = (error / tiny_data.statistics.std[:, None, None]) ** 2
        errors.append(np.mean(tiny_data.grid.weights[:, None] * scaled))
    found = metrics(tmp_path / "run", "background_mse")[2]
    assert found == pytest.approx(np.mean(errors), rel=1e-5)


def test_tensorboard_gets_the_metrics(run, tmp_path):
    pytest.importorskip("tensorboard")
    run(tracker="tensorboard", epochs=1)
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))


CONV_CNP = {
    "method": "conv_cnp",
    "width": 8,
    "depth": 1,
    "kernel": 3,
    "set_kernel": 3,
    "hidden_layers": 1,
    "norm": "group",
    "epochs": 1,
    "checkpointing": True,
}
MULTI = {
    "method": "multi_conv_cnp",
    "adapter_width": 8,
    "adapter_heads": 2,
    "adapter_layers": 1,
    "adapter_patch": 4,
}


def test_a_training_can_start_from_a_model(run, tmp_path):
    first = run("first", **CONV_CNP)
    again = run("again", **CONV_CNP, initial=str(tmp_path / "first" / "last"), learning_rate=1e-12)
    assert again.best_mse == pytest.approx(first.best_mse, rel=1e-3)
    multi = run(
        "multi",
        **{**CONV_CNP, **MULTI},
        initial=str(tmp_path / "first" / "last"),
        learning_rate=1e-12,
    )
    assert multi.best_mse == pytest.approx(again.best_mse, rel=1e-3)
    with pytest.raises(TrainingError, match="holds the method conv_cnp, which nudging cannot"):
        run("other", initial=str(tmp_path / "first" / "last"))


def test_modalities_can_be_controlled(run, tmp_path):
    multi = {**CONV_CNP, **MULTI, "epochs": 2}
    for control in ("none", "constant"):
        run(control, **multi, modality_control=control)
    assert metrics(tmp_path / "none", "loss")[1] == metrics(tmp_path / "constant", "loss")[1]
    assert metrics(tmp_path / "none", "loss")[4] != metrics(tmp_path / "constant", "loss")[4]


def test_compiled_parts_compute_the_same(run, tmp_path, monkeypatch):
    """Traced as for `torch.compile`, but without the compiler, which takes minutes."""
    compile_module, compiled = nn.Module.compile, []

    def trace(module):
        compiled.append(type(module).__name__)
        compile_module(module, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", trace)
    method = {**CONV_CNP, **MULTI, "checkpointing": False}
    run("plain", **method)
    assert compiled == []
    run("compiled", **method, compile=True)
    assert len(compiled) >= 3 and "ConvCNP" not in compiled  # but its parts
    losses = metrics(tmp_path / "plain", "loss")
    assert metrics(tmp_path / "compiled", "loss") == pytest.approx(losses, rel=1e-4)
    assert weights(tmp_path / "plain").keys() == weights(tmp_path / "compiled").keys()
    load_method(tmp_path / "compiled" / "best")


def test_bf16_is_near_to_float32(run, tmp_path):
    run("float32", **CONV_CNP)
    run("bf16", **{**CONV_CNP, "mixed_precision": "bf16"})
    wanted = metrics(tmp_path / "float32", "loss")
    assert metrics(tmp_path / "bf16", "loss") == pytest.approx(wanted, rel=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mixed_precision", ["bf16", "fp16"])
def test_it_trains_and_goes_on_on_a_gpu(run, tmp_path, mixed_precision):
    changes = {**CONV_CNP, "epochs": 2, "mixed_precision": mixed_precision}
    run("whole", **changes)
    assert run("parts", **changes, max_minutes=1e-9).step == 1
    run("parts", **changes)
    wanted = metrics(tmp_path / "whole", "loss")
    assert metrics(tmp_path / "parts", "loss") == pytest.approx(wanted, rel=1e-2)


# The folder of a model


def test_a_model_replaces_an_older_one_and_nothing_else(small_model, tmp_path):
    folder = tmp_path / "best"
    write_model(small_model, folder)
    (folder / "README.md").write_text("my card")
    (folder / "notes.txt").write_text("mine")
    with torch.no_grad():
        small_model.share.fill_(0.25)
    write_model(small_model, folder)
    assert load_method(folder).share.unique().item() == 0.25
    assert (folder / "README.md").read_text() == "my card"
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_full_disk_keeps_the_older_model(small_model, tmp_path, monkeypatch):
    write_model(small_model, tmp_path / "best")
    before = weights(tmp_path)

    def refuse(*args, **kwargs):
        raise checkpoints.SafetensorError("No space left on device")

    monkeypatch.setattr(Nudging, "save_pretrained", refuse)
    with pytest.raises(DambenchError, match=r"best \(No space left.*free some space"):
        write_model(small_model, tmp_path / "best")
    assert weights(tmp_path) == before


@pytest.fixture
def small_model():
    return Nudging(channels=["t2m"], grid="9x16")
