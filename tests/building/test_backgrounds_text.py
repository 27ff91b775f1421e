"""What a card says of the backgrounds."""

import dataclasses

import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.storage.manifest import PICTURE
from dambench_hub.testing import TinyAtmosphere, tiny_plan

FIGURES = {
    "split": "test",
    "days": 120,
    "mse": 0.0131,
    "drift": -0.042,
    "points_per_degree_of_freedom": 0.219,
    "spread_error": {"mean": 0.91, "min": 0.5, "max": 1.2},
    "correlation": {"mean": 0.31, "min": 0.1, "max": 0.4},
    "bias_share": {"mean": 0.2, "min": 0.1, "max": 0.5},
}


@pytest.mark.parametrize("picture", [True, False])
def test_figures_and_picture_are_on_the_card(tmp_path, picture):
    plan = tiny_plan()
    plan = dataclasses.replace(plan, source={**plan.source, "backgrounds": [FIGURES]})
    world, drawn = TinyAtmosphere(plan, 0), tmp_path / "drawn.png"
    drawn.write_bytes(b"\x89PNG")
    out = tmp_path / "dambench"
    build_dataset(out, plan, lambda work: Source(world.read, picture=drawn if picture else None))
    card = (out / "README.md").read_text()
    assert "| test | 120 | 0.0131 | -4.2% | 0.91 (0.50 … 1.20) | 0.31 (0.10 … 0.40) |" in card
    assert "for each degree of freedom of a field: 0.22" in card
    assert (f"({PICTURE})" in card) == picture == (out / PICTURE).exists()


def test_other_data_sets_say_nothing(tiny_folder):
    assert "How good the backgrounds are" not in (tiny_folder / "README.md").read_text()
