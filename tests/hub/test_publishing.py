"""Publishing against a small Hub: whatever fails, readers see the old version or the new one."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import hub_server as server
import numpy as np
import pytest

import dambench_hub
from dambench_hub.data.dataset import load_data
from dambench_hub.hub.publishing import describe
from dambench_hub.hub.release import collect
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.testing import tiny_plan, write_tiny_dataset

ROOT = Path(__file__).parents[2]
METRIC = Path(dambench_hub.__file__).parent / "dambench_metrics"


PUBLISH = """
import json, os, sys, time
from pathlib import Path

sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.001))  # waits are minutes in earnest

from dambench_hub.errors import DambenchError
from dambench_hub.hub.publishing import publish
from dambench_hub.hub.release import collect

for line in sys.stdin:
    job = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    if job["token"]:
        os.environ["HF_TOKEN"] = job["token"]
    said, commit = [], None
    try:
        release = collect(Path(job["folder"]), job["repo_id"], tag=job["tag"])
        commit = publish(
            release, job["repo_id"], tag=job["tag"], private=job["private"], tell=said.append
        )
    except DambenchError as error:
        said.append(str(error))
    print(json.dumps([commit, said]), flush=True)
"""


class Job(NamedTuple):
    """One call of `publish`, by the owner of a token."""

    folder: Path
    repo_id: str
    token: str | None = "hf_maintainer"
    tag: str | None = None
    private: bool = False


@pytest.fixture(scope="module")
def publish_all(hub, tmp_path_factory):
    """Do several jobs in one process with the real client; commit and sentences of each."""

    def publish_all(jobs, **settings):
        home = tmp_path_factory.mktemp("home")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PUBLISH],
            input="\n".join(json.dumps(job._asdict(), default=str) for job in jobs),
            env={**os.environ, **server.environment(hub, home, None), **settings},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]

    return publish_all


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two versions of a data set: shards of the same names differ, and there are fewer."""
    folder = tmp_path_factory.mktemp("versions")
    times = tiny_plan().times
    old, new = folder / "old", folder / "new"
    write_tiny_dataset(old, times={**times, "train": times["train"][:8]})
    source = {**tiny_plan().source, "settings": {"seed": 1}}
    write_tiny_dataset(new, times={**times, "train": times["train"][:5]}, source=source)
    return old, new


def local_files(folder, repo_id, tag):
    """What the repository should hold."""
    files = collect(folder, repo_id, tag=tag).all_files
    contents = {f.path: f.content for f in files}
    read = {p: c if isinstance(c, bytes) else c.read_bytes() for p, c in contents.items()}
    return server.INITIAL | read


@pytest.fixture(scope="module")
def published(hub, publish_all, folders):
    """`ORG/base`: the old version, then the new one, without a fault; requests of the second."""
    old, new = folders
    hub.sessions["hf_base"] = session = server.Session()
    (first, _), = publish_all([Job(old, "ORG/base", tag="v1")])  # fmt: skip
    before = deepcopy(hub.repositories["datasets", "ORG/base"])
    (second, _), = publish_all([Job(new, "ORG/base", "hf_base", "v2")])  # fmt: skip
    return before, (first, second), list(session.requests)


def test_two_versions_follow_each_other(hub, folders, published):
    repository = hub.repositories["datasets", "ORG/base"]
    _, (first, second), _ = published
    states = [repository.commits[key] for key in repository.moves]
    assert states == [
        server.INITIAL,
        local_files(folders[0], "ORG/base", "v1"),
        local_files(folders[1], "ORG/base", "v2"),
    ]
    assert repository.moves[1:] == [first, second]
    assert repository.tags == {"v1": first, "v2": second}
    assert set(repository.branches) == {"main"}
    card = states[2]["README.md"].decode()
    assert 'load_dataset("ORG/base", "multimodal"' in card


def test_shards_are_compared_before_main_moves(published):
    """The tree of the staged commit is read between the last upload and the commit to main."""
    _, _, requests = published
    staged = next(n for n, r in enumerate(requests) if "/commit/staging-" in r)
    moved = next(n for n, r in enumerate(requests) if r.endswith("/commit/main"))
    assert any("/tree/" in request for request in requests[staged:moved])
    tagged = next(n for n, r in enumerate(requests) if "/tag/" in r)
    assert staged < moved < tagged
    assert any("/tree/" in request for request in requests[moved:tagged])


FAULTS = ("429", "503", "cut", "lost")


