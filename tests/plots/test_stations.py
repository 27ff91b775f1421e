"""The picture of errors at stations says what the scores say."""

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from PIL import Image

from dambench_hub.cli.commands import main
from dambench_hub.plots.figures import STYLE
from dambench_hub.plots.stations import draw_stations
from dambench_hub.scoring.evaluation import score


def test_background_and_analysis_have_their_own_errors_in_the_same_colours(
    predict_stations, stations_data
):
    result = score(predict_stations(4.0), stations_data)
    places = result.station_errors.at_places("t2m")
    with matplotlib.rc_context(STYLE):
        left, right, _ = draw_stations(places, "t2m", "caption").axes
    for axes, kind in ((left, "background"), (right, "analysis")):
        (dots,) = (one for one in axes.collections if isinstance(one, PathCollection))
        np.testing.assert_allclose(np.sort(dots.get_array()), np.sort(getattr(places, kind)))
        assert axes.get_title(loc="left") == (
            f"Mean error of the {kind}, RMSE {places.rmse[kind]:.4g} K"
        )
        assert dots.get_clim()[0] == -dots.get_clim()[1]
    assert f"RMSE {result.main_score:.4g} K" in right.get_title(loc="left")
    assert left.collections[0].get_clim() == right.collections[0].get_clim()


def test_the_command_draws_what_the_data_set_allows(
    predict_stations, stations_folder, tmp_path, capsys
):
    path = predict_stations()
    with pytest.raises(SystemExit) as ended:
        main(["plot", str(path), "--data", str(stations_folder), "--out", str(tmp_path / "out")])
    assert not ended.value.code
    (drawn,) = (tmp_path / "out").iterdir()
    assert drawn.name == f"{path.stem}_stations_t2m.png" and str(drawn) in capsys.readouterr().out
    assert Image.open(drawn).width > 1000


def test_a_channel_that_is_not_there_is_named(predict_stations, stations_folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plot", str(predict_stations()), "--data", str(stations_folder), "--channel", "t2n"])
    assert ended.value.code == 1 and "no channel 't2n'" in capsys.readouterr().err
