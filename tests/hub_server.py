"""A small Hugging Face Hub: repositories with history in memory, over HTTP, with faults on demand.

It speaks the requests that `huggingface_hub` 2 makes without Xet to create, fill, tag and read
repositories. The token of a request is the key to its `Session`: who asks, what was asked, and
which fault comes at which request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".parquet", ".arrow", ".h5", ".safetensors", ".npy", ".bin")
INITIAL = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}


@dataclass
class Repository:
    """Files by commit and path; `moves` are the commits that readers of `main` could ever see."""

    private: bool = False
    sdk: str | None = None
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        """Put files on a branch; the commit's key."""
        parent = self.branches.get(branch)
        content = [(path, hashlib.sha1(data).hexdigest()) for path, data in sorted(files.items())]
        key = hashlib.sha1(repr((parent, message, content)).encode()).hexdigest()
        self.commits[key] = files
        self.branches[branch] = key
        if branch == "main":
            self.moves.append(key)
        return key

    def resolve(self, revision: str) -> str | None:
        """Branch, tag or commit → commit."""
        known = {**{key: key for key in self.commits}, **self.tags, **self.branches}
        return known.get(revision)


def new_repository(private: bool = False, sdk: str | None = None) -> Repository:
    """As the Hub makes it: with one commit."""
    repository = Repository(private, sdk)
    repository.commit("main", dict(INITIAL), "initial commit")
    return repository


@dataclass(frozen=True)
class Fault:
    """What goes wrong, from request number `at` on, `times` times.

    `kind` is a status (the request is not done), `cut` (not done, the connection ends), `lost`
    (done, but the answer is not sent) or `conflict` (somebody else commits just before).
    """

    kind: str
    at: int
    times: int = 1


@dataclass
class Session:
    """One token: its owner, its requests, its fault, and the LFS objects that it sent."""

    owners: tuple[str, ...] = ("ORG",)
    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    faults_left: int = 0

    def plan(self, fault: Fault | None) -> None:
        """Start counting anew, with this fault."""
        self.fault, self.requests, self.sent = fault, [], []
        self.faults_left = fault.times if fault else 0

    def fault_now(self, request: str) -> str | None:
        """Count a request; the fault that it meets."""
        self.requests.append(request)
        due = self.fault and len(self.requests) > self.fault.at and self.faults_left
        # Somebody else's commit matters only to a commit.
        if not due or (self.fault.kind == "conflict" and "/commit/" not in request):
            return None
        self.faults_left -= 1
        return self.fault.kind


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, code: str = "", **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = {"X-Error-Code": code, **headers} if code else headers


