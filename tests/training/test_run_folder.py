"""What the folder of a training tells."""

import json
import math

import pytest
import yaml

from dambench_hub.errors import TrainingError
from dambench_hub.training.run_folder import claimed, training_minutes


def test_minutes_are_those_of_the_training(tmp_path):
    assert math.isnan(training_minutes(tmp_path))
    for step, seconds in ((10, 60.0), (20, 150.0)):
        state = tmp_path / "checkpoints" / f"step-{step}" / "state.json"
        state.parent.mkdir(parents=True)
        state.write_text(json.dumps({"step": step, "seconds": seconds}))
    assert training_minutes(tmp_path) == 2.5


@pytest.mark.parametrize(
    ("changes", "before"),
    [
        ({"world_size": 1}, 4),
        ({"world_size": 1, "micro_batch_size": 4}, None),
        ({"micro_batch_size": 2}, 4),
        ({}, None),
    ],
)
def test_batch_norms_keep_their_batches(tmp_path, changes, before):
    """Two processes took 4 samples each; without batch norms it may be any number."""
    begun = {"batch_size": 8, "micro_batch_size": None, "world_size": 2}
    (tmp_path / "checkpoints" / "step-1").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(begun))
    now = {**begun, **changes}
    if before:
        with (
            pytest.raises(TrainingError, match=f"set micro_batch_size={before}"),
            claimed(tmp_path, now, main=False, batch_norms=True),
        ):
            pass
    with claimed(tmp_path, now, main=False, batch_norms=not before):
        pass
