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
from dambench_hub.predictions.header import MAX_NAME
from dambench_hub.runtime.honest_text import dishonest_character, named

MAX_DESCRIPTION = 2000
MAX_URL = 500
PUNCTUATION = frozenset(" `.,:;'()+-_/&=@#*")
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
    _refuse(dishonest_character(name), "a name")
    for character in name:
        letter = unicodedata.category(character)[0] in "LM" or character.isdecimal()
        _refuse(None if letter or character in PUNCTUATION else character, "a name")
    if not any(character.isalnum() for character in name):
        raise DambenchError("A name needs a letter or a digit.")
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
    _refuse(dishonest_character(description, allowed="\n"), "a description")
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


def _refuse(character: str | None, what: str) -> None:
    if character:
        raise DambenchError(
            f"The character {named(character)} cannot stand in {what}. "
            f"Use letters, digits, spaces and {''.join(sorted(PUNCTUATION)).strip()}."
        )
