"""Which characters a text of a stranger may have, so that it is what it seems to be.

Refused are those that are invisible, that turn the direction of their neighbours, or that pile up.
"""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 2
"""Accents on one letter; more are drawn over the lines above and below."""

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f"
    "\uffa0\ufffd\U000e0100-\U000e01ef]"
)
"""Letters and marks that are drawn as nothing, and what stands for bytes that are no text."""


def dishonest_character(text: str, allowed: str = "") -> str | None:
    r"""The first character of a text that cannot be shown honestly; None if all can.

    Args:
        text: In the form NFC of Unicode, where an accent belongs to its letter.
        allowed: Characters that are fine all the same, such as a line's end.

    >>> dishonest_character("F\u200bNP")
    '\u200b'
    """
    marks = MAX_MARKS  # a mark needs a letter before it
    for character in text:
        shown = character in allowed or character.isprintable()
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if not shown or INVISIBLE.match(character) or marks > MAX_MARKS:
            return character
    return None


def named(character: str) -> str:
    r"""A character as a message can print it.

    >>> print(named("\u200b"))
    '\u200b' (ZERO WIDTH SPACE)
    """
    return f"{ascii(character)} ({unicodedata.name(character, f'U+{ord(character):04X}')})"


def quoted(text: object) -> str:
    """Text from a file in quotes, safe to print and not too long."""
    escaped = ascii(str(text))
    return escaped if len(escaped) <= 60 else f"{escaped[:56]}...'"
