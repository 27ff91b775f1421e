"""Training states: loadable or ignored, whatever moment the process was killed in."""

import ast
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from dambench_hub.errors import DambenchError
from dambench_hub.training import checkpoints as module
from dambench_hub.training.checkpoints import (
    checkpoint_steps,
    damage,
    load_optimizer,
    newest_checkpoint,
    optimizer_tensors,
    prune_checkpoints,
    read_checkpoint,
    remove_partial_folders,
    write_checkpoint,
)

ROOT = Path(__file__).parents[2]
TENSORS = {
    "model": {"weight": torch.arange(6.0).reshape(2, 3).T, "spectrum": torch.ones(2) * 1j},
    "average": {},
}


def save(folder, step):
    return write_checkpoint(folder, step, TENSORS, {"step": step, "best_mse": None})


def quiet(text):
    raise AssertionError(f"nothing should be damaged: {text}")


def test_a_state_comes_back(tmp_path):
    path = save(tmp_path, 3)
    assert path == tmp_path / "step-3"
    assert newest_checkpoint(tmp_path, quiet) == 3
    tensors, state = read_checkpoint(tmp_path, 3)
    assert state == {"step": 3, "best_mse": None}
    assert tensors["average"] == {}
    for name, values in TENSORS["model"].items():
        assert torch.equal(tensors["model"][name], values)
    assert list(tmp_path.iterdir()) == [path]  # nothing temporary is left


def test_the_newest_is_found_by_number(tmp_path):
    assert newest_checkpoint(tmp_path / "none", quiet) is None
    for step in (9, 100, 20):
        save(tmp_path, step)
    (tmp_path / "step-x").mkdir()
    assert checkpoint_steps(tmp_path) == [9, 20, 100]
    assert newest_checkpoint(tmp_path, quiet) == 100


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "average.safetensors", "state.json"])
def test_a_damaged_one_is_named_and_passed_over(tmp_path, name, spoil):
    save(tmp_path, 1)
    spoil(save(tmp_path, 2) / name)
    said = []
    assert newest_checkpoint(tmp_path, said.append) == 1
    assert len(said) == 1 and "step-2" in said[0] and "passed over" in said[0]
    save(tmp_path, 2)  # the training gets there again
    assert newest_checkpoint(tmp_path, quiet) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"files": {"model.safetensors": 1}}'])
def test_an_incomplete_one_is_passed_over(tmp_path, content):
    path = save(tmp_path, 1)
    (path / "COMPLETE.json").write_text(content)
    assert "incomplete" in damage(path)
    (path / "COMPLETE.json").unlink()
    assert "incomplete" in damage(path)


class Killed(BaseException):
    """The process ends here."""


def test_death_at_any_moment_of_saving_leaves_the_older_one(tmp_path, monkeypatch):
    """The n-th call of the system, for all n, is the last; nothing is tidied up after it."""
    calls, moments = 0, 0

    def dying(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == moments:
                raise Killed
            return function(*args, **kwargs)

        return call

    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", dying(lambda *args, **kwargs: None))
        patch.setattr(module, "save_file", dying(module.save_file))
        for name in ("fsync", "replace", "rename", "mkdir"):
            patch.setattr(os, name, dying(getattr(os, name)))
        finished = False
        while not finished:
            calls, moments = 0, moments + 1
            try:
                save(tmp_path, 2)
                finished = True
            except Killed:
                assert newest_checkpoint(tmp_path, quiet) in (1, 2)
                if newest_checkpoint(tmp_path, quiet) == 2:
                    break  # what follows the rename changes nothing
    assert moments > 10
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
    remove_partial_folders(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"step-1", "step-2"}


@pytest.mark.parametrize("error", [SafetensorError("No space left"), OSError(errno.ENOSPC, "full")])
def test_a_full_disk_keeps_the_older_one(tmp_path, monkeypatch, error):
    def refuse(*args):
        raise error

    save(tmp_path, 1)
    monkeypatch.setattr(module, "save_file", refuse)
    with pytest.raises(DambenchError, match="disk is full"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]
    assert newest_checkpoint(tmp_path, quiet) == 1


def test_space_is_asked_for_beforehand(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=40)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DambenchError, match="GB free.*Free some space"):
        save(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_only_those_asked_for_stay(tmp_path):
    for step in range(1, 6):
        save(tmp_path, step)
    prune_checkpoints(tmp_path, {2, 4, 5, 7})
    assert checkpoint_steps(tmp_path) == [2, 4, 5]


def test_an_optimizer_remembers(tmp_path):
    names = ["a.weight", "b"]

    def fresh(values):
        parameters = [value.clone().requires_grad_() for value in values]
        return parameters, torch.optim.AdamW(parameters, lr=0.1)

    def train(parameters, optimizer, steps):
        for step in steps:
            for n, parameter in enumerate(parameters):
                parameter.grad = torch.full_like(parameter, n + step + 1.0)
            optimizer.step()

    wanted, optimizer = fresh([torch.zeros(2), torch.ones(3)])
    train(wanted, optimizer, [0, 1])
    resumed = [parameter.detach() for parameter in wanted]
    write_checkpoint(tmp_path, 2, {"optimizer": optimizer_tensors(optimizer, names)}, {})
    resumed, other = fresh(resumed)
    tensors = read_checkpoint(tmp_path, 2)[0]["optimizer"]
    load_optimizer(other, names, tensors)
    train(wanted, optimizer, [2])
    train(resumed, other, [2])
    assert all(map(torch.equal, resumed, wanted))
    with pytest.raises(KeyError):
        load_optimizer(other, ["a.weight", "c"], tensors)


def test_states_hold_no_code(tmp_path):
    path = save(tmp_path, 1)
    assert {file.suffix for file in path.iterdir()} == {".safetensors", ".json"}
    complete = json.loads((path / "COMPLETE.json").read_text())
    assert set(complete["files"]) == {f.name for f in path.iterdir()} - {"COMPLETE.json"}


@pytest.mark.parametrize("folder", ["dambench_hub", "baselines"])
def test_nothing_loads_pickles(folder):
    """Neither `pickle` nor what reads pickles stands in the code."""
    forbidden = {"pickle", "cloudpickle", "dill", "joblib", "shelve"}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                {alias.name.split(".")[0] for alias in getattr(node, "names", [])}
                if (isinstance(node, ast.Import | ast.ImportFrom))
                else set()
            )
            if isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
            assert not names & forbidden, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.save"), path
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert keywords.get("allow_pickle", "False") == "False", path
