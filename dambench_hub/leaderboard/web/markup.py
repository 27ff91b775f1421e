"""Pages from templates; whatever comes in as text goes out as text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


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


def shaded(text: str, ratio: float | None) -> Markup:
    """A cell whose shade says how much smaller (a gain) or larger an error is than another.

    Args:
        text: What it says.
        ratio: The error over the other; None for no shade.
    """
    if ratio is None:
        return cell(text)
    share = min(abs(1 - ratio), 1.0)
    return Markup('<td class="{}" style="--share: {:.3f}">{}</td>').format(
        "gain" if ratio <= 1 else "loss", share, text
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dambench_hub.leaderboard.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