@pytest.fixture
def copy_of_old(hub, published):
    """A repository of the old version under another name, and a token with a fault."""

    def copy(name, kind, at, times=1):
        hub.repositories["datasets", f"ORG/{name}"] = deepcopy(published[0])
        hub.sessions[f"hf_{name}"] = server.Session()
        hub.sessions[f"hf_{name}"].plan(server.Fault(kind, at, times))

    return copy


def assert_old_then_new(hub, published, folders, name):
    """`main` moved exactly once more than before, to the whole new version; tags are right."""
    before = published[0]
    repository = hub.repositories["datasets", f"ORG/{name}"]
    wanted = local_files(folders[1], f"ORG/{name}", "v2")
    moved = repository.moves[len(before.moves) :]
    assert repository.moves[: len(before.moves)] == before.moves
    assert [repository.commits[key] for key in moved] == [wanted]
    assert repository.tags == before.tags | {"v2": moved[0]}
    assert set(repository.branches) == {"main"}


def test_a_fault_at_any_request_is_survived(hub, folders, published, publish_all, copy_of_old):
    """B8: one fault of each kind at each request; old or new, once, and nothing sent twice."""
    names = {}
    for kind in FAULTS:
        for at in range(len(published[2])):
            names[f"{kind}-at-{at}"] = kind
            copy_of_old(f"{kind}-at-{at}", kind, at)
    jobs = [Job(folders[1], f"ORG/{name}", f"hf_{name}", "v2") for name in names]
    for (name, kind), (commit, said) in zip(names.items(), publish_all(jobs), strict=True):
        session = hub.sessions[f"hf_{name}"]
        assert session.faults_left == 0, f"{name}: the fault never came"
        assert commit, (name, said)
        assert_old_then_new(hub, published, folders, name)
        if kind != "lost":  # an upload whose answer is lost can only be repeated
            assert len(set(session.sent)) == len(session.sent), name


def test_a_broken_publication_goes_on_where_it_stopped(
    hub, folders, published, publish_all, copy_of_old
):
    """B8: the Hub fails for good from any request on; the next run sends only the rest."""
    count = len(published[2])
    names = [f"down-at-{at}" for at in range(count)]
    for at, name in enumerate(names):
        copy_of_old(name, "503", at, times=10**9)
        hub.sessions[f"hf_again-{at}"] = server.Session()
    broken = publish_all([Job(folders[1], f"ORG/{n}", f"hf_{n}", "v2") for n in names])
    wanted = {name: local_files(folders[1], f"ORG/{name}", "v2") for name in names}
    for name, (commit, said) in zip(names, broken, strict=True):
        assert commit is None
        assert "503" in said[-1] and "goes on where it stopped" in said[-1]
        repository = hub.repositories["datasets", f"ORG/{name}"]
        assert repository.commits[repository.branches["main"]] in (
            published[0].commits[published[0].branches["main"]],
            wanted[name],
        )
    again = [Job(folders[1], f"ORG/{n}", f"hf_again-{at}", "v2") for at, n in enumerate(names)]
    for at, (commit, said) in enumerate(publish_all(again)):
        assert commit, said
        assert_old_then_new(hub, published, folders, names[at])
        first, second = (hub.sessions[f"hf_{n}"].sent for n in (names[at], f"again-{at}"))
        assert not set(first) & set(second)
        assert len(first) + len(second) == len(set(first + second))


def test_waits_are_told(hub, folders, published, publish_all, copy_of_old):
    at = next(n for n, r in enumerate(published[2]) if r.endswith("/commit/main"))
    copy_of_old("told", "429", at)
    ((commit, said),) = publish_all([Job(folders[1], "ORG/told", "hf_told", "v2")])
    assert commit
    (wait,) = [sentence for sentence in said if "Trying again" in sentence]
    assert wait.startswith("The Hub answered 429 to POST /api/datasets/ORG/told/commit/main")
    assert wait.endswith("Trying again in 1 s.")


def test_somebody_elses_commit_is_kept(hub, folders, published, publish_all, copy_of_old):
    at = next(n for n, r in enumerate(published[2]) if r.endswith("/commit/main"))
    copy_of_old("shared", "conflict", at)
    ((commit, said),) = publish_all([Job(folders[1], "ORG/shared", "hf_shared", "v2")])
    assert commit and any("A commit has happened since" in sentence for sentence in said)
    repository = hub.repositories["datasets", "ORG/shared"]
    wanted = local_files(folders[1], "ORG/shared", "v2") | {"NOTES": b"hi"}
    assert repository.commits[repository.branches["main"]] == wanted
    assert len(repository.moves) == len(published[0].moves) + 2


