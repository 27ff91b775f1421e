"""Devices by name."""

import pytest
import torch

from dambench_hub.errors import TaskError
from dambench_hub.models.devices import find_device


@pytest.fixture(params=[0, 3])
def gpus(request, monkeypatch):
    """So many GPUs, which torch cannot be asked to use."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch, "empty", lambda size, device: None)
    return request.param


def test_each_process_of_a_launcher_gets_a_gpu_of_its_own(gpus, monkeypatch):
    for rank in range(4):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        wanted = torch.device(f"cuda:{rank % gpus}") if gpus else torch.device("cpu")
        assert find_device("auto") == wanted
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("cuda:2") == torch.device("cuda:2")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "", "meta:x"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(TaskError, match=f"There is no device {name}; here are cpu"):
        find_device(name)
