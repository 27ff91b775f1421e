import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from dambench_hub.leaderboard.web.drawing.charts import INKS, draw_profiles, draw_spectra
from dambench_hub.leaderboard.web.drawing.panels import profiles

POWER = 1.0 / np.arange(1, 33) ** 3
HOSTILE = ["<script>alert(1)</script>", "$\\frac{1}{", "_hidden", "a & b", "x" * 80, "日本 ü"]
HOSTILE += ["$x^2$", "a$$b", "$ $", "\\$x$"]


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter() if element.text]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name):
    drawing = draw_spectra(POWER, {name: POWER}, ["accent"], "m²")
    root = ElementTree.fromstring(drawing)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    shown = "".join(texts(drawing)).replace("\\", "")
    assert name.lstrip("_").replace("\\", "") in shown


@pytest.mark.parametrize("name", HOSTILE)
def test_names_below_profiles_are_text(name):
    drawing = draw_profiles({"temperature": {500: 1.2, 850: 0.8}}, name)
    assert f"RMSE / RMSE of {name}" in texts(drawing)
    assert name in ElementTree.fromstring(drawing).get("aria-label")


def test_the_page_chooses_the_colours():
    drawing = draw_spectra(POWER, {"one": POWER, "two": 2 * POWER}, ["accent", "second"], "m²")
    assert not [ink for ink in INKS.values() if ink in drawing]
    for name in ("ink", "soft", "rule", "accent", "second"):
        assert f"var(--{name})" in drawing


def test_charts_scale_with_the_page_and_share_no_names():
    drawing = draw_spectra(POWER, {"one": POWER}, ["accent"], "m²")
    root = ElementTree.fromstring(drawing)
    assert "viewBox" in root.attrib and "width" not in root.attrib and "height" not in root.attrib
    groups = [element for element in root.iter() if element.tag.endswith("}g")]
    assert groups and not [group for group in groups if "id" in group.attrib]


def test_drawings_are_the_same_each_time():
    assert draw_spectra(POWER, {"a": POWER}, ["loss"], "K²") == draw_spectra(
        POWER, {"a": POWER}, ["loss"], "K²"
    )


def test_power_of_nothing_can_be_drawn():
    zero = np.zeros(8)
    drawing = draw_spectra(zero, {"zero": zero}, ["accent"], "K²")
    paths = [element.get("d", "") for element in ElementTree.fromstring(drawing).iter()]
    assert any(paths) and not [path for path in paths if "nan" in path or "inf" in path]
    assert {"reference", "zero"} <= {text.strip() for text in texts(drawing)}


def test_profiles_show_each_variable_and_level():
    ratios = {"geopotential": {500: 0.5, 850: 1.4}, "temperature": {850: 0.7}}
    shown = texts(draw_profiles(ratios, "the background"))
    assert {"geopotential", "temperature", "500", "850"} <= {text.strip() for text in shown}


def test_channels_without_levels_have_no_profile():
    assert profiles((("t2m", 0.5), ("msl", 0.5)), "the background") == ""
    assert "<svg" in profiles((("t2m", 0.5), ("z500", 0.5)), "the background")
