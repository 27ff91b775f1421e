"""A person by an id that stays the same; the name is for display, and others may have it too."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

LOCAL, ADMINISTRATOR = "local:", "admin:"
"""How ids begin of those who work on this machine, and of those who keep its store."""
TRUSTED = (LOCAL, ADMINISTRATOR)
"""How ids begin of those who work on the machine itself, so that no stranger can be one of them."""


@dataclass(frozen=True)
class Person:
    """Somebody who submits, or who keeps the board.

    Attributes:
        id: `hf:` and the number of an account of the Hugging Face Hub, `local:` and the login on
            this machine, or `admin:` and the login of somebody who keeps the store.
        name: Shown; it can change, and two persons can share it.
    """

    id: str
    name: str

    @property
    def is_administrator(self) -> bool:
        """Whether this person decides about everybody's submissions."""
        return self.id.startswith(ADMINISTRATOR)

    @property
    def is_trusted(self) -> bool:
        """Whether this person works on the machine itself."""
        return self.id.startswith(TRUSTED)


def local_person(kind: str = LOCAL) -> Person:
    """Whoever runs this process; `kind` is how the id begins."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no account with this number, as in some containers
        login = "user"
    return Person(f"{kind}{login}", login)
