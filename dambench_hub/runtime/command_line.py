"""The command line of a script whose docstring is its help, and what it prints tables on."""

from __future__ import annotations

import argparse

from rich.console import Console

WIDTH = 130
"""Of tables in files and pipes, characters."""


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser without options yet; the docstring's first line goes above them, the rest below."""
    description, _, details = (doc or "").partition("\n")
    return argparse.ArgumentParser(
        description=description,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def table_console() -> Console:
    """As wide as the terminal, or, where there is none, as wide as tables should be."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
