"""The address of a page: every choice stands in it, and what the page shows follows it.

The script of the pages writes what is chosen into the address, and then the address into a hidden
box of the page, whose change is an event of Gradio's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET

Query = Mapping[str, str]
"""What stands in an address, by name."""
MAX_ADDRESS = 2000


class Address:
    """The box that holds the query of a page's address; to be made while the page is laid out."""

    def __init__(self) -> None:
        self.box = gr.Textbox(
            visible="hidden", elem_id="address", label="address", max_length=MAX_ADDRESS
        )

    def follow(
        self, show: Callable[[Query, gr.Request], Any], outputs: Any, *, later: bool = True
    ) -> None:
        """Let what `show` returns stand in the outputs.

        Args:
            show: Takes the query of the address.
            outputs: Components.
            later: Whether it is asked at each change, and not only when somebody arrives.
        """

        def arrive(request: gr.Request) -> Any:
            return show(dict(request.query_params), request)

        def change(text: str, request: gr.Request) -> Any:
            return show(query_of(text, request), request)

        gr.on(None, arrive, [], outputs, **QUIET)
        if later:
            # One after the other, so that the last choice is what is seen last.
            gr.on(self.box.change, change, self.box, outputs, trigger_mode="always_last", **QUIET)


def query_of(text: object, request: gr.Request) -> Query:
    """The query in the box; that which somebody arrived with while nothing was chosen."""
    if not isinstance(text, str) or not text:
        return dict(request.query_params)
    return dict(parse_qsl(text.removeprefix("?")[:MAX_ADDRESS]))


def choice(
    title: str, name: str, options: Sequence[tuple[str, str]], *, resets: str = ""
) -> gr.HTML:
    """A group of choices that stands in the address; the first is chosen if nothing else is.

    Args:
        title: Of the group.
        name: In the address.
        options: Titles and values.
        resets: Names of what loses its meaning with another choice.
    """
    html = render("choice", title=title, name=name, options=options, resets=resets)
    return gr.HTML(html, apply_default_css=False)
