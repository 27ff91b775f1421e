"""Failures of the Hub: which are tried again, how long, and what is said."""

import json

import pytest

from dambench_hub.errors import BuildError
from dambench_hub.runtime import hub_client as hub

httpx = pytest.importorskip("httpx2", reason="huggingface_hub 2 answers with httpx2")
from huggingface_hub.errors import HfHubHTTPError  # noqa: E402

URL = "https://huggingface.co/api/datasets/ORG/NAME/commit/main"


def answered(status, headers=()):
    request = httpx.Request("POST", URL)
    return HfHubHTTPError("…", response=httpx.Response(status, headers=headers, request=request))


def wrapped(error):
    """As `huggingface_hub` raises what happens in its upload threads."""
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("Error while uploading 'a' to the Hub.") from cause
    except RuntimeError as outer:
        return outer


@pytest.fixture
def waits(monkeypatch):
    waits = []
    monkeypatch.setattr(hub.time, "sleep", waits.append)
    return waits


def failing(*errors):
    """A step that fails with each error once, then succeeds."""
    left = list(errors)

    def step():
        if left:
            raise left.pop(0)
        return "done"

    return step


@pytest.mark.parametrize(
    "error",
    [
        *(answered(status) for status in (408, 409, 412, 429, 500, 502, 503, 504)),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        wrapped(httpx.ReadError("cut")),
        wrapped(answered(503)),
        json.JSONDecodeError("no JSON", "<html>", 0),
        ConnectionResetError("reset"),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again_and_told(waits, error):
    said = []
    assert hub.persist(failing(error), "ORG/NAME", said.append) == "done"
    assert waits == [1] and len(said) == 1
    assert said[0].endswith("Trying again in 1 s.")


def test_waits_grow_are_capped_and_end(waits):
    with pytest.raises(BuildError, match="answered 503 .* try 11; readers see what they saw"):
        hub.persist(failing(*[answered(503)] * 100), "ORG/NAME", [].append)
    assert waits == list(hub.WAITS) == sorted(waits)
    assert sum(waits) >= 300, "a rate limit counts five minutes"


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("0", 1), ("86400", 300), ("soon", 1)])
def test_the_hub_may_ask_for_a_longer_wait(waits, asked, waited):
    error = answered(429, {"Retry-After": asked})
    hub.persist(failing(error), "ORG/NAME", [].append)
    assert waits == [waited]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "does not know the token"),
        (402, "plan of ORG"),
        (403, "may not write to ORG/NAME"),
        (404, "is there an owner ORG"),
        (413, "Mend that"),
    ],
)
def test_refusals_are_not_repeated(waits, status, advice):
    with pytest.raises(BuildError, match=f"answered {status} to POST .*{advice}"):
        hub.persist(failing(answered(status)), "ORG/NAME", [].append)
    assert waits == []


def test_a_refused_card_is_explained(waits):
    error = ValueError("Invalid metadata in README.md.\n- the header does not end")
    with pytest.raises(BuildError, match="refuses the card(.|\n)*the header does not end"):
        hub.persist(failing(error), "ORG/NAME", [].append)


@pytest.mark.parametrize("error", [ValueError("a mistake"), BuildError("ours"), KeyError("x")])
def test_other_errors_pass_through(waits, error):
    with pytest.raises(type(error)) as caught:
        hub.persist(failing(error), "ORG/NAME", [].append)
    assert caught.value is error and waits == []


@pytest.mark.parametrize("repo_id", ["NAME", "a/b/c", "ORG/", "/NAME", "ORG/na me", "ORG/a..b", ""])
def test_wrong_ids_are_refused(repo_id):
    with pytest.raises(BuildError, match="Give ORG/NAME"):
        hub.check_repo_id(repo_id)


@pytest.mark.parametrize("name", ["dambench_1.0-x", "x", "9" * 90])
def test_an_id_is_right_with_one_owner_only(name):
    hub.check_repo_id(f"ORG/{name}")
    for wrong in (name, f"ORG/ORG/{name}", f"ORG/{name}/", f"ORG/{name} "):
        with pytest.raises(BuildError, match="Give ORG/NAME"):
            hub.check_repo_id(wrong)
