"""How the events of all pages are answered, and what stands in a place until then."""

from typing import Any

import gradio as gr

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How an event is answered that only changes what is shown."""

WAITING = '<p class="page soft">One moment …</p>'
"""What stands in a place until the server has answered."""


def take_any_text(box: gr.Dropdown | gr.Radio) -> gr.Dropdown | gr.Radio:
    """Let a box whose choices come later take a text that the server has not offered, or forgot.

    Gradio remembers the choices of the last visits only, and none after a restart; our pages look
    up what they are asked for in any case.
    """
    box.preprocess = _text  # type: ignore[method-assign, assignment]
    return box


def _text(chosen: object) -> str:
    return chosen if isinstance(chosen, str) else ""
