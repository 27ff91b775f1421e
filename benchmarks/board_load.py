"""How a leaderboard holds when many look at it and some hand in large files at the same time.

    python benchmarks/board_load.py --data dambench [--entries 500] [--tasks 6] [--browsers 50]
                                    [--uploads 5] [--megabytes 500] [--seconds 60]

A board of made-up results is served as on a Space. First one Chromium opens the board: time until
the ranking can be used, requests, bytes. Then all browse at once, a page and what it asks for in
turn, while others each send a file; a file is lost if the server said it has it and it is not in
the inbox with the same hash. The server and its visitors share the machine.
"""

import argparse
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from pathlib import Path

import httpx
import numpy as np
import psutil
from itsdangerous import TimestampSigner
from playwright.sync_api import sync_playwright

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.metrics import SCORER_VERSION
from dambench_hub.scoring import Result

APP = Path(__file__).parents[1] / "leaderboard_app" / "app.py"
SECRET = "the secret of a benchmark"
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "org/board",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": SECRET,
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
}


def fill(url, data, entries, tasks):
    """A store with results of as many methods for each of the tasks."""
    rng, store = np.random.default_rng(0), Store(url, create=True)
    for task in tasks:
        hours = task.times(data.manifest).astype("datetime64[h]").astype(int)
        times = len(hours)
        base = rng.uniform(0.5, 1.5, times)
        for number in range(entries):
            errors = base * rng.uniform(0.9, 1.1, times) * (0.1 + number / entries)
            rmse = {name: float(rng.uniform(1, 9)) for name in data.channels}
            score = float(errors.mean())
            scores = {"mse": score, "mae": score**0.5, "specdiv": 0.01 * score, "specres": 1e-3}
            days = 100 * (1 - errors)
            scores["skill"] = float(days.mean())
            by_channel = {"rmse": rmse, "rmse_pooled": rmse, "bias": rmse, "mse_by_channel": rmse}
            result = Result(
                task=task.name,
                dataset=data.manifest.name,
                dataset_revision=data.revision,
                scorer_version=SCORER_VERSION,
                value_hash=hashlib.sha256(f"{task.name}{number}".encode()).hexdigest(),
                main_score=scores["skill"],
                scores=scores | by_channel,
                sample_mse=tuple(errors.tolist()),
                attributes={"model_name": f"method {number}"},
                square_errors=np.outer(errors, np.ones(len(data.channels))),
                skill_by_day=tuple(days.tolist()),
                hours=tuple(hours.tolist()),
            )
            store.add(result, f"method {number}")
    store.close()


def cookie(number):
    """The session of a person, signed as after Hugging Face's sign-in."""
    userinfo = {"sub": str(number), "preferred_username": f"person {number}"}
    session = {"oauth_info": {"userinfo": userinfo, "expires_at": time.time() + 3600}}
    key = hashlib.sha256(f"{SECRET}-v4".encode()).hexdigest()
    signed = TimestampSigner(key).sign(b64encode(json.dumps(session).encode())).decode()
    return {"cookie": f"session={signed}"}


