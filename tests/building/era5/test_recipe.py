"""Recipes: what they may say, and what a wrong one is told."""

from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.era5.recipe import Recipe, read_recipe
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import DambenchError


def written(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_the_default_is_the_benchmark():
    recipe = Recipe(source="arco")
    assert recipe.channels == STANDARD_CHANNELS
    times = recipe.times()
    assert {split: len(t) for split, t in times.items()} == {
        "train": 23 * 365 + 6,
        "validation": 365,
        "test": 366,
    }
    assert times["train"][0] == np.datetime64("2000-01-01T00")
    assert times["test"][-1] == np.datetime64("2024-12-31T00")
    six = Recipe(source="arco", cadence="6h").times()["test"]
    assert len(six) == 4 * 366
    assert six[-1] == np.datetime64("2024-12-31T18")


def test_start_and_end_clip_the_splits():
    recipe = Recipe(source="arco", start="2022-12-30", end="2023-01-02")
    assert {s: len(t) for s, t in recipe.times().items()} == {"train": 2, "validation": 2}


def test_a_file_and_options_that_win(tmp_path):
    path = written(
        tmp_path,
        "source: wb2\nname: mine\nchannels: [t2m, z500]\ndensity: 1\n"
        "splits: {train: [2001-01-01, 2001-12-31], test: ['2002-01-01', 2002-02-01]}\n",
    )
    recipe = read_recipe(path, {"name": "yours", "grid": None})
    assert (recipe.source, recipe.name, recipe.grid) == ("wb2", "yours", "121x240")
    assert recipe.channels == ("t2m", "z500")
    assert recipe.density == 1.0
    assert recipe.splits["train"] == ("2001-01-01", "2001-12-31")
    assert Recipe(**{**recipe.settings(), "channels": recipe.channels}) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sorce: wb2", "unknown key 'sorce'. Did you mean 'source'?"),
        ("name: x", "the key 'source' is missing; choose wb2, arco, cds"),
        ("source: wb3", "Unknown source 'wb3'. Did you mean 'wb2'?"),
        ("source: wb2\nbackground: persistance", "Did you mean 'persistence'?"),
        ("source: wb2\ncadence: 12h", "Unknown cadence '12h'"),
        ("source: wb2\nalignment: nominel", "Did you mean 'nominal'?"),
        ("source: wb2\nlead_hours: soon", "lead_hours must be a int, got 'soon'"),
        ("source: wb2\nlead_hours: 25", "multiple of 6, got 25"),
        ("source: wb2\nseed: true", "seed must be a int, got True"),
        ("source: wb2\nbackground: fengwu", "do not belong together"),
        ("source: wb2\nbackground_path: x", "do not belong together"),
        ("source: cds", "needs a path"),
        ("source: wb2\ngrid: 121", "grid must be a str, got 121"),
        ("source: wb2\nchannels: [z500, z500]", "listed twice"),
        ("source: wb2\nchannels: [z]", "Unknown channel 'z'"),
        ("source: wb2\ndensity: 7", "density"),
        ("source: wb2\nstart: '2000-13-01'", "start must be a day like"),
        ("source: wb2\nstart: 2000-13-01", "cannot be read (month must be in 1..12)"),
        ("source: wb2\nend: 1999-01-01", "No day of the splits lies between None and 1999"),
        ("source: wb2\nsplits: {trian: [2001-01-01, 2001-02-01]}", "Did you mean 'train'?"),
        ("source: wb2\nsplits: {train: 2001-01-01}", "needs a first and a last day"),
        (
            "source: wb2\nsplits: {train: [2001-01-01, 2001-02-01], "
            "test: [2001-02-01, 2001-03-01]}",
            "The splits train and test overlap on 2001-02-01",
        ),
        ("- source", "holds no `key: value`"),
        ("source: [", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(DambenchError) as error:
        read_recipe(written(tmp_path, text), {})
    assert message in str(error.value)


def test_an_absent_file_is_named():
    with pytest.raises(DambenchError, match=r"no\.yaml cannot be read"):
        read_recipe(Path("no.yaml"), {})
