"""Rules for the names, descriptions and links that people give.

Names are kept as they came and are shown as text, escaped at each exit; see the pages. What is
refused here is text that cannot be shown honestly: characters that are invisible, that turn the
direction of their neighbours, or that pile up.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from dambench_hub.errors import DambenchError
from dambench_hub.predictions.validation import MAX_NAME

MAX_DESCRIPTION = 2000
MAX_URL = 500
MAX_MARKS = 2
"""Accents on one letter; more are drawn over the lines above and below."""

PUNCTUATION = frozenset(" `.,:;'()+-_/&=@#*")
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks of Unicode that are drawn as nothing."""

HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


def check_name(text: str) -> str:
    """The name of a submission, in the one form in which Unicode writes it (NFC).

    >>> check_name(" FNP, seed 2 ")
    'FNP, seed 2'

    Raises:
        DambenchError: When it is empty, too long, or has a character that a name may not have; the
            message names it.
    """
    name = _normal(text)
    if not 1 <= len(name) <= MAX_NAME:
        raise DambenchError(f"A name has 1 to {MAX_NAME} characters, this one has {len(name)}.")
    for character in name:
        if unicodedata.category(character)[0] not in "LM" and not character.isdecimal():
            _refuse_unless(character in PUNCTUATION, character, "a name")
    if not any(character.isalnum() for character in name):
        raise DambenchError("A name needs a letter or a digit.")
    _refuse_hidden(name, "a name")
    return name


def check_description(text: str) -> str:
    """A text of a few lines, in NFC.

    Raises:
        DambenchError: When it is too long, or has a character that cannot be shown.
    """
    description = _normal(text.replace("\r\n", "\n"))
    if len(description) > MAX_DESCRIPTION:
        raise DambenchError(
            f"A description has at most {MAX_DESCRIPTION} characters, this one has "
            f"{len(description)}."
        )
    for character in description:
        shown = character == "\n" or character == " " or character.isprintable()
        _refuse_unless(shown, character, "a description")
    _refuse_hidden(description, "a description")
    return description


def check_url(text: str) -> str | None:
    """A link that the page may show; it is never opened by the server.

    >>> check_url("https://arxiv.org/abs/1902.02160")
    'https://arxiv.org/abs/1902.02160'

    Returns:
        The link, or None for an empty text.

    Raises:
        DambenchError: When it is no plain https address.
    """
    url = text.strip()
    if not url:
        return None
    wanted = "Give a link like https://arxiv.org/abs/1902.02160, or none."
    if len(url) > MAX_URL or not re.fullmatch(r"https://[!#-;=?-\[\]_a-z~]+", url):
        raise DambenchError(f"{ascii(url[:MAX_NAME])} is not a plain https address. {wanted}")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        port, host = 0, ""
    if port is not None or "@" in parts.netloc or not HOST.fullmatch(host):
        raise DambenchError(f"{ascii(url[:MAX_NAME])} names no public host. {wanted}")
    return url


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _refuse_unless(fine: bool, character: str, what: str) -> None:
    if not fine:
        called = unicodedata.name(character, f"U+{ord(character):04X}")
        raise DambenchError(
            f"The character {ascii(character)} ({called}) cannot stand in {what}. "
            f"Use letters, digits, spaces and {''.join(sorted(PUNCTUATION)).strip()}."
        )


def _refuse_hidden(text: str, what: str) -> None:
    marks = MAX_MARKS  # a mark needs a letter before it
    for character in text:
        _refuse_unless(not INVISIBLE.match(character), character, what)
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        _refuse_unless(marks <= MAX_MARKS, character, what)