def start(folder, data, url):
    """The server, and its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(APP), "--port", str(port), "--host", "127.0.0.1"]
    command += ["--data", data, "--store", url, "--folder", str(folder / "site")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | SPACE, stdout=log, stderr=log)
    while True:
        if process.poll() is not None:
            sys.exit((folder / "log").read_text())
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)


def open_board(address, repeats=3):
    """Median seconds until the ranking is there, and requests and bytes of a first visit."""
    seconds, requests, received = [], 0, 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for _ in range(repeats):
            context = browser.new_context()
            page, answers = context.new_page(), []
            page.on("requestfinished", lambda request, answers=answers: answers.append(request))
            began = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("[data-board] tbody tr:nth-child(2)", timeout=120_000)
            seconds.append(time.perf_counter() - began)
            page.wait_for_timeout(500)
            sizes = [answer.sizes() for answer in answers if "/heartbeat/" not in answer.url]
            requests, received = len(sizes), sum(s["responseBodySize"] for s in sizes)
            context.close()
        browser.close()
    return statistics.median(seconds), requests, received


class Crowd:
    """People who open the board again and again until the end, each in a thread."""

    def __init__(self, address, count, end):
        self.address = address
        self.end = end
        self.seconds = []
        self.errors = []
        config = httpx.get(f"{address}/config", timeout=60).json()
        loads = [d for d in config["dependencies"] if [t[1] for t in d["targets"]] == ["load"]]
        self.load = loads[0]["id"]
        self.threads = [threading.Thread(target=self._browse) for _ in range(count)]

    def _browse(self):
        with httpx.Client(base_url=self.address, timeout=120) as client:
            while time.monotonic() < self.end:
                began = time.perf_counter()
                try:
                    self._open(client)
                    self.seconds.append(time.perf_counter() - began)
                except (httpx.HTTPError, ValueError) as error:
                    self.errors.append(repr(error))
                time.sleep(1)

    def _open(self, client):
        client.get("/").raise_for_status()
        session = os.urandom(6).hex()
        event = {"fn_index": self.load, "data": [], "session_hash": session}
        client.post("/gradio_api/queue/join", json=event).raise_for_status()
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as it:
            for line in it.iter_lines():
                if "process_completed" in line:
                    if not json.loads(line[5:])["success"]:
                        raise ValueError(line[:200])
                    return
        raise ValueError("no answer")


def send(address, number, megabytes, outcomes):
    """Send a file as a person; the ticket, its hash and the seconds, or what went wrong."""
    block = np.random.default_rng(number).bytes(1 << 20)
    with tempfile.NamedTemporaryFile(suffix=".nc") as file:
        digest = hashlib.sha256()
        for _ in range(megabytes):
            file.write(block)
            digest.update(block)
        file.seek(0)
        began = time.perf_counter()
        try:
            answer = httpx.post(
                f"{address}/gradio_api/upload",
                files={"files": ("x.nc", file)},
                headers=cookie(number),
                timeout=600,
            )
            answer.raise_for_status()
            outcomes.append((answer.json()[0], digest.hexdigest(), time.perf_counter() - began))
        except httpx.HTTPError as error:
            outcomes.append((repr(error), None, 0.0))


def main():
    """Fill, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True)
    for name, value in (("entries", 500), ("tasks", 6), ("browsers", 50), ("uploads", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/store.db"
        site = Site.open(args.data, url, folder / "site")
        names = tasks_in_order(site)[: args.tasks]
        fill(url, site.data, args.entries, [site.tasks[name] for name in names])
        process, address = start(folder, str(Path(args.data).absolute()), url)
        try:
            measure(args, folder, address, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


def measure(args, folder, address, server):
    """Print what one visitor sees, and then what all do."""
    seconds, requests, received = open_board(address)
    print(f"{args.entries} entries x {args.tasks} tasks: ranking there after {seconds:.2f} s, ")
    print(f"{requests} requests, {received / 1e6:.2f} MB, server {rss(server)}")
    outcomes, end = [], time.monotonic() + args.seconds
    crowd = Crowd(address, args.browsers, end)
    senders = [
        threading.Thread(target=send, args=(address, number, args.megabytes, outcomes))
        for number in range(args.uploads)
    ]
    for thread in (*crowd.threads, *senders):
        thread.start()
    for thread in (*senders, *crowd.threads):
        thread.join()
    slowest, median = max(crowd.seconds), statistics.median(crowd.seconds)
    print(f"{args.browsers} people, {len(crowd.seconds)} pages: median {median:.2f} s, slowest "
          f"{slowest:.2f} s, {len(crowd.errors)} errors, server {rss(server)}")  # fmt: skip
    lost = [ticket for ticket, digest, _ in outcomes if not is_there(folder, ticket, digest)]
    times = ", ".join(f"{seconds:.1f}" for *_, seconds in outcomes)
    print(f"{args.uploads} files of {args.megabytes} MB in {times} s, {len(lost)} lost {lost}")
    print(*crowd.errors[:3], sep="\n")


def is_there(folder, ticket, digest):
    """Whether a file that the server confirmed lies in the inbox as it was sent."""
    found = list((folder / "site" / "inbox").glob(f"*-{ticket}"))
    return bool(found) and hashlib.file_digest(found[0].open("rb"), "sha256").hexdigest() == digest


def rss(server):
    """Memory of the server and its scorer."""
    sizes = [p.memory_info().rss for p in (server, *server.children(recursive=True))]
    return f"{sizes[0] / 1e6:.0f} MB (with its scorer {sum(sizes) / 1e6:.0f} MB)"


if __name__ == "__main__":
    main()
