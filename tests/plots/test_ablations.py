"""The picture of ablations."""

import pytest

from dambench_hub.plots import AblationPanel, plot_ablations

PANELS = [
    AblationPanel("Coarse", "grid points", [2, 4], {"var3d": [30, 20], "letkf": [25, 10]}),
    AblationPanel("Sparse", "%", [1, 5, 20], {"var3d": [10, 30, 50]}, logarithmic=True),
]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_drawn(tmp_path, suffix):
    path = plot_ablations(PANELS, tmp_path / f"ablations.{suffix}")
    assert path.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml"}[suffix])


def test_panels_and_methods_have_their_names(tmp_path):
    text = plot_ablations(PANELS, tmp_path / "ablations.svg").read_text()
    for name in ("Coarse", "Sparse", "var3d", "letkf", "skill"):
        assert name in text


def test_one_value_is_enough(tmp_path):
    panel = AblationPanel("Noisy", "σ", [0.0], {"var3d": [40.0]})
    assert plot_ablations([panel], tmp_path / "one.png").exists()