def test_a_rerun_sends_nothing(hub, folders, published, publish_all):
    hub.sessions["hf_rerun"] = session = server.Session()
    (commit, said), = publish_all([Job(folders[1], "ORG/base", "hf_rerun", "v2")])  # fmt: skip
    assert commit == published[1][1]
    assert said == ["v2 holds this release already."]
    assert session.sent == [] and not any("/commit/" in r for r in session.requests)


def test_bytes_that_arrive_wrong_do_not_reach_main(hub, folders, publish_all, monkeypatch):
    """The Hub stores other bytes than were sent: main stays, the message names a file."""
    receive = server.Repository.commit

    def corrupt(self, branch, files, message):
        spoilt = {p: b"?" if p.endswith(".parquet") else data for p, data in files.items()}
        return receive(self, branch, spoilt if branch != "main" else files, message)

    monkeypatch.setattr(server.Repository, "commit", corrupt)
    ((commit, said),) = publish_all([Job(folders[0], "ORG/spoilt")])
    assert commit is None
    assert "13 files are not what was sent, the first is multimodal/train-00000" in said[-1]
    repository = hub.repositories["datasets", "ORG/spoilt"]
    assert [repository.commits[key] for key in repository.moves] == [server.INITIAL]


def test_refusals_say_what_to_do(hub, folders, published, publish_all, tmp_path):
    old, new = folders
    hub.sessions["hf_guest"] = server.Session(("GUEST",))
    hub.repositories["datasets", "ORG/open"] = server.new_repository()
    space = tmp_path / "space"
    space.mkdir()
    (space / "README.md").write_text("---\nsdk: static\n---\n")
    cases = {
        "There is no token for the Hub": Job(old, "ORG/x", None),
        "does not know the token": Job(old, "ORG/x", "hf_unknown"),
        "may not write to ORG/x": Job(old, "ORG/x", "hf_guest"),
        "may not write to ORG/base": Job(new, "ORG/base", "hf_guest"),
        "Give ORG/NAME": Job(old, "just-a-name"),
        "ORG/open is there already, and public": Job(old, "ORG/open", private=True),
        "The tag v1 is there already": Job(new, "ORG/base", tag="v1"),
    }
    for (message, job), (commit, said) in zip(
        cases.items(), publish_all(cases.values()), strict=True
    ):
        assert commit is None and message in said[-1], (job, said)
    assert ("datasets", "ORG/x") not in hub.repositories
    assert len(hub.repositories["datasets", "ORG/open"].moves) == 1
    ((commit, said),) = publish_all([Job(old, "ORG/x")], HF_HUB_OFFLINE="1")
    assert commit is None and "Unset it" in said[-1]


def test_private_repositories_are_made_private(hub, folders, publish_all):
    ((commit, said),) = publish_all([Job(folders[0], "ORG/secret", private=True)])
    assert commit, said
    assert hub.repositories["datasets", "ORG/secret"].private


READ = """
import json, sys
import datasets, evaluate
import numpy as np
import dambench_hub as db

stream = datasets.load_dataset("ORG/base", "multimodal", split="test", streaming=True)
rows = list(stream.with_format("numpy"))
plain = datasets.load_dataset("ORG/base", "unimodal", split="test", revision="v1")
new, old = db.load_data("ORG/base"), db.load_data("ORG/base", revision="v1", full=True)
np.savez(
    sys.argv[1],
    streamed=np.stack([row["reference"] for row in rows]),
    loaded=plain.with_format("numpy")["reference"][:],
    new=new.reference("test", 0),
    old=old.reference("test", 0),
)
metric = evaluate.load("ORG/dambench_metrics")
zero = np.zeros((2, 1, 33, 64), "float32")
scores = metric.compute(predictions=zero + 2, references=zero)
print(json.dumps([new.manifest.revision, old.manifest.revision, scores["rmse"]]))
"""


