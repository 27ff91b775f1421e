"""Cycles in a world that turns."""

import numpy as np
import pytest
from turning_world import CHANNELS, GRID, SCALE, Turning, build_turning_world

from dambench_hub.cycling.cycle import Cycle, first_states
from dambench_hub.cycling.record import CycleRecord, saturation
from dambench_hub.cycling.run import CycleRun, Plan
from dambench_hub.data import load_data
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.predictions.parts import Parts
from dambench_hub.tasks import load_task
from dambench_hub.testing import smooth_field


@pytest.fixture(scope="session")
def turning_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turning") / "data"
    build_turning_world(folder)
    return load_data(folder)


@pytest.fixture(scope="session")
def training(turning_data):
    return list(turning_data.batches("unimodal", "train", 8))


@pytest.fixture
def make_run(turning_data, tmp_path):
    """A run of a method in a turning model, and the states to begin with."""

    def make(method, damping=0.0, members=1, name="p.nc", keep_members=False, every=3):
        view = ChannelStates(Turning(damping), CHANNELS, GRID)
        task = load_task("cycling")
        times = task.times(turning_data.manifest)
        references = [turning_data.reference("test", n) for n in range(len(times))]
        record = CycleRecord(
            method=method.name,
            times=times,
            channels=CHANNELS,
            lead_hours=24 * np.arange(1, 6),
            saturation=saturation(references, GRID.weights),
        )
        parts = Parts(tmp_path / name, {"members": members}, times)
        plan = Plan(hours=24, leads=5, every=every, keep_members=keep_members)
        run = CycleRun(Cycle(view, method), turning_data, task, plan, parts, record)
        errors = None
        if members > 1:
            drawn = np.random.default_rng(1)
            fields = [[smooth_field(GRID, 0.5, drawn) for _ in CHANNELS] for _ in range(members)]
            errors = 0.7 * SCALE * (fields - np.mean(fields, axis=0))
        background = turning_data.background("test", 0)
        return run, first_states(view, view.guess(times[0], 0), background, errors)

    return make
