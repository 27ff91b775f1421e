"""The colours of the pages, as WCAG 2 measures them: AA wants 4.5 for text, 3 for curves."""

import re
from importlib.resources import files

import numpy as np
import pytest

from dambench_hub.leaderboard.web.drawing.panels import CURVES
from dambench_hub.leaderboard.web.markup import static_text
from dambench_hub.leaderboard.web.theme import SCRIPTS

STYLE = files("dambench_hub.leaderboard.web").joinpath("static", "style.css").read_text("utf-8")
SHADE = 0.62
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)


def colours(scheme):
    block = re.search(
        r":root {(.*?)}" if scheme == "light" else r"\.dark {(.*?)}", STYLE, re.DOTALL
    )
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block[1]))


def linear(colour):
    """Red, green and blue, as light."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    light, dark = sorted((one @ [0.2126, 0.7152, 0.0722] for one in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(one, other, share):
    """As `color-mix(in oklab, …)` does: half way between the cube roots of cone responses."""
    roots = share * np.cbrt(TO_LMS @ one) + (1 - share) * np.cbrt(TO_LMS @ other)
    return np.linalg.solve(TO_LMS, roots**3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "soft", "accent", "warning"])
@pytest.mark.parametrize("ground", ["paper", "sheet"])
def test_text_can_be_read(scheme, ink, ground):
    known = colours(scheme)
    assert contrast(linear(known[ink]), linear(known[ground])) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shade", ["gain", "loss"])
@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_numbers_can_be_read_on_every_shade(scheme, shade, share):
    known = {name: linear(colour) for name, colour in colours(scheme).items()}
    assert f"var(--{shade}) calc(var(--share) * {SHADE:.0%})" in STYLE
    ground = mixed(known[shade], known["paper"], SHADE * share)
    assert contrast(known["ink"], ground) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chosen_buttons_can_be_read(scheme):
    known = colours(scheme)
    assert contrast(linear(known["ink"]), linear(known["accent-soft"])) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_can_be_seen(scheme):
    known = colours(scheme)
    for curve in ("ink", *CURVES):
        assert contrast(linear(known[curve]), linear(known["paper"])) >= 3


def test_nothing_is_fetched_from_elsewhere():
    scripts = "".join(static_text(name) for name in (*SCRIPTS, "submit.js", "submit.css"))
    assert not re.search(r"https?://|@import|url\(", STYLE + scripts)
