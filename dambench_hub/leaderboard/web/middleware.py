"""The filter in front of Gradio: every request passes it first, and few of its routes are open.

A leaderboard needs a small part of Gradio's routes. The others (its proxy, its file server beyond
its own cache, component servers, monitoring) answer 404, and a request that names a file, be it of
this server, of another, or on the web, never reaches it: all that may stand for a file is the
ticket of an upload, and that is passed on as the plain text it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dambench_hub.leaderboard.accounts.sign_in import is_loopback
from dambench_hub.leaderboard.inbox import TICKET
from dambench_hub.leaderboard.web import uploads
from dambench_hub.leaderboard.web.pace import TooSlow, in_pace
from dambench_hub.leaderboard.web.rate_limit import RateLimit

GRADIO = "/gradio_api/"
ROUTES = re.compile(
    r"/gradio_api/(info|openapi\.json|app_id|startup-events|theme\.css|cancel|reset|user|upload"
    r"|queue/(join|data|status)|(run|api)/\w+|call/(v2/)?\w+(/\w+)?|heartbeat/[\w-]+)/?"
)
"""What of Gradio's interface a page and a client need."""

CLOSED = re.compile(r"/((monitoring|svelte|custom_component|proxy|file|stream|dev)\b|login/?$)")
FILE = "/gradio_api/file="
MAX_BODY = 1 << 21
METHODS = {"GET", "HEAD", "POST"}
BURST, RATE = 300, 15
"""Requests of one client that write or compute: at once, and a second."""

POLICY = (
    "default-src 'self'; "
    # Gradio's own pages run scripts that stand in them, and compile what events run in the browser.
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; "
)
AT_HOME = "connect-src 'self'; frame-ancestors 'none'"
ON_A_SPACE = (
    # Under a Space's name, Gradio's page asks the Hub once whether the Space runs.
    "connect-src 'self' https://huggingface.co/api/spaces/by-subdomain/; "
    "frame-ancestors https://huggingface.co"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class RequestFilter:
    """ASGI middleware: closed routes, foreign origins, large bodies, named files, and headers.

    Args:
        app: Where the requests go that pass.
        cache: The one folder whose files Gradio may serve.
        hosts: Names under which the server is reached, and Hugging Face's pages may show it in a
            frame; None for a server that answers to the names of this machine only.
    """

    def __init__(self, app: ASGIApp, cache: Path, hosts: Collection[str] | None = None) -> None:
        self.app = app
        self.cache = os.path.join(os.path.realpath(cache), "")
        self.hosts = hosts
        self.rate_limit = None if hosts is None else RateLimit(BURST, RATE)
        policy = POLICY + (AT_HOME if hosts is None else ON_A_SPACE)
        self.headers = HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            send = self._with_headers(send)
            refusal = self._refusal(scope)
            if refusal is None and scope["method"] == "POST" and scope["path"] != uploads.PATH:
                receive, refusal = await _checked(Request(scope, receive))
            if scope["method"] == "HEAD" and not scope["path"].startswith(GRADIO):
                scope = {**scope, "method": "GET"}  # of which the server leaves the body out
            await (refusal or self.app)(scope, receive, send)
        else:  # a page needs no websockets
            await send({"type": "websocket.close"})

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """Why a request is refused before its body is read; None if it is not."""
        headers, path = Headers(scope=scope), scope["path"]
        if scope["method"] not in METHODS:
            return _refuse(405, "This method is not answered here.")
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self.hosts is None and not is_loopback(host):
            # A page on the web may have told the browser that its name means this machine.
            return _refuse(421, "This server answers to localhost only.")
        if scope["method"] == "POST":
            if self._is_foreign(headers):
                return _refuse(403, "Requests from pages of others are not answered.")
            if self.rate_limit and (seconds := self.rate_limit.wait((scope["client"] or ("",))[0])):
                return _refuse(429, "These are many requests at once.", ceil(seconds))
        if path.startswith(FILE):
            return None if self._is_cached(path.removeprefix(FILE)) else _refuse(404, "Not found.")
        if path.startswith(GRADIO):
            return None if ROUTES.fullmatch(path) else _refuse(404, "Not found.")
        return _refuse(404, "Not found.") if CLOSED.match(path) else None

    def _is_foreign(self, headers: Headers) -> bool:
        """Whether a browser sends the request for a page of somebody else."""
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return True
        origin = headers.get("origin")
        ours = {headers.get("host", "").lower(), *(self.hosts or ())}
        return origin is not None and urlsplit(origin).netloc.lower() not in ours

    def _is_cached(self, path: str) -> bool:
        return ".." not in path and os.path.realpath(path).startswith(self.cache)

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        return sending


async def _checked(request: Request) -> tuple[Receive, JSONResponse | None]:
    """The body of a request to Gradio, in which nothing names a file, as a new stream."""
    body = b""
    try:
        async for chunk in in_pace(request.stream()):
            body += chunk
            if len(body) > MAX_BODY:
                return request.receive, _refuse(413, "That is too much text for one request.")
    except TooSlow:
        return request.receive, _refuse(408, "The request came too slowly.")
    if request.url.path.startswith(GRADIO) and body:
        try:
            body = json.dumps(_without_files(json.loads(body))).encode()
        except (ValueError, RecursionError):
            return request.receive, _refuse(400, "That is not understood; see /gradio_api/info.")
    headers = MutableHeaders(scope=request.scope)
    headers["content-length"] = str(len(body))
    done = False

    async def receive() -> Message:
        nonlocal done
        if done:
            return await request.receive()
        done = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive, None


def _without_files(value: Any) -> Any:
    """The value with the tickets of files in place of the files.

    Raises:
        ValueError: When something stands for a file and is no ticket.
    """
    if isinstance(value, list):
        return [_without_files(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "path" in value:
        if not TICKET.fullmatch(str(value["path"])):
            raise ValueError("names a file")
        return value["path"]
    return {name: _without_files(item) for name, item in value.items()}


def _refuse(status: int, message: str, seconds: int | None = None) -> JSONResponse:
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse({"error": message, "detail": message}, status, headers)
