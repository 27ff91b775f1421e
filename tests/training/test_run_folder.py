"""What the folder of a training tells."""

import json
import math

from dambench_hub.training.run_folder import training_minutes


def test_minutes_are_those_of_the_training(tmp_path):
    assert math.isnan(training_minutes(tmp_path))
    for step, seconds in ((10, 60.0), (20, 150.0)):
        state = tmp_path / "checkpoints" / f"step-{step}" / "state.json"
        state.parent.mkdir(parents=True)
        state.write_text(json.dumps({"step": step, "seconds": seconds}))
    assert training_minutes(tmp_path) == 2.5