def test_it_is_read_back_over_http(hub, folders, published, publish_all, tmp_path):
    """With the stock `load_dataset` and `evaluate`, and with `load_data`; a tag reads the old."""
    ((commit, said),) = publish_all([Job(METRIC, "ORG/dambench_metrics")])
    assert commit, said
    assert hub.repositories["spaces", "ORG/dambench_metrics"].sdk == "gradio"
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "read.npz")],
        env={
            **os.environ,
            **server.environment(hub, tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    old, new = (load_data(folder) for folder in folders)
    printed = json.loads(done.stdout.splitlines()[-1])
    assert printed == [new.revision, old.revision, {"c0": 2.0}]
    read = np.load(tmp_path / "read.npz")
    references = [np.stack([d.reference("test", n) for n in range(5)]) for d in (new, old)]
    np.testing.assert_array_equal(read["streamed"], references[0])
    np.testing.assert_array_equal(read["loaded"], references[1])
    np.testing.assert_array_equal(read["new"], references[0][0])
    np.testing.assert_array_equal(read["old"], references[1][0])


LOAD = """
import runpy, sys

import numpy as np
import dambench_hub as db
from dambench_hub.models import ConvCNP, load_method

batch = next(db.load_data(sys.argv[1]).batches("unimodal", batch_size=2))
loaded = ConvCNP.from_pretrained("ORG/cnp"), load_method("ORG/cnp"), ConvCNP.from_pretrained(
    "ORG/cnp", revision="v1"
)
np.savez(sys.argv[2], *(model.assimilate(batch).mean.numpy() for model in loaded))
predict = runpy.run_path(sys.argv[3])["main"]
options = ["--data", sys.argv[1], "--task", "unimodal", "--batch-size", "2"]
assert predict(["ORG/cnp", "--revision", "v1", *options]) == 0
assert predict(["ORG/cnp", "--revision", "v2", *options, "--out", "v2.nc"]) == 1
"""


def test_a_published_model_gives_the_same_analyses(
    hub, tiny_folder, tiny_data, publish_all, tmp_path
):
    """Weights, card, record and scores arrive; all that takes a Hub id reads them."""
    from dambench_hub.models.card import Scored, write_model_card
    from dambench_hub.models.conv_cnp import ConvCNP

    settings = {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3}
    model = ConvCNP(channels=tiny_data.channels, grid=str(tiny_data.grid), **settings)
    folder = tmp_path / "runs" / "cnp" / "best"
    model.set_statistics(tiny_data.statistics).save_pretrained(folder)
    (folder.parent / "config.yaml").write_text("method: conv_cnp\n")
    scores = {
        "skill": 30.0,
        "mse": 0.5,
        "mae": 0.5,
        "specdiv": 0.1,
        "rmse": dict.fromkeys(model.channels, 1.0),
    }
    scored = Scored("unimodal", tiny_data.revision, "2", scores)
    write_model_card(folder, scores=[scored], dataset_id="ORG/dambench")
    ((commit, said),) = publish_all([Job(folder, "ORG/cnp", tag="v1")])
    assert commit, said
    files = hub.repositories["models", "ORG/cnp"].commits[commit]
    local = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert set(local) == {
        "config.json",
        "model.safetensors",
        "README.md",
        "training.yaml",
        ".eval_results/dambench.yaml",
    }
    local["README.md"] = local["README.md"].replace(str(folder).encode(), b"ORG/cnp")
    assert files == server.INITIAL | local
    assert b'from_pretrained("ORG/cnp")' in files["README.md"]
    script = ROOT / "baselines" / "predict.py"
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tiny_folder, tmp_path / "x.npz", script],
        env={**os.environ, **server.environment(hub, tmp_path / "home", None)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    batch = next(tiny_data.batches("unimodal", batch_size=2))
    wanted = model.eval().assimilate(batch).mean.numpy()
    analyses = np.load(tmp_path / "x.npz")
    assert len(analyses.files) == 3
    with open_prediction(tmp_path / "cnp.nc") as prediction:
        assert prediction.header.attributes["model_name"] == "cnp"
        np.testing.assert_array_equal(np.stack([prediction[0], prediction[1]]), wanted)
    assert not (tmp_path / "v2.nc").exists() and "ORG/cnp is neither" in done.stderr
    for name in analyses.files:
        np.testing.assert_array_equal(analyses[name], wanted)


def test_the_plan_lists_files_bytes_and_commits(folders):
    release = collect(folders[0], "ORG/NAME", tag="v1")
    text = describe(release, "ORG/NAME", "v1")
    for file in release.all_files:
        assert f"{file.path}  {file.size:,} bytes" in text
    assert f"{len(release.all_files)} files, {sum(f.size for f in release.all_files):,}" in text
    assert "1. 13 shards to the branch staging-" in text
    assert "2. one commit to main" in text and "3. the tag v1" in text
