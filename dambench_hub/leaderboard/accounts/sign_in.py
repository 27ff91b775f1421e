"""Sign-in: by a Hugging Face account on a Space, by a developer's name on one's own machine.

Where neither is to be had, nobody can hand anything in. A person is told apart by the account's
number, since names can be given up and taken by others. Nothing that a request says about its
sender is believed, but for what this server has signed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import LOCAL, Person
from dambench_hub.leaderboard.accounts.text_rules import check_name

if TYPE_CHECKING:
    from fastapi import FastAPI

KEY_HEADER = "x-dambench-key"
KEY_DAYS = 30
OAUTH_VARIABLES = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
SHORTEST_SECRET = 16


@dataclass(frozen=True)
class SignIn:
    """How people prove who they are; by default nobody can.

    Attributes:
        developer: Who everybody is that reaches the server, which only this machine can.
        secret: What this server signs with on a Space; empty elsewhere.
    """

    developer: Person | None = None
    secret: str = field(default="", repr=False)

    @classmethod
    def closed(cls) -> SignIn:
        """Nobody can sign in: a board to look at."""
        return cls()

    @classmethod
    def choose(
        cls, dev_user: str | None, host: str, environment: Mapping[str, str] = os.environ
    ) -> SignIn:
        """The one way to sign in that is safe where the server runs.

        Args:
            dev_user: Name of a developer, or None.
            host: The address that the server listens on.
            environment: Tells whether this is a Space with Hugging Face's sign-in.

        Raises:
            DambenchError: When a developer is named where others could pretend to be them, or the
                Space's sign-in is half configured.
        """
        if dev_user is not None:
            if "SPACE_ID" in environment or not is_loopback(host):
                raise DambenchError(
                    "--dev-user makes everybody who reaches the server the same person, so it "
                    f"works on this machine alone, and the server would listen on {host}. Leave "
                    "it out, or use --host 127.0.0.1."
                )
            name = check_name(dev_user)
            return cls(developer=Person(f"{LOCAL}{name}", name))
        # Gradio signs everybody in as the machine's own account where SYSTEM is not `spaces`.
        if environment.get("SYSTEM") != "spaces" or "SPACE_ID" not in environment:
            return cls.closed()
        if not any(name in environment for name in OAUTH_VARIABLES):
            return cls.closed()
        secret = environment.get("OAUTH_CLIENT_SECRET", "")
        absent = [name for name in OAUTH_VARIABLES if not environment.get(name)]
        if absent or len(secret) < SHORTEST_SECRET:
            raise DambenchError(
                f"Hugging Face's sign-in lacks {', '.join(absent) or 'a long secret'}. "
                "Set `hf_oauth: true` in the header of the Space's README.md."
            )
        return cls(secret=secret)

    @property
    def is_open(self) -> bool:
        """Whether anybody can sign in at all."""
        return bool(self.developer or self.secret)

    def attach(self, app: FastAPI) -> None:
        """Give the server the routes and the signed cookie of Hugging Face's sign-in."""
        if self.secret:
            from gradio.oauth import attach_oauth

            attach_oauth(app)

    def person(self, request: Any) -> Person | None:
        """Who sent a request (of Starlette or Gradio); None if they have not signed in."""
        if self.developer or not self.secret:
            return self.developer
        request = getattr(request, "request", None) or request  # Gradio wraps what is in a session
        if key := request.headers.get(KEY_HEADER):
            return self._person_of_key(key)
        session = request.session.get("oauth_info") or {}
        if session.get("expires_at", 0) < time.time():
            return None
        return _person(session.get("userinfo"))

    def key(self, person: Person) -> str:
        """What lets a command line act for a person, for `KEY_DAYS` days; empty for a developer."""
        return self._signer().dumps([person.id, person.name]) if self.secret else ""

    def _person_of_key(self, key: str) -> Person | None:
        from itsdangerous import BadData

        try:
            identity, name = self._signer().loads(key, max_age=KEY_DAYS * 86_400)
        except BadData:
            return None
        return Person(identity, name)

    def _signer(self) -> Any:
        from itsdangerous import URLSafeTimedSerializer

        # Another key than that of the cookies, so that one cannot be taken for the other.
        secret = hashlib.sha256(f"dambench key {self.secret}".encode()).hexdigest()
        return URLSafeTimedSerializer(secret, salt="command line")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _person(userinfo: Any) -> Person | None:
    """The person that Hugging Face's answer describes."""
    if not isinstance(userinfo, dict) or not userinfo.get("sub"):
        return None
    name = userinfo.get("preferred_username") or userinfo["sub"]
    return Person(f"hf:{userinfo['sub']}", str(name))
