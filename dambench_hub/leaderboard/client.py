"""Handing a prediction file in to a leaderboard that runs elsewhere, and waiting for its rank."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.progress import open as open_with_progress

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.sign_in import KEY_HEADER
from dambench_hub.predictions.reader import open_prediction

if TYPE_CHECKING:
    from gradio_client import Client

KEY = "DAMBENCH_KEY"
"""Where in the environment the key is that the page shows after signing in."""

POLL_SECONDS = 2.0
PATIENCE = 30
"""Looks in vain, one after the other, before a board counts as gone."""


class NoAnswer(DambenchError):
    """A board that gives no answer."""


def submit_to_space(
    path: str | Path,
    space: str,
    name: str,
    *,
    task: str | None = None,
    tell: Callable[[str], None] = print,
    **options: Any,
) -> dict[str, Any]:
    """Send a file to a leaderboard and wait until it is judged.

    Args:
        path: The prediction file.
        space: The leaderboard: `ORG/NAME` of a Space, or an address like `http://127.0.0.1:7860`.
        name: What the ranking calls it.
        task: Name of the task; None for the one that the file names.
        tell: Gets a sentence for each step.
        **options: `description`, `model_url`, `paper_url`, `publish`; see the board's `/submit`.

    Returns:
        What the board's `/status` tells: `id`, `state`, `problems`, `score`, `rank` and more.

    Raises:
        PredictionError: When the file cannot be read here.
        DambenchError: When the board cannot be reached, or refuses the file.
    """
    path = Path(path)
    if task is None:
        with open_prediction(path) as prediction:
            task = prediction.header.attributes.get("task", "")
    client = _connect(space)
    try:
        ticket = _send(client, path, space)
        wanted = {"file": ticket, "name": name, "task": task, **options}
        status = _ask(client, space, "/submit", **wanted)
        tell(f"{name} is received as {status['id']}.")
        return _wait(lambda: _ask(client, space, "/status", id=status["id"]), status)
    finally:
        client.close()


def _connect(space: str) -> Client:
    try:
        from gradio_client import Client
    except ImportError as error:
        raise DambenchError(
            "Handing in to a leaderboard elsewhere needs gradio_client. "
            'Install it with: pip install "dambench-hub[app]"'
        ) from error
    key = os.environ.get(KEY)
    is_address = space.startswith(("http://", "https://"))
    with _reaching(space):
        return Client(
            space,
            # Only Hugging Face may see the token for it that lies on this machine.
            token=False if is_address else None,
            headers={KEY_HEADER: key} if key else {},
            verbose=False,
            download_files=False,
            analytics_enabled=False,
        )


def _send(client: Client, path: Path, space: str) -> str:
    """Upload the file; its ticket."""
    import httpx

    console = Console(stderr=True)
    quiet = not console.is_terminal
    with (
        open_with_progress(
            path, "rb", description="Sending", console=console, disable=quiet
        ) as file,
        _reaching(space),
    ):
        answer = httpx.post(
            client.upload_url,
            files={"files": (path.name, file)},
            headers=client.headers,
            cookies=client.cookies,
            timeout=httpx.Timeout(60, read=600),
        )
    if answer.status_code == 200:
        return str(answer.json()[0])
    try:
        reason = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        reason = f"It answered {answer.status_code}."
    if answer.status_code == 401:
        reason = (
            "Sign in on its page, and put the key that it shows there into the environment: "
            f"export {KEY}=…"
        )
    raise DambenchError(f"{space} does not take {path.name}. {reason}")


def _ask(client: Client, space: str, endpoint: str, **inputs: Any) -> dict[str, Any]:
    with _reaching(space):
        answer: dict[str, Any] = client.predict(**inputs, api_name=endpoint)
    return answer


def _wait(ask: Callable[[], dict[str, Any]], status: dict[str, Any]) -> dict[str, Any]:
    """Show the place in the queue and the progress until there is an outcome."""
    failures = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Waiting", total=1.0)
        while status["state"] == "received":
            place = f"Place {status['place']} in the queue" if status["place"] else "Scoring"
            progress.update(bar, description=place, completed=status["progress"] or 0.0)
            time.sleep(POLL_SECONDS)
            try:
                status, failures = ask(), 0
            except NoAnswer:
                failures += 1
                if failures >= PATIENCE:
                    raise
    return status


@contextmanager
def _reaching(space: str) -> Iterator[None]:
    """Turn what happens on the way into advice, and hand on what the board says."""
    from gradio_client.exceptions import AppError
    from httpx import HTTPError

    try:
        yield
    except AppError as error:
        raise DambenchError(str(error)) from error
    except (HTTPError, OSError, ValueError) as error:
        raise NoAnswer(
            f"{space} gives no answer ({str(error).splitlines()[0] if str(error) else error!r}). "
            "Is it the ORG/NAME of a Space, or the address of a leaderboard that runs?"
        ) from error
