"""Devices that learned methods compute on, found by name."""

from __future__ import annotations

import os

import torch

from dambench_hub.errors import TaskError


def find_device(name: str) -> torch.device:
    """The device called `name`, able to compute.

    Args:
        name: `cpu`, `cuda:1` …; `cuda` is the GPU of this process, which is one of its own under a
            launcher; `auto` is that one, or the CPU where there is no GPU.

    Raises:
        TaskError: When it is not here; names those that are.

    >>> find_device("cpu")
    device(type='cpu')
    """
    count = torch.cuda.device_count()
    own = f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % max(count, 1)}"
    wanted = {"auto": own if count else "cpu", "cuda": own}.get(name, name)
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ", ".join(["cpu", *(f"cuda:{n}" for n in range(count))])
        raise TaskError(f"There is no device {name}; here are {here}.") from error
    return device
