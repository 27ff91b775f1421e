"""What stands before Gradio lets little through, and nothing that names a file."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dambench_hub.leaderboard.web import middleware as module
from dambench_hub.leaderboard.web.middleware import MAX_BODY, RequestFilter

TICKET = "0123456789abcdef" * 2 + "-" + "0" * 64 + ".nc"
FILE = {"meta": {"_type": "gradio.FileData"}, "orig_name": "x.nc"}


async def echo(request: Request):
    body = await request.body()
    seen = {"path": request.url.path, "body": json.loads(body) if body else None}
    return JSONResponse(seen, headers={"x-method": request.method})


APP = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST", "PUT", "OPTIONS"])])


def ask(path, *, method="GET", cache="/tmp/none", hosts=None, base="http://127.0.0.1:7860", **more):
    async def asked():
        app = RequestFilter(APP, cache, hosts)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            request = client.build_request(method, "/", **more)
            request.url = request.url.copy_with(raw_path=path.encode())
            return await client.send(request)

    return asyncio.run(asked())


def post(content, path="/gradio_api/queue/join", **more):
    return ask(path, method="POST", content=content, **more)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/submit",
        "/config",
        "/assets/index.js",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/call/submit/0123abcd",
        "/gradio_api/heartbeat/abc-1",
        "/login/huggingface",
        "/login/callback",
        "/logout",
        "/export/multimodal.csv",
    ],
)
def test_what_the_pages_need_passes(path):
    assert ask(path).status_code == 200


def test_head_is_answered_as_get_is_but_for_streams():
    for path, method in (
        ("/submit", "GET"),
        ("/export/multimodal.csv", "GET"),
        ("/gradio_api/queue/data", "HEAD"),
    ):
        assert ask(path, method="HEAD").headers["x-method"] == method


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/proxy=http://127.0.0.1:1/",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/file=",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/file/etc/passwd",
        "/gradio_api/stream/x",
        "/gradio_api/component_server",
        "/gradio_api/custom_component/a/b/c/d",
        "/custom_component/a/b/c/d",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-code",
        "/gradio_api/run-history/connect",
        "/gradio_api/runs",
        "/gradio_api/upload_progress",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link",
        "/gradio_api//upload",
        "/monitoring",
        "/monitoring/summary",
        "/login",
        "/login/",
        "/svelte/x",
        "/%67radio_api/monitoring",
        "/gradio_api/%66ile=/etc/passwd",
    ],
)
def test_everything_else_of_gradio_is_absent(path):
    assert ask(path).status_code == 404


TRAVERSALS = [
    "{cache}/../secret",
    "{cache}/../../etc/passwd",
    "{cache}/%2e%2e/secret",
    "{cache}/..%2fsecret",
    "{cache}/%2e%2e%2fsecret",
    "{cache}/link",
    "{cache}/sub/../../secret",
    "{cache}x/secret",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "%2fetc%2fpasswd",
    "%252fetc%252fpasswd",
    "file:///etc/passwd",
    "http://127.0.0.1:1/",
    "C:/Windows/win.ini",
    "..\\..\\secret",
    "secret",
    ".",
    "",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_way_leads_out_of_the_cache(path, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "shown").write_text("x")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "cachex").mkdir()
    (tmp_path / "cachex/secret").write_text("secret")
    (cache / "link").symlink_to(tmp_path / "secret")
    asked = ask("/gradio_api/file=" + path.format(cache=cache), cache=cache)
    assert asked.status_code == 404
    assert ask(f"/gradio_api/file={cache}/shown", cache=cache).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_answered(method):
    assert ask("/", method=method).status_code == 405


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "10.0.0.1", ""])
def test_a_local_server_answers_to_local_names_only(host):
    assert ask("/", headers={"host": host}).status_code == 421
    assert ask("/", headers={"host": host}, hosts={"x.hf.space"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860"])
def test_local_names_are_answered(host):
    assert ask("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join"])
def test_pages_of_others_cannot_act_for_their_visitors(headers, path):
    assert post(b"{}", path, headers=headers).status_code == 403


def test_the_own_page_can_act():
    headers = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert post(b"{}", headers=headers).status_code == 200
    space = {"origin": "https://x.hf.space", "host": "10.1.2.3"}
    assert post(b"{}", headers=space, hosts={"x.hf.space"}).status_code == 200


def test_the_ticket_of_a_file_passes_as_text():
    body = {"data": [{"path": TICKET, **FILE}, "mine", [{"path": TICKET}]], "fn_index": 1}
    passed = post(json.dumps(body)).json()["body"]
    assert passed == {"data": [TICKET, "mine", [TICKET]], "fn_index": 1}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "http://127.0.0.1:1/x.nc",
        "https://example.org/x.nc",
        "//example.org/x.nc",
        "file:///etc/passwd",
        "../store.db",
        TICKET + "x",
        "x/" + TICKET,
        TICKET.upper(),
        None,
        7,
        [TICKET],
        {"path": TICKET},
    ],
)
@pytest.mark.parametrize("wrap", [lambda file: file, lambda file: {"a": [[file]]}])
def test_whatever_else_stands_for_a_file_is_refused(path, wrap):
    body = {"data": [wrap({"path": path, "url": path, **FILE})]}
    assert post(json.dumps(body)).status_code == 400


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"[" * 100_000, b'{"a": NaNN}'], ids=["cut", "bytes", "deep", "nan"]
)
def test_what_is_no_json_is_refused(content):
    assert post(content).status_code == 400


def test_long_texts_are_refused():
    assert post(b'"' + b"x" * MAX_BODY + b'"').status_code == 413


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["path", "url", "meta"]), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_nothing_that_passes_names_a_file(value):
    def names(part):
        if isinstance(part, dict):
            return "path" in part or any(map(names, part.values()))
        return isinstance(part, list) and any(map(names, part))

    answer = post(json.dumps(value))
    if answer.status_code == 200:
        assert not names(answer.json()["body"])


@pytest.mark.parametrize("path", ["/", "/gradio_api/info", "/gradio_api/file=/etc/passwd", "/x"])
def test_every_answer_keeps_browsers_strict(path):
    headers = ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy
    assert policy.endswith("connect-src 'self'; frame-ancestors 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    framed = ask(path, hosts={"x.hf.space"}).headers["content-security-policy"]
    assert framed.endswith("frame-ancestors https://huggingface.co")


def test_a_client_of_a_public_server_that_asks_too_often_is_told_when_to_come_back(monkeypatch):
    monkeypatch.setattr(module, "BURST", 0.5)
    answer = post(b"{}", hosts={"x.hf.space"})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    assert ask("/", hosts={"x.hf.space"}).status_code == 200
    assert post(b"{}").status_code == 200
