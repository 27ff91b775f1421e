"""baselines/train.py: on one process and on two, killed and restarted."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from dambench_hub.models.registry import load_method

SCRIPT = Path(__file__).parents[2] / "baselines" / "train.py"
SPEC = importlib.util.spec_from_file_location("train", SCRIPT)
train = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(train)

CONFIG = {
    "method": "conv_cnp",
    "epochs": 20,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "mixed_precision": "no",
    "tracker": "none",
    "validation_every": 5,
    "checkpoint_every": 3,
    "keep": 99,
    "ema_decay": 0.9,
    "timeout_minutes": 1,
    "width": 8,
    "depth": 1,
    "kernel": 3,
    "set_kernel": 3,
    "hidden_layers": 1,
    "norm": "group",
}
"""8 samples: 40 steps."""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def two_processes(config, data, out, *overrides, restarts=0):
    """Start a training on two processes with torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", f"--max-restarts={restarts}", str(SCRIPT)]
    command += ["--config", str(config), "--data", str(data), "--out", str(out), *overrides]
    return subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, seconds=200):
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        kill(process.pid)
    return process.returncode, output


def kill(*pids):
    """SIGKILL to processes and all below them."""
    for pid in pids:
        try:
            family = psutil.Process(pid)
            members = [*family.children(recursive=True), family]
        except psutil.NoSuchProcess:
            continue
        for member in members:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue


def rank(process, wanted):
    """The process of a rank below torchrun."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.environ().get("RANK") == str(wanted) and "train.py" in " ".join(child.cmdline()):
            return child
    raise AssertionError(f"no rank {wanted}")


def wait_for(steps, out, process):
    """Until there are metrics of so many steps."""
    path = out / "metrics.jsonl"
    until = time.monotonic() + 120
    while not path.exists() or path.read_text().count("loss") < steps:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.005)


def losses(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def tensors(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def undisturbed(config, tiny_folder, tmp_path_factory):
    """A training on two processes from begin to end."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    code, output = finish(two_processes(config, tiny_folder, out))
    assert code == 0, output
    return out


def test_a_dead_process_restarts_all_and_changes_nothing(
    config, tiny_folder, tmp_path, undisturbed
):
    """Rank 1 is killed; torchrun starts both again; the rest is as if nothing had happened."""
    process = two_processes(config, tiny_folder, tmp_path / "run", restarts=1)
    wait_for(8, tmp_path / "run", process)
    rank(process, 1).kill()
    code, output = finish(process)
    assert code == 0, output
    assert "Going on from step" in output
    assert losses(tmp_path / "run") == losses(undisturbed)
    assert list(losses(undisturbed)) == list(range(1, 41))
    assert tensors(tmp_path / "run") == tensors(undisturbed)


def test_one_process_sees_what_two_see(config, tiny_folder, tmp_path, undisturbed):
    """In this process."""
    arguments = ["--config", str(config), "--data", str(tiny_folder), "--out"]
    assert train.main([*arguments, str(tmp_path / "one")]) == 0
    one, two = losses(tmp_path / "one"), losses(undisturbed)
    assert max(abs(one[step] - two[step]) for step in two) < 1e-5
    assert json.loads((undisturbed / "best" / "config.json").read_text())["method"] == "conv_cnp"
    load_method(undisturbed / "best")


def test_one_process_goes_on_where_two_stopped(config, tiny_folder, tmp_path, undisturbed, capsys):
    """From the middle; rounding apart, the rest is what two would have done."""
    out = shutil.copytree(undisturbed, tmp_path / "run")
    for state in (out / "checkpoints").iterdir():
        if int(state.name.removeprefix("step-")) > 20:
            shutil.rmtree(state)
    arguments = ["--config", str(config), "--data", str(tiny_folder), "--out", str(out)]
    assert train.main(arguments) == 0
    assert "Going on from step 20 of 40" in capsys.readouterr().err
    one, two = losses(out), losses(undisturbed)
    assert list(one) == list(two)
    assert max(abs(one[step] - two[step]) for step in two) < 1e-5


@pytest.mark.slow
def test_a_hung_process_ends_the_training_in_time(config, tiny_folder, tmp_path):
    """Rank 1 is suspended; rank 0 does not wait for it for ever."""
    out = tmp_path / "run"
    process = two_processes(config, tiny_folder, out, "timeout_minutes=0.2", "epochs=4000")
    try:
        wait_for(8, out, process)
        waiting, hung = rank(process, 0), rank(process, 1)
        hung.suspend()
        waiting.wait(timeout=60)  # torchrun then gives the other one 30 s more
    finally:
        kill(process.pid)
    assert list((out / "checkpoints").glob("step-*"))


@pytest.fixture
def run(config, tiny_folder, tmp_path, capsys):
    def run(*overrides, out="run", config=config):
        arguments = ["--config", str(config), "--data", str(tiny_folder)]
        code = train.main([*arguments, "--out", str(tmp_path / out), *overrides])
        return code, capsys.readouterr().err

    return run


def test_seed_and_overrides_are_stronger_than_the_file(run, tmp_path):
    assert run("epochs=1", "--seed", "7")[0] == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["seed"], config["epochs"], config["width"]) == (7, 1, 8)
    assert config["command"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["epoch=3"], "tiny.yaml: method conv_cnp: unknown key 'epoch'. Did you mean 'epochs'?"),
        (["epochs=0"], "tiny.yaml: epochs is a whole number from 1 on, got 0"),
        (["method=conv_cmp"], "Did you mean 'conv_cnp'"),
        (["batch_size=3", "micro_batch_size=2"], "batch_size 3 is not a multiple"),
        (["norm=layer"], "Unknown norm 'layer'"),
    ],
)
def test_mistakes_are_told(run, overrides, words):
    code, err = run(*overrides)
    assert (code, words in err) == (1, True), err


def test_wrong_usage(run, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        train.main([])
    code, err = run(config=tmp_path / "nowhere.yaml")
    assert (code, "nowhere.yaml cannot be read" in err) == (1, True)
