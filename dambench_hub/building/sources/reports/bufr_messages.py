"""The messages of a file, each whole: what a decoder may be given.

A file holds messages one after another, with headers of the telecommunication between them or
without. A message that is cut off, or whose sections do not fill it, is damaged; decoders may crash
on one.

References:
    WMO-No. 306, Manual on Codes, volume I.2, part B, FM 94: sections 0 to 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dambench_hub.building.sources.reports.reading import Refusal

BEGIN, END = b"BUFR", b"7777"
SECTION_0 = 8
FLAGS = {2: 7, 3: 7, 4: 9}
"""By edition, which byte of section 1 says whether there is a section 2."""
HAS_SECTION_2 = 0x80


def whole_messages(content: bytes, refused: Counter[str]) -> Iterator[bytes]:
    """The messages of a file in order; damaged ones are counted and passed over.

    Args:
        content: The whole file.
        refused: Counts damaged messages.
    """
    at = content.find(BEGIN)
    while at >= 0:
        message = content[at : at + int.from_bytes(content[at + 4 : at + 7], "big")]
        if _is_whole(message):
            yield message
            at = content.find(BEGIN, at + len(message))
        else:
            refused[Refusal.DAMAGED] += 1
            at = content.find(BEGIN, at + len(BEGIN))


def _is_whole(message: bytes) -> bool:
    """Whether the lengths of its sections lead from its beginning to its end."""
    edition = message[7] if len(message) > SECTION_0 + max(FLAGS.values()) else None
    if edition not in FLAGS or not message.endswith(END):
        return False
    optional = message[SECTION_0 + FLAGS[edition]] & HAS_SECTION_2
    at = SECTION_0
    for _ in range(4 if optional else 3):  # 1, 2, 3 and 4
        at += int.from_bytes(message[at : at + 3], "big")
    return at == len(message) - len(END)
