"""scoring/analyses.py: the scores of a method are those of its file of predictions."""

import pytest

from dambench_hub.models.background import Background
from dambench_hub.models.optimal_interpolation import OptimalInterpolation
from dambench_hub.predictions import write_predictions
from dambench_hub.scoring import score
from dambench_hub.scoring.analyses import score_analyses


@pytest.mark.parametrize("size", [1, 3])
def test_scores_are_those_of_a_file(size, tiny_data, tmp_path):
    method = OptimalInterpolation.fit(tiny_data.batches("unimodal", "train"))
    analyses = (method.assimilate(batch) for batch in tiny_data.batches("unimodal"))
    path = tmp_path / "x.nc"
    write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="m", authors="A")
    batches = tiny_data.batches("unimodal", batch_size=size)
    found = score_analyses(method, tiny_data, batches, None).compute()
    expected = score(path, tiny_data, "unimodal").scores
    for name in "skill", "mse", "mae":
        assert found[name] == pytest.approx(expected[name], rel=1e-6)


def test_the_method_does_not_see_the_reference(tiny_data):
    class Peeping(Background):
        def assimilate(self, batch, generator=None):
            assert batch.reference is None
            return super().assimilate(batch)

    found = score_analyses(Peeping(), tiny_data, tiny_data.batches("unimodal"), None)
    assert found.compute()["skill"] == 0
