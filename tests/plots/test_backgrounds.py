"""The picture of backgrounds."""

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.background_quality import BackgroundQuality
from dambench_hub.plots import plot_backgrounds


def test_a_picture_is_drawn(tmp_path, rng):
    channels, grid = ("t2m", "z500", "t850"), Grid(17, 32)
    by_channel = dict.fromkeys(channels, 0.3)
    field = np.abs(rng.normal(size=(3, *grid.shape)))
    quality = BackgroundQuality(
        split="test",
        channels=channels,
        mse=np.full(9, 0.02),
        spread_error=dict.fromkeys(channels, 1.0),
        correlation=by_channel,
        bias_share=by_channel,
        error_power={"z500": [0.1, 0.2, None], "t850": [0.2, 0.3, 0.5]},
        rms_error=field,
        rms_spread=field,
        points_per_degree_of_freedom=0.2,
    )
    path = tmp_path / "backgrounds.png"
    plot_backgrounds(quality, grid, path, "made up")
    assert path.read_bytes().startswith(b"\x89PNG")
