"""Pages from templates; whatever comes in as text goes out as text."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dambench_hub.scoring.precision import number

SHADES = (1, 2, 5, 10, 20, 50)
"""Differences in percent, from each of which on a cell has one shade more."""
ROUNDING = 1e-9


def render(template: str, **values: Any) -> str:
    """The HTML of a template of `templates/`; values are escaped unless they are `Markup`."""
    return _environment().get_template(f"{template}.html").render(values)


def static_text(name: str) -> str:
    """A style sheet or script of `static/`."""
    return files("dambench_hub.leaderboard.web").joinpath("static", name).read_text("utf-8")


def cell(
    text: str, *, style: str = "", value: float | None = None, inner: Markup | str = ""
) -> Markup:
    """A cell of a table.

    Args:
        text: What it says.
        style: Its class.
        value: What it is sorted by, where the text is not it.
        inner: Markup after the text.
    """
    attributes = Markup("")
    if style:
        attributes += Markup(' class="{}"').format(style)
    if value is not None:
        attributes += Markup(' data-value="{}"').format(value)
    return Markup("<td{}>{}{}</td>").format(attributes, text, inner)


def shaded(text: str, ratio: float | None, value: float | None = None) -> Markup:
    """A cell whose shade says how much smaller (a gain) or larger an error is than another.

    The shades are those of `SHADES`, on all pages alike.

    Args:
        text: What it says.
        ratio: The error over the other; None for no shade.
        value: What it is sorted by, where the text is not it.
    """
    if ratio is None:
        return cell(text, value=value)
    steps = bisect_right(SHADES, 100 * abs(ratio - 1) * (1 + ROUNDING))
    sort = Markup("") if value is None else Markup(' data-value="{}"').format(value)
    return Markup('<td class="{}" style="--share: {:.3f}"{}>{}</td>').format(
        "gain" if ratio <= 1 else "loss", steps / len(SHADES), sort, text
    )


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things.

    >>> counted(1, "file"), counted(2, "analysis", "analyses")
    ('1 file', '2 analyses')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def in_utc(time: str) -> str:
    """A time as the store has it, for people.

    >>> in_utc("2026-01-31T12:00:00Z")
    '2026-01-31 12:00 UTC'
    """
    return f"{time[:16].replace('T', ' ')} UTC"


def with_code(text: str) -> Markup:
    """A message for people, whose commands stand between backticks.

    >>> str(with_code("Run `a < b`."))
    'Run <code>a &lt; b</code>.'
    """
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else part
        for n, part in enumerate(text.split("`"))
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dambench_hub.leaderboard.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"counted": counted, "in_utc": in_utc, "number": number, "with_code": with_code}
    environment.filters |= filters
    environment.globals["SHADES"] = SHADES
    return environment
