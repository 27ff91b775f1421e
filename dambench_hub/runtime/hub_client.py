"""Talking to the Hugging Face Hub: ids, the token, what failures mean, and trying again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dambench_hub.errors import BuildError

T = TypeVar("T")

WAITS = (1, 2, 4, 8, 16, 30, 60, 60, 60, 60)
"""Seconds before each further try; together as long as the five minutes of a rate limit."""

LONGEST_WAIT = 300
"""Seconds that the Hub may ask us to wait at once."""

TRANSIENT = {408, 409, 412, 429, 500, 502, 503, 504}
"""Statuses after which the same request may succeed: conflicts, limits, errors of the server."""

NO_ANSWER = 0


@dataclass(frozen=True)
class Failure:
    """Why a request failed.

    Attributes:
        status: Of the answer; `NO_ANSWER` if there was none that can be read.
        reason: A sentence.
        wait: Seconds that the Hub asks us to wait, perhaps 0.
    """

    status: int
    reason: str
    wait: int = 0

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in TRANSIENT or self.status == NO_ANSWER


def check_repo_id(repo_id: str) -> None:
    """Refuse what cannot be the id of a repository.

    Raises:
        BuildError: The message says how ids look.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise BuildError(f"{str(error).rstrip('.')}. Give ORG/NAME.") from error
    if repo_id.count("/") != 1:
        raise BuildError(f"The repository id {repo_id!r} has no owner. Give ORG/NAME.")


def require_token() -> None:
    """Refuse to go on without a token.

    Raises:
        BuildError: The message says how to get one.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise BuildError(
            "There is no token for the Hub. Make one with write permission at "
            "https://huggingface.co/settings/tokens and run `hf auth login`, or set HF_TOKEN."
        )


def persist(step: Callable[[], T], repo_id: str, tell: Callable[[str], None]) -> T:
    """Repeat a step, which looks each time at what is left to do, until it succeeds.

    Args:
        step: Talks to the Hub through `huggingface_hub`.
        repo_id: About which repository, for messages.
        tell: Gets a sentence for each wait.

    Raises:
        BuildError: When the Hub refuses, or fails more than `len(WAITS)` times.
    """
    tries = 0
    while True:
        try:
            return step()
        except Exception as error:
            failure = _failure(error)
            if failure is None:
                raise
            if not failure.may_pass:
                raise BuildError(_advice(failure, repo_id)) from error
            if tries == len(WAITS):
                raise BuildError(
                    f"{failure.reason} That was try {tries + 1}; readers see what they saw before. "
                    "Run it again later, it goes on where it stopped."
                ) from error
        seconds = max(WAITS[tries], min(failure.wait, LONGEST_WAIT))
        tries += 1
        tell(f"{failure.reason} Trying again in {seconds} s.")
        time.sleep(seconds)


def _failure(error: BaseException | None) -> Failure | None:
    """What an exception of `huggingface_hub`, or one that it wraps, says; None for others."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    while error is not None:
        if isinstance(error, OfflineModeIsEnabled):
            return Failure(423, "HF_HUB_OFFLINE is set, so the Hub cannot be asked.")
        if isinstance(error, HfHubHTTPError):
            answer = error.response
            said = f" ({error.server_message})" if error.server_message else ""
            asked = answer.headers.get("Retry-After", "")
            where = f"{answer.request.method} {answer.request.url.path}"
            return Failure(
                answer.status_code,
                f"The Hub answered {answer.status_code} to {where}{said}.",
                int(asked) if asked.isdigit() else 0,
            )
        if isinstance(error, HTTPError | ConnectionError | json.JSONDecodeError):
            return Failure(NO_ANSWER, f"The Hub gave no answer ({error}).")
        if isinstance(error, ValueError) and "metadata in README.md" in str(error):
            return Failure(400, f"The Hub refuses the card. {error}")
        error = error.__cause__ or error.__context__
    return None


def _advice(failure: Failure, repo_id: str) -> str:
    owner = repo_id.partition("/")[0]
    advice = {
        401: "It does not know the token: run `hf auth login` again, or correct HF_TOKEN.",
        402: f"The plan of {owner} does not include this; a Gradio Space needs a paid one.",
        403: f"The token may not write to {repo_id}: use one with write permission for {owner}.",
        404: f"Check {repo_id}: is there an owner {owner}, and may the token see its repositories?",
        423: "Unset it and run this again.",
    }
    return f"{failure.reason} {advice.get(failure.status, 'Mend that and run it again.')}"
