"""The command line of a script whose docstring is its help."""

from __future__ import annotations

import argparse


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser without options yet; the docstring's first line goes above them, the rest below."""
    description, _, details = (doc or "").partition("\n")
    return argparse.ArgumentParser(
        description=description,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
