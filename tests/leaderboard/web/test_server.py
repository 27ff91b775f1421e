"""Attacks on the real server: what strangers, forgers and other people may not do."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import KEY_HEADER, SignIn
from dambench_hub.predictions.writer import write_predictions

APP = Path(__file__).parents[3] / "leaderboard_app" / "app.py"
UPLOAD = "/gradio_api/upload"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60_000
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "org/board",
    "SPACE_HOST": "board.hf.space",
    "OAUTH_CLIENT_ID": "planted-client",
    "OAUTH_CLIENT_SECRET": "a secret of the Space, planted",
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
}
HTTP = httpx.Client(verify=False, timeout=60)
"""One for all, since each costs as much time as many requests."""
PLANTED = re.compile(rb"hf_planted|a secret of the Space|planted-client")


@pytest.fixture(scope="module")
def ada(signed_in):
    return signed_in("1", "ada")


@pytest.fixture(scope="module")
def bob(signed_in):
    return signed_in("2", "bob")


@pytest.fixture(scope="module")
def cleo(signed_in):
    """Somebody who has nothing in the queue."""
    return signed_in("11", "cleo")


@pytest.fixture(scope="module")
def good_file(tmp_path_factory, tiny_data):
    path = tmp_path_factory.mktemp("good") / "good.nc"
    analyses = (Analysis(batch.background) for batch in tiny_data.batches("unimodal"))
    write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="good")
    return path


@pytest.fixture(scope="module")
def as_person(space):
    """`as_person(headers)` is a client of the programming interface."""
    clients = []

    def connect(headers):
        quiet = {"verbose": False, "analytics_enabled": False, "download_files": False}
        clients.append(Client(space[0], token=False, headers=headers, **quiet))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def silent():
    """The address of a listener on this machine that nobody must connect to."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def listen():
            while not ended.is_set():
                try:
                    calls.append(listener.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        time.sleep(0.3)
        ended.set()
        thread.join()
    assert not calls, "the server made a request on a user's say"


def upload(space, headers, content=b"x" * 100, name="x.nc"):
    return HTTP.post(space[0] + UPLOAD, files={"files": (name, content)}, headers=headers)


def inbox(space):
    return sorted((space[1] / "site" / "inbox").iterdir())


def call(space, endpoint, data, headers):
    """One call by hand; the text of the answer."""
    if endpoint == "submit":
        data = [*data, "", "", "", True]
    asked = HTTP.post(
        f"{space[0]}/gradio_api/call/{endpoint}", json={"data": data}, headers=headers
    )
    if asked.status_code != 200:
        return asked.text
    url = f"{space[0]}/gradio_api/call/{endpoint}/{asked.json()['event_id']}"
    return HTTP.get(url, headers=headers).text


def test_strangers_look_but_do_not_send(space):
    before = inbox(space)
    assert HTTP.get(space[0]).status_code == 200
    assert upload(space, {}).status_code == 401
    assert inbox(space) == before


FORGERIES = {
    "no signature": "session=eyJvYXV0aF9pbmZvIjp7fX0=",
    "empty secret, as of Gradio's mock": "",
    "other secret": "another secret of a Space",
    "expired": None,
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_cookies_are_nobody(space, signed_in, kind):
    value = FORGERIES[kind]
    if value is None:
        headers = signed_in("1", "ada", seconds=-1)
    elif value.startswith("session="):
        headers = {"cookie": value}
    else:
        headers = signed_in("1", "ada", secret=value)
    assert upload(space, headers).status_code == 401
    assert "Sign in first" in call(space, "submit", ["x", "mine", "unimodal"], headers)


def test_the_owner_is_the_session_and_no_argument(space, ada, as_person, good_file):
    forged = {**ada, "x-user": "bob", "x-forwarded-user": "bob", KEY_HEADER + "x": "bob"}
    client = as_person(forged)
    told = client.predict(
        file=handle_file(good_file), name="of ada", task="unimodal", api_name="/submit"
    )
    assert (told["state"], told["place"]) == ("received", 1)
    other = as_person(signed_in_key(Person("hf:1", "ada")))
    assert other.predict(id=told["id"], api_name="/status")["name"] == "of ada"


def signed_in_key(person):
    """The header of a command line that has a person's key."""
    return {KEY_HEADER: SignIn(secret="a secret of the Space, planted").key(person)}


def test_people_do_not_see_what_others_wait_for(space, ada, bob, as_person, good_file):
    mine = as_person(bob).predict(
        file=handle_file(good_file), name="of bob", task="unimodal", api_name="/submit"
    )
    for headers in (ada, {}):
        with pytest.raises(AppError, match="There is no submission"):
            as_person(headers).predict(id=mine["id"], api_name="/status")
    same = as_person({}).predict("unimodal", api_name="/leaderboard")
    assert same == []


def test_a_ticket_of_another_person_opens_nothing(space, signed_in):
    eve, dan = signed_in("5", "eve"), signed_in("6", "dan")
    (ticket,) = upload(space, dan).json()
    data = [{"path": ticket, "meta": {"_type": "gradio.FileData"}}, "stolen", "unimodal"]
    assert "no such file of yours" in call(space, "submit", data, eve)


def test_names_that_hide_something_are_refused(space, signed_in, as_person):
    client = as_person(signed_in("7", "fay"))
    for name in ("", "a\u202eb", "<img src=x onerror=alert(1)>", "x" * 81, "a\nb"):
        (ticket,) = upload(space, signed_in("7", "fay")).json()
        with pytest.raises(AppError, match="character|letter"):
            client.predict(file=ticket, name=name, task="unimodal", api_name="/submit")


@pytest.mark.parametrize("value", [None, 7, True, [], ["x"], {"a": 1}, {"__type__": "update"}])
def test_arguments_of_other_kinds_are_refused(space, ada, value):
    for data in ([value, "mine", "unimodal"], ["x", value, "unimodal"], ["x", "mine", value]):
        answer = call(space, "submit", data, ada)
        assert "event: error" in answer or "error" in answer
        assert "Traceback" not in answer and "/site-packages/" not in answer
    assert "error" in call(space, "status", [value], ada)


def test_files_of_the_server_and_of_the_web_are_refused(space, ada, silent):
    before = inbox(space)
    places = [
        f"http://{silent}/x.nc",
        f"https://{silent}/x.nc",
        f"//{silent}/x.nc",
        f"file://{space[1]}/store.db",
        f"{space[1]}/store.db",
        str(space[1] / "site" / "inbox"),
        str(space[1] / "site" / "cache" / "x"),
        "/etc/passwd",
        "/proc/self/environ",
        "../store.db",
    ]
    for place in places:
        for file in (
            {"path": place, "meta": {"_type": "gradio.FileData"}},
            {
                "path": place,
                "url": place,
                "orig_name": "x.nc",
                "meta": {"_type": "gradio.FileData"},
            },
            {"path": "x.nc", "url": f"http://{silent}/x.nc"},
            [{"path": place, "meta": {"_type": "gradio.FileData"}}],
        ):
            for data in ([file, "mine", "unimodal"], ["x", file, "unimodal"]):
                assert "error" in call(space, "submit", data, ada)
    for path in (f"file=http://{silent}/x", f"proxy=http://{silent}/x", "file=//" + silent):
        assert HTTP.get(f"{space[0]}/gradio_api/{path}", headers=ada).status_code in (403, 404)
    assert inbox(space) == before


def raw(space, method, path, headers=()):
    """Status and body of a request whose path is sent as it is."""
    where = urlsplit(space[0])
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


PREFIXES = ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/assets/", "/static/", "/", "//"]
CLIMBS = [
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%252f",
    "..\\",
    "..%5c",
    "%c0%ae%c0%ae/",
    "....//",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_address_leads_to_files_of_the_server(space, prefix):
    secret = space[1] / "canary.txt"
    secret.write_text("canary in a cage")
    targets = [str(secret), str(space[1] / "store.db"), "/etc/passwd", "/proc/self/environ"]
    paths = [target for target in targets] + [target.replace("/", "%2f") for target in targets]
    paths += [climb * 8 + target.lstrip("/") for climb in CLIMBS for target in targets]
    for path in paths:
        status, body = raw(space, "GET", prefix + path)
        assert b"canary" not in body and b"root:" not in body and b"SQLite format" not in body
        assert not PLANTED.search(body), path
        assert status in (200, 307, 308, 400, 403, 404, 405), (status, path)
        if status == 200:  # a page of the board, never a file
            assert b"window.gradio_config" in body or body == b"", path


def test_uploads_cannot_be_fetched_by_whoever_guesses(space, cleo):
    (ticket,) = upload(space, cleo, b"private values" * 10).json()
    (path,) = [path for path in inbox(space) if path.name.endswith(ticket)]
    for place in (ticket, path.name, str(path), f"{path.parent}/../inbox/{path.name}"):
        for prefix in PREFIXES:
            status, body = raw(space, "GET", prefix + place)
            assert b"private values" not in body
            assert status != 200 or b"window.gradio_config" in body


def test_a_length_that_lies_is_cut_off(space, cleo):
    where, before = urlsplit(space[0]), inbox(space)
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {cleo['cookie']}\r\n"
    part = '--xx\r\nContent-Disposition: form-data; name="files"; filename="x.nc"\r\n\r\n'
    chunk = f"{len(part):x}\r\n{part}\r\n"
    for length, body, status in (
        ("Content-Length: 3000000000", part, b"413"),
        ("Transfer-Encoding: chunked", chunk, b"411"),
        ("Content-Length: 10\r\nTransfer-Encoding: chunked", chunk, b"4"),
    ):
        with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
            kind = "Content-Type: multipart/form-data; boundary=xx\r\n"
            connection.sendall(f"{head}{kind}{length}\r\n\r\n{body}".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 " + status)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        kind = "Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: 500\r\n\r\n"
        connection.sendall((head + kind + part + "x" * 5000).encode())
        assert re.match(rb"HTTP/1.1 400 ", connection.recv(100))
    assert inbox(space) == before


def test_abandoned_uploads_leave_nothing_and_have_a_limit(space, signed_in):
    eve, where, before = signed_in("8", "eve"), urlsplit(space[0]), inbox(space)
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {eve['cookie']}\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: 100000\r\n\r\n"
        '--xx\r\nContent-Disposition: form-data; name="files"; filename="x.nc"\r\n\r\nxxx'
    )
    for _ in range(50):
        with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
            connection.sendall(head.encode())
    for _ in range(100):  # until none of them is arriving any more
        if upload(space, eve, b"").status_code == 400 and inbox(space) == before:
            break
        time.sleep(0.1)
    assert inbox(space) == before
    content, statuses = b"x" * (inbox_room(space) // 2 + 1000), []
    for _ in range(6):
        answer = upload(space, eve, content)
        statuses.append(answer.status_code)
    assert 1 <= statuses.count(200) <= 4 and statuses[-1] == 429
    assert int(answer.headers["retry-after"]) > 0


def inbox_room(space):
    """Bytes of the largest file, as the page says."""
    return HTTP.get(f"{space[0]}/config").json()["max_file_size"]


def test_a_boundary_that_is_too_long_is_refused(space, cleo):
    headers = {**cleo, "content-type": f"multipart/form-data; boundary={'x' * 300}"}
    assert HTTP.post(space[0] + UPLOAD, content=b"x", headers=headers).status_code == 415


def test_head_is_answered(space):
    for path in ("/", "/submit", "/export/unimodal.csv", "/export/unimodal.json"):
        answer = HTTP.head(space[0] + path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_half_a_request_is_ended_and_a_head_has_a_size(space):
    where = urlsplit(space[0])
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        begin = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011
            for _ in range(1000):
                connection.sendall(b"X-Long: " + b"x" * 100_000 + b"\r\n")
        assert time.monotonic() - begin < 10


def test_a_file_that_is_too_large_is_refused(space, cleo):
    answer = upload(space, cleo, b"x" * (inbox_room(space) + 100_000))
    assert answer.status_code == 413 and "larger than" in answer.json()["error"]


def test_two_people_at_once_get_what_is_theirs(space, signed_in):
    people = [signed_in(str(number), f"p{number}") for number in range(20, 26)]
    answers = {}

    def send(number):
        answers[number] = upload(space, people[number], bytes([number]) * 50_000)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers.values()} == {200}
    for number, answer in answers.items():
        (path,) = [p for p in inbox(space) if p.name.endswith(answer.json()[0])]
        assert path.read_bytes() == bytes([number]) * 50_000


def test_one_file_is_handed_in_once_whoever_clicks_twice(space, signed_in, as_person, good_file):
    gus = signed_in("9", "gus")
    (ticket,) = upload(space, gus, good_file.read_bytes()).json()
    client, outcomes = as_person(gus), []

    def hand_in():
        try:
            told = client.predict(file=ticket, name="twice", task="unimodal", api_name="/submit")
            outcomes.append(told["state"])
        except AppError:
            outcomes.append("refused")

    threads = [threading.Thread(target=hand_in) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["received"] + ["refused"] * 4


def test_pages_of_others_cannot_send_for_their_visitors(space, ada):
    for origin in ("https://evil.example", "null", space[0].replace("127.0.0.1", "localhost")):
        headers = {**ada, "origin": origin}
        assert upload(space, headers).status_code == 403
        assert "pages of others" in call(space, "submit", ["x", "y", "z"], headers)


def test_a_name_that_means_this_machine_is_not_answered(space):
    assert HTTP.get(space[0], headers={"host": "evil.example"}).status_code == 421


def test_signing_in_leads_to_hugging_face_and_nowhere_else(space):
    for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = HTTP.get(f"{space[0]}/logout", params={"_target_url": target})
        assert answer.status_code in (302, 307)
        assert urlsplit(answer.headers["location"]).netloc == ""


def test_secrets_stay_out_of_pages_answers_and_the_log(space, ada):
    for path in ("/", "/submit", "/about", "/config", "/gradio_api/info", "/submit.js"):
        assert not PLANTED.search(HTTP.get(space[0] + path, headers=ada).content)
    for data in ([], ["x"] * 20, [{"path": 1}]):
        assert not PLANTED.search(call(space, "submit", data, ada).encode())
    assert not PLANTED.search((space[1] / "log").read_bytes())


def test_the_templates_are_those_of_the_tasks(space, tiny_data, tmp_path):
    from dambench_hub.predictions.reader import open_prediction

    (tmp_path / "first.nc").write_bytes(HTTP.get(f"{space[0]}/template/unimodal.nc").content)
    with open_prediction(tmp_path / "first.nc") as template:
        assert template.header.channels == tiny_data.channels
        assert template.header.time.tolist() == tiny_data.times("test")[:1].tolist()
        assert template[0].tolist() == tiny_data.background("test", 0).tolist()
    for name in ("nothing", "..%2f..%2fetc%2fpasswd", "%2e%2e"):
        assert HTTP.get(f"{space[0]}/template/{name}.nc").status_code == 404


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_finds_nothing_to_complain_about_on_a_space(start, tiny_folder, tmp_path):
    """Nor does it ask anybody but the Hub, and that one question: is the Space running?"""
    sync_api, heard = pytest.importorskip("playwright.sync_api"), []
    running = {"id": "org/board", "runtime": {"stage": "RUNNING"}}
    options = ("--role", "front", "--host", "0.0.0.0")
    with (
        start(tmp_path, tiny_folder, *options, environment=SPACE) as address,
        sync_api.sync_playwright() as playwright,
    ):
        rules = f"--host-resolver-rules=MAP board.hf.space {urlsplit(address).netloc}"
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[rules, "--no-sandbox"], timeout=PATIENCE
        )
        page = browser.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("requestfailed", lambda request: heard.append(request.url))
        page.route(
            "https://huggingface.co/api/spaces/by-subdomain/board",
            lambda route: route.fulfill(json=running, headers={"access-control-allow-origin": "*"}),
        )
        for path in ("submit", "about"):
            page.goto(f"http://board.hf.space/{path}", timeout=PATIENCE)
            page.wait_for_load_state("networkidle", timeout=PATIENCE)
            page.wait_for_selector("h1, h2", timeout=PATIENCE)
        browser.close()
    assert heard == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--dev-user", "ada", "--host", "0.0.0.0"), "--dev-user"),
        (("--dev-user", "<b>", "--host", "127.0.0.1"), "cannot stand in a name"),
    ],
)
def test_what_would_be_unsafe_does_not_start(tmp_path, tiny_folder, options, reason):
    command = [sys.executable, str(APP), "--data", str(tiny_folder), "--folder", str(tmp_path)]
    command += ["--store", f"sqlite:///{tmp_path}/store.db", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert ended.returncode == 1
    assert reason in ended.stderr and "Traceback" not in ended.stderr
    assert json.dumps(ended.stderr)
