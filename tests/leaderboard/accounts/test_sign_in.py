"""Who may write: nobody but the one developer of this machine, or people whom a Space signed in."""

import hashlib
import json
import time
from base64 import b64encode
from types import SimpleNamespace

import pytest
from itsdangerous import TimestampSigner

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import KEY_HEADER, SignIn, is_loopback

SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "org/board",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "a secret of the Space",
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}


def request(session=None, **headers):
    return SimpleNamespace(session=session or {}, headers=headers)


def signed_in(sub="1", name="ada", seconds=60):
    userinfo = {"sub": sub, "preferred_username": name}
    return {"oauth_info": {"userinfo": userinfo, "expires_at": time.time() + seconds}}


def test_without_any_sign_in_the_board_is_to_be_looked_at():
    sign_in = SignIn.choose(None, "127.0.0.1", {})
    assert not sign_in.is_open
    assert sign_in.person(request(signed_in())) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_a_developer_is_everybody_on_this_machine(host):
    sign_in = SignIn.choose("ada", host, {})
    assert sign_in.person(request()) == Person("local:ada", "ada")
    assert sign_in.key(sign_in.developer) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2", "10.0.0.1", "example.org", ""])
def test_a_developer_is_refused_where_others_reach_the_server(host):
    assert not is_loopback(host)
    with pytest.raises(DambenchError, match="--dev-user"):
        SignIn.choose("ada", host, {})


def test_a_developer_is_refused_on_a_space():
    with pytest.raises(DambenchError, match="--dev-user"):
        SignIn.choose("ada", "127.0.0.1", SPACE)


def test_a_developer_has_a_name_like_everybody():
    with pytest.raises(DambenchError, match="cannot stand in a name"):
        SignIn.choose("<b>", "127.0.0.1", {})


@pytest.mark.parametrize("absent", [name for name in SPACE if name.startswith("O")])
def test_a_half_configured_space_does_not_start(absent):
    with pytest.raises(DambenchError, match="hf_oauth: true"):
        SignIn.choose(None, "0.0.0.0", {**SPACE, absent: ""})


def test_the_secret_is_not_told():
    assert SPACE["OAUTH_CLIENT_SECRET"] not in repr(SignIn.choose(None, "0.0.0.0", SPACE))


def test_a_guessable_secret_does_not_start():
    with pytest.raises(DambenchError, match="hf_oauth: true"):
        SignIn.choose(None, "0.0.0.0", {**SPACE, "OAUTH_CLIENT_SECRET": "short"})


@pytest.mark.parametrize("absent", ["SYSTEM", "SPACE_ID"])
def test_where_gradio_would_pretend_a_sign_in_there_is_none(absent):
    environment = {name: value for name, value in SPACE.items() if name != absent}
    assert not SignIn.choose(None, "0.0.0.0", environment).is_open


def test_a_person_is_the_number_of_an_account_and_not_its_name():
    sign_in = SignIn.choose(None, "0.0.0.0", SPACE)
    before, after = (sign_in.person(request(signed_in("7", name))) for name in ("ada", "bob"))
    assert before.id == after.id == "hf:7"
    assert (before.name, after.name) == ("ada", "bob")


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"oauth_info": None},
        {"oauth_info": {"userinfo": {"sub": "1"}}},
        signed_in(seconds=-1),
        signed_in(sub=""),
        {"oauth_info": {"userinfo": "ada", "expires_at": 4e9}},
    ],
    ids=["empty", "none", "without end", "expired", "without number", "text"],
)
def test_sessions_that_say_too_little_are_nobody(session):
    assert SignIn.choose(None, "0.0.0.0", SPACE).person(request(session)) is None


def test_a_key_is_its_person_until_it_is_changed_or_old(monkeypatch):
    sign_in, ada = SignIn.choose(None, "0.0.0.0", SPACE), Person("hf:1", "ada")
    key = sign_in.key(ada)
    assert sign_in.person(request(**{KEY_HEADER: key})) == ada
    other = SignIn.choose(None, "0.0.0.0", {**SPACE, "OAUTH_CLIENT_SECRET": "b secret of a Space"})
    for forged in (key[:-1], key + "x", "x", other.key(ada), _cookie(SPACE["OAUTH_CLIENT_SECRET"])):
        assert sign_in.person(request(**{KEY_HEADER: forged})) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31 * 86_400)
    assert sign_in.person(request(**{KEY_HEADER: key})) is None


def _cookie(secret):
    """A session cookie as Gradio signs it."""
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    return TimestampSigner(key).sign(b64encode(json.dumps(signed_in()).encode())).decode()


def test_gradio_wraps_the_same_person():
    wrapped = SimpleNamespace(request=request(signed_in("7")), session="something else", headers={})
    assert SignIn.choose(None, "0.0.0.0", SPACE).person(wrapped).id == "hf:7"