class Hub(ThreadingHTTPServer):
    """The server. `repositories` by (type, id); `sessions` by token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.sessions: dict[str, Session] = {"hf_maintainer": Session()}
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        """For `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A Hub for the time of a `with` block."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


def environment(hub: Hub, home: Any, token: str | None = "hf_maintainer") -> dict[str, str]:
    """What a process needs in its environment to take this for the Hub."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_EVALUATE_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "NO_PROXY": "127.0.0.1",
    }
    return settings | ({"HF_TOKEN": token} if token else {})


def git_sha1(content: bytes) -> str:
    """Git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def file_entry(path: str, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_sha1(content)}
    if path.endswith(LARGE):
        oid = hashlib.sha256(content).hexdigest()
        entry |= {"oid": git_sha1(oid.encode())}
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry


class Handler(BaseHTTPRequestHandler):
    """One connection; while a request is answered, who asks, what, and the fault that it meets."""

    server: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        """Read the request, meet a fault if one is due, answer."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        # The address of an LFS object carries its own permission.
        authorization = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.token = self.query.get("token", authorization)
        with self.server.lock:
            self.session = self.server.sessions.get(self.token)
            request = f"{self.command} {url.path}"
            self.fault = self.session.fault_now(request) if self.session else None
            if self.fault == "cut":
                self.close_connection = True
                return
            if self.fault and self.fault.isdigit():
                self._send(int(self.fault), b"<html>out of order</html>", {"Retry-After": "1"})
                return
            try:
                answer = self._answer(unquote(url.path))
            except Refused as refused:
                self._send(refused.status, b'{"error": "refused"}', refused.headers)
                return
            if self.fault == "lost":
                self.close_connection = True
            elif isinstance(answer, tuple):
                self._send(*answer)
            else:
                self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self, path: str) -> Any:
        for pattern, function, write in ROUTES:
            if not (match := re.fullmatch(pattern, f"{self.command} {path}")):
                continue
            groups = match.groupdict()
            if write and self.session is None:
                raise Refused(401)
            if "id" in groups:
                kind = (groups.pop("type") or "models").rstrip("/")
                groups["repository"] = self._repository(kind, groups.pop("id"), write)
            if "revision" in groups:
                groups["revision"] = groups["repository"].resolve(groups["revision"])
                if groups["revision"] is None:
                    raise Refused(404, "RevisionNotFound")
            return function(self, **groups)
        raise Refused(404)

    def _repository(self, kind: str, id: str, write: bool) -> Repository:
        """A repository, if the session may see it, and write to it."""
        found = self.server.repositories.get((kind, id))
        mine = self.session is not None and id.split("/")[0] in self.session.owners
        if found is None or (found.private and not mine):
            raise Refused(404, "RepoNotFound")
        if write and not mine:
            raise Refused(403)
        return found

    def whoami(self) -> Any:
        owners = [{"name": owner} for owner in self.session.owners]
        return {"name": "maintainer", "type": "user", "orgs": owners}

    def create(self) -> Any:
        wanted = json.loads(self.body)
        owner, kind = wanted["organization"], wanted.get("type", "model") + "s"
        if owner not in self.session.owners:
            raise Refused(403)
        id = f"{owner}/{wanted['name']}"
        answer = {"url": f"{self.server.url}/{kind}/{id}"}
        if (kind, id) in self.server.repositories:
            return 409, json.dumps(answer | {"error": "exists"}).encode(), {}
        private = wanted.get("private") or wanted.get("visibility") == "private"
        self.server.repositories[kind, id] = new_repository(bool(private), wanted.get("sdk"))
        return answer

    def validate_yaml(self) -> Any:
        content = json.loads(self.body)["content"]
        if content.startswith("---\n") and "\n---" not in content[4:]:
            errors = [{"message": "the header does not end"}]
            return 400, json.dumps({"errors": errors, "warnings": []}).encode(), {}
        return {"errors": [], "warnings": []}

    def information(self, repository: Repository, revision: str | None = None) -> Any:
        key = revision or repository.branches["main"]
        flags = {"gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": []}
        dates = dict.fromkeys(("lastModified", "createdAt"), "2026-01-01T00:00:00.000Z")
        files = [{"rfilename": path} for path in repository.commits[key]]
        known = {"id": "x/y", "sha": key, "private": repository.private, "siblings": files}
        return flags | dates | known

    def tree(self, repository: Repository, revision: str, below: str | None) -> Any:
        start = f"{below}/" if below else ""
        files = repository.commits[revision]
        inside = [path for path in sorted(files) if path.startswith(start)]
        if start and not inside:
            raise Refused(404, "EntryNotFound")
        slashes = [(path, match.start()) for path in inside for match in re.finditer("/", path)]
        folders = sorted({path[:end] for path, end in slashes if end >= len(start)})
        entries = [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0} for f in folders]
        entries += [file_entry(path, files[path]) for path in inside]
        deep = self.query.get("recursive") == "true"
        return [entry for entry in entries if deep or "/" not in entry["path"][len(start) :]]

    def paths_info(self, repository: Repository, revision: str) -> Any:
        files = repository.commits[revision]
        wanted = parse_qs(self.body.decode())["paths"]
        return [file_entry(path, files[path]) for path in wanted if path in files]

    def references(self, repository: Repository) -> Any:
        def listed(folder: str, found: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": key}
                for name, key in found.items()
            ]

        branches = listed("heads", repository.branches)
        return {"branches": branches, "tags": listed("tags", repository.tags), "converts": []}

    def make_branch(self, repository: Repository, name: str) -> Any:
        key = repository.resolve(json.loads(self.body)["startingPoint"])
        return self._refer(repository.branches, name, key)

    def make_tag(self, repository: Repository, revision: str) -> Any:
        return self._refer(repository.tags, json.loads(self.body)["tag"], revision)

    def _refer(self, references: dict[str, str], name: str, key: str | None) -> Any:
        if name in references or key is None:
            raise Refused(404 if key is None else 409)
        references[name] = key
        return {}

    def delete_branch(self, repository: Repository, name: str) -> Any:
        if repository.branches.pop(name, None) is None:
            raise Refused(404, "RevisionNotFound")
        return {}

    def preupload(self, repository: Repository, revision: str) -> Any:
        there = repository.commits[revision]

        def mode(path: str) -> dict[str, Any]:
            entry = file_entry(path, there[path]) if path in there else {"oid": None}
            return {
                "path": path,
                "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": entry.get("lfs", entry)["oid"],
            }

        return {"files": [mode(file["path"]) for file in json.loads(self.body)["files"]]}

    def lfs_batch(self, repository: Repository) -> Any:
        here = f"{self.server.url}/lfs/{self.path[1:].partition('.git/')[0]}"

        def place(wanted: dict[str, Any]) -> dict[str, Any]:
            if wanted["oid"] in repository.stored:
                return wanted
            put, verify = (
                {"href": f"{here}/{last}?token={self.token}"} for last in (wanted["oid"], "verify")
            )
            return wanted | {"actions": {"upload": put, "verify": verify}}

        objects = json.loads(self.body)["objects"]
        return {"transfer": "basic", "objects": [place(wanted) for wanted in objects]}

    def lfs_put(self, repository: Repository, oid: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400)
        repository.stored[oid] = self.body
        self.session.sent.append(oid)
        return 200, b"", {}

    def lfs_verify(self, repository: Repository) -> Any:
        if json.loads(self.body)["oid"] not in repository.stored:
            raise Refused(404)
        return {}

    def commit(self, repository: Repository, branch: str) -> Any:
        head = repository.branches.get(branch)
        if head is None:
            raise Refused(404, "RevisionNotFound")
        if self.fault == "conflict":
            others = repository.commits[head] | {"NOTES": b"hi"}
            head = repository.commit(branch, others, "Somebody else")
        header, *operations = [json.loads(line) for line in self.body.splitlines() if line]
        if header["value"].get("parentCommit", head) != head:
            raise Refused(412, **{"X-Error-Message": "A commit has happened since."})
        files = dict(repository.commits[head])
        for operation in operations:
            key, value = operation["key"], operation["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile" and value["oid"] in repository.stored:
                files[value["path"]] = repository.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
            else:
                raise Refused(400)
        oid = repository.commit(branch, files, header["value"]["summary"])
        page = self.path.removeprefix("/api/").partition("/commit/")[0].removeprefix("models/")
        return {"commitUrl": f"{self.server.url}/{page}/commit/{oid}", "commitOid": oid}

    def resolve(self, repository: Repository, revision: str, path: str) -> Any:
        files = repository.commits[revision]
        if path not in files:
            raise Refused(404, "EntryNotFound", **{"X-Repo-Commit": revision})
        data, entry = files[path], file_entry(path, files[path])
        tag = entry.get("lfs", entry)["oid"]
        headers = {"X-Repo-Commit": revision, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(data))}
        if (span := self.headers.get("Range")) and self.command == "GET":
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", span).groups()
            stop = min(int(last or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(data)}"
            return 206, data[int(first) : stop], headers
        return 200, data, headers


_API = r"/api/(?P<type>models|datasets|spaces)/(?P<id>[^/]+/[^/]+)"
_PAGE = r"/(?P<type>datasets/|spaces/|)(?P<id>[^/]+/[^/]+)"
_REVISION = "/(?P<revision>[^/]+)"

ROUTES: list[tuple[str, Callable[..., Any], bool]] = [  # request, answer, whether it writes
    ("GET /api/whoami-v2", Handler.whoami, True),
    ("POST /api/repos/create", Handler.create, True),
    ("POST /api/validate-yaml", Handler.validate_yaml, False),
    (f"GET {_API}", Handler.information, False),
    (f"GET {_API}/revision{_REVISION}", Handler.information, False),
    (f"GET {_API}/tree{_REVISION}(/(?P<below>.+))?", Handler.tree, False),
    (f"POST {_API}/paths-info{_REVISION}", Handler.paths_info, False),
    (f"GET {_API}/refs", Handler.references, False),
    (f"POST {_API}/branch/(?P<name>.+)", Handler.make_branch, True),
    (f"DELETE {_API}/branch/(?P<name>.+)", Handler.delete_branch, True),
    (f"POST {_API}/tag{_REVISION}", Handler.make_tag, True),
    (f"POST {_API}/preupload{_REVISION}", Handler.preupload, True),
    (rf"POST {_PAGE}\.git/info/lfs/objects/batch", Handler.lfs_batch, True),
    (f"POST /lfs{_PAGE}/verify", Handler.lfs_verify, True),
    (f"PUT /lfs{_PAGE}/(?P<oid>[0-9a-f]{{64}})", Handler.lfs_put, True),
    (f"POST {_API}/commit/(?P<branch>[^/]+)", Handler.commit, True),
    (f"(GET|HEAD) {_PAGE}/resolve{_REVISION}/(?P<path>.+)", Handler.resolve, False),
]
