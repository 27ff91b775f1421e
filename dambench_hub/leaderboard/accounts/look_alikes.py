"""Names that look the same: one picture for all that the eye does not tell apart.

Two names look alike when their pictures are equal, as in Unicode's report on confusable text (UTS
39), of whose tables this holds what is drawn like a Latin letter in the scripts of names.
"""

from __future__ import annotations

import unicodedata

_DRAWN_ALIKE = (
    # Capitals first, since some look like another letter than their small forms do.
    ("АВЕЅІЈКМНОРСТУҮХԌԚԜЗӀ", "ABESIJKMHOPCTYYXGQW3I"),
    ("авеѕіјкмнорстуүхԍԛԝһԁӏ", "aBesijkMHopcTyyxgqwhdl"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳ", "ABEZHIKMNOPTYXCj"),
    ("αγικνοορτυχϲ", "ayikvoopTuxc"),
    ("ԱՍՕաոսօհց", "UUOwnuohg"),
    ("ɑɡɩıʟʀʏꜱᴀʙᴄᴅᴇɢʜɪᴊᴋᴍɴᴏᴘᴛᴜᴠᴡᴢ", "agiilrysabcdeghijkmnoptuvwz"),
)
_LATIN = {ord(one): other for pair in _DRAWN_ALIKE for one, other in zip(*pair, strict=True)}
_DIGITS = str.maketrans("01i", "oll")


def picture(name: str) -> str:
    """What the eye keeps of a name: no case, accents, spaces or signs; one letter for each shape.

    >>> picture("Background") == picture("bаckgrоund") == picture("back-ground")
    True
    >>> picture("optimal interpo1ation") == picture("OPTIMAL_INTERPOLATION")
    True
    """
    plain = unicodedata.normalize("NFKC", name).translate(_LATIN)
    letters = unicodedata.normalize("NFKD", plain.casefold())
    kept = "".join(letter for letter in letters if letter.isalnum())
    return kept.translate(_DIGITS).replace("rn", "m").replace("vv", "w")
