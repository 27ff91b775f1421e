"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

WIDTH_OF_FILES = 160
"""Columns of a table that is not printed to a terminal."""


def fail(message: str) -> None:
    """Say what is wrong on stderr, and end with exit code 1."""
    Console(stderr=True).print(
        f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False
    )
    sys.exit(1)


def note(message: str) -> None:
    """Say something beside the result, on stderr."""
    Console(stderr=True).print(escape(message), style="yellow", soft_wrap=True, highlight=False)


def rich_console() -> Console:
    """Of the terminal, or of `WIDTH_OF_FILES` columns."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def print_rich(content: RenderableType) -> None:
    """Print text with markup, or tables."""
    rich_console().print(content)


def print_json(content: Any) -> None:
    """Print JSON; a number that is not finite is an error."""
    typer.echo(json.dumps(content, indent=1, allow_nan=False))
