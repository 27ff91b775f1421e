"""The server: the request filter, sign-in and uploads around the pages that Gradio shows."""

from __future__ import annotations

import os

# Gradio reads these when it is imported and when pages are built: no word to anybody else.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import tempfile
from typing import Any

import gradio as gr
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.sign_in import is_loopback
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.connections import HEAD_BYTES, GuardedConnection
from dambench_hub.leaderboard.web.example_file import add_template
from dambench_hub.leaderboard.web.markup import static_text
from dambench_hub.leaderboard.web.middleware import RequestFilter
from dambench_hub.leaderboard.web.uploads import add_upload, open_inbox
from dambench_hub.predictions.sandbox.restrictions import hide_process

QUEUED_EVENTS = 500
EVENTS_AT_ONCE = 8
VISITS_KEPT = 100
"""Of each visit, Gradio keeps what it showed last, up to 0.2 MB; no page asks for it again."""
SCRIPT = "submit.js"


def serve(
    site: Site,
    demo: gr.Blocks,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    router: APIRouter | None = None,
    **look: Any,
) -> None:
    """Serve the pages until the process is told to end.

    Args:
        site: What the pages show.
        demo: The pages.
        host: Address to listen on.
        port: And its port.
        router: Further routes, that come before the pages.
        **look: `theme`, `css`, `css_paths`, `head` and the like, for Gradio.

    Raises:
        DambenchError: When the pages would let somebody write who could be anybody.
    """
    uvicorn.run(
        application(site, demo, host=host, port=port, router=router, **look),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        ws="none",
        http=GuardedConnection,
        h11_max_incomplete_event_size=HEAD_BYTES,
        forwarded_allow_ips="*" if _hosts(host) else None,  # a Space stands behind a proxy
        timeout_graceful_shutdown=5,
    )


def application(
    site: Site,
    demo: gr.Blocks,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    router: APIRouter | None = None,
    **look: Any,
) -> RequestFilter:
    """All that is served, as an ASGI application.

    The process works in an empty folder from now on, because Gradio may serve files of the working
    directory and of the system's folder for temporary files.

    Raises:
        DambenchError: When a developer would be signed in on an address that others reach.
    """
    if site.sign_in.developer and not is_loopback(host):
        raise DambenchError(
            f"Whoever reaches the server would be {site.sign_in.developer.name}, so it cannot "
            f"listen on {host}. Use --host 127.0.0.1, or leave --dev-user out."
        )
    hide_process()
    _enter_empty_folder(site)
    app = FastAPI(openapi_url=None)
    site.sign_in.attach(app)
    inbox = open_inbox(site)
    inbox.sweep()
    add_upload(app, inbox, site.sign_in, site.submissions.require_quota)
    add_template(app, site)
    _add_script(app)
    if router is not None:
        app.include_router(router)
    demo.state_session_capacity = VISITS_KEPT
    demo.space_id = None  # else the pages draw a bar of the Hub's, with fonts from elsewhere
    demo.queue(max_size=QUEUED_EVENTS, default_concurrency_limit=EVENTS_AT_ONCE, api_open=False)
    settings = {
        "footer_links": [],
        "run_history": False,
        "allowed_paths": [],
        "blocked_paths": _private_paths(site),
        "show_error": False,
        "max_file_size": site.largest_upload,
        "ssr_mode": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
    }
    style = static_text("submit.css")
    look |= {
        "css": f"{look.get('css', '')}\n{style}",
        "head": f'{look.get("head", "")}<script src="/{SCRIPT}" defer></script>',
    }
    gr.mount_gradio_app(app, demo, path="/", server_name=host, server_port=port, **look | settings)
    return RequestFilter(app, site.cache, _hosts(host))


def _hosts(host: str) -> set[str] | None:
    """Names of the server in the web; None if it is reached from this machine alone."""
    if is_loopback(host):
        return None
    return {name.strip().lower() for name in os.environ.get("SPACE_HOST", "").split(",")} - {""}


def _private_paths(site: Site) -> list[str]:
    paths = [
        site.inbox,
        site.diagnostics,
        site.backups,
        site.data.folder.absolute(),
        site.store.path,
    ]
    return [str(path) for path in paths if path]


def _enter_empty_folder(site: Site) -> None:
    empty = site.folder / "empty"
    empty.mkdir(mode=0o700, exist_ok=True)
    os.chdir(empty)
    tempfile.tempdir = str(site.cache)
    os.environ["GRADIO_TEMP_DIR"] = str(site.cache)
    os.environ["TMPDIR"] = str(site.cache)


def _add_script(app: FastAPI) -> None:
    """The page's own script, which looks at a file before it is sent."""
    script = static_text(SCRIPT)

    @app.get(f"/{SCRIPT}")
    def submit_script() -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(script, media_type="text/javascript", headers=headers)
