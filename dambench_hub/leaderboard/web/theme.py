"""The look that all pages share: Gradio's theme, style sheet, script, head and foot."""

from __future__ import annotations

from typing import Any

import gradio as gr

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.markup import render, static_text
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.tasks.benchmark import version_of_data
from dambench_hub.version import __version__

PAGES = (
    ("Board", ""),
    ("Compare", "compare"),
    ("Curves", "curves"),
    ("Submit", "submit"),
    ("About", "about"),
)
"""What stands in the head of each page: title and path."""

SCRIPTS = ("address.js", "board.js")
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Ccircle cx='16' cy='16' r='14' fill='%2317607f'/%3E%3Cpath d='M2 16h28M16 2a22 22 0 0 1 0 28"
    "M16 2a22 22 0 0 0 0 28' fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E"
)
FONT = ("-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "Liberation Mono", "monospace")


def look() -> dict[str, Any]:
    """What `launch` or `mount_gradio_app` need to show the pages as they are meant."""
    return {
        "theme": _theme(),
        # Not as `css`: Gradio would put its own class into each selector, at every comma.
        "head": f'<link rel="icon" href="{ICON}">\n<style>{static_text("style.css")}</style>\n'
        + "".join(f"<script>{static_text(script)}</script>" for script in SCRIPTS),
        "footer_links": [],
    }


def page_header(site: Site, path: str) -> gr.HTML:
    """The head of a page: the name of the board and the ways to its pages."""
    head = render("page_header", pages=PAGES, current=path, data=site.data)
    return gr.HTML(head, apply_default_css=False)


def page_footer(site: Site) -> gr.HTML:
    """The foot of a page: versions and licence."""
    licence = site.data.manifest.source.get("licence", "unknown")
    foot = render(
        "page_footer",
        version=__version__,
        benchmark=version_of_data(site.data.revision),
        scorer_version=SCORER_VERSION,
        licence=licence,
    )
    return gr.HTML(foot, apply_default_css=False)


def _theme() -> gr.themes.Base:
    paper, sheet, ink, soft, rule, accent = (
        f"var(--{name})" for name in ("paper", "sheet", "ink", "soft", "rule", "accent")
    )
    colours = {
        "body_background_fill": paper,
        "body_text_color": ink,
        "body_text_color_subdued": soft,
        "background_fill_primary": sheet,
        "background_fill_secondary": paper,
        "block_background_fill": sheet,
        "block_border_color": rule,
        "block_label_background_fill": sheet,
        "block_label_text_color": soft,
        "block_title_text_color": soft,
        "block_info_text_color": soft,
        "border_color_primary": rule,
        "border_color_accent": accent,
        "color_accent_soft": "var(--accent-soft)",
        "input_background_fill": sheet,
        "input_border_color": rule,
        "input_border_color_focus": accent,
        "input_placeholder_color": soft,
        "link_text_color": accent,
        "link_text_color_hover": ink,
        "link_text_color_visited": accent,
        "link_text_color_active": accent,
        "checkbox_background_color": sheet,
        "checkbox_background_color_selected": accent,
        "checkbox_border_color": soft,
        "checkbox_border_color_selected": accent,
        "checkbox_label_background_fill": sheet,
        "checkbox_label_text_color": ink,
        "checkbox_label_text_color_selected": ink,
        "button_primary_background_fill": accent,
        "button_primary_background_fill_hover": ink,
        "button_primary_text_color": paper,
        "button_secondary_background_fill": sheet,
        "button_secondary_text_color": ink,
        "button_secondary_border_color": rule,
        "table_text_color": ink,
        "table_border_color": rule,
    }
    both = colours | {f"{name}_dark": colour for name, colour in colours.items()}
    theme = gr.themes.Base(
        font=FONT, font_mono=MONO, radius_size=gr.themes.sizes.radius_sm, text_size="md"
    )
    return theme.set(**both, block_shadow="none", button_primary_shadow="none")
