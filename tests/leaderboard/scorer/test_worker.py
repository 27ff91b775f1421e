"""The worker: every upload is judged once, whatever happens to who judges it."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import IsolationError, PredictionError
from dambench_hub.leaderboard.scorer import lease, worker
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.backup import restore
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.submissions.lifecycle import Person, State, Submissions
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.web.measures import scored
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import validate
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.runtime.files import sha256
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.evaluation import score
from dambench_hub.scoring.overall_scores import overall_scores

ANNE, BOB = Person("hf:1", "anne"), Person("hf:2", "bob")
PlainWorker = partial(Worker, opener=open_prediction)
"""Reads in its own process, which is quicker; the sandbox has tests of its own."""


def open_site(folder, data, **limits):
    """A site whose leases end soon."""
    limits = {"lease_seconds": 0.0, "open_jobs": 50, "scored_per_day": 50, **limits}
    url = f"sqlite:///{folder}/board.db"
    return Site.open(data.folder, url, folder / "board", limits=Limits(**limits))


@pytest.fixture
def site(tiny_data, tmp_path):
    site = open_site(tmp_path, tiny_data, lease_seconds=60.0)
    yield site
    site.store.close()


def write(path, data, share=0.5, task="multimodal"):
    """Predictions that keep this share of the background's error."""
    analyses = (
        Analysis(b.reference + np.float32(share) * (b.background - b.reference))
        for b in data.batches(task)
    )
    write_predictions(path, analyses, task=task, data=data, model_name="m")
    return path


@pytest.fixture(scope="module")
def prediction(tiny_data, tmp_path_factory):
    return write(tmp_path_factory.mktemp("worker") / "mine.nc", tiny_data)


def hand_in(site, path, owner=ANNE, **options):
    """What the submit page does."""
    file = f"{os.urandom(16).hex()}{path.suffix}"
    shutil.copy(path, site.inbox / file)
    size, digest = path.stat().st_size, sha256(path)
    task = options.pop("task", "multimodal")
    return site.submissions.receive(
        owner, f"that of {owner.id}", task, file=file, bytes=size, sha256=digest, **options
    ).id


def spoil(path, out, **attributes):
    """A copy with other attributes and a missing value."""
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        copy = dataset.load().assign_attrs(**attributes)
    copy.analysis[3, 1, 2, 2] = np.nan
    copy.to_netcdf(out, engine="h5netcdf")
    return out


def test_a_good_file_is_published_with_the_scores_of_the_command_line(site, prediction, tiny_data):
    id = hand_in(site, prediction)
    assert Worker(site).step()
    assert site.submissions.get(id).state is State.PUBLISHED
    wanted, found = score(prediction, tiny_data), site.store.result(id)
    assert (found.value_hash, found.scores) == (wanted.value_hash, wanted.scores)
    assert site.store.ranking("multimodal").entries[0].submission == id
    views = Diagnostics.read(site.diagnostics / f"{id}.safetensors")
    assert (views.submission, views.value_hash) == (id, wanted.value_hash)
    assert not PlainWorker(site).step()


def test_a_predicted_std_is_scored_and_shown(site, tiny_data, tmp_path):
    std = tiny_data.statistics.background_error_std.astype("f4")[:, None, None]
    analyses = (
        Analysis(batch.background, np.ones_like(batch.background) * std)
        for batch in tiny_data.batches("multimodal")
    )
    path = tmp_path / "x.nc"
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="m")
    id = hand_in(site, path)
    assert Worker(site).step()
    found = site.store.result(id)
    wanted = score(path, tiny_data)
    assert (found.value_hash, found.scores["crps"]) == (wanted.value_hash, wanted.scores["crps"])
    (entry,) = site.store.ranking("multimodal").entries
    assert overall_scores(entry.result.scores, site.std)["crps"] > 0
    assert "crps" in scored([entry.result]) and "spread_skill" not in scored([entry.result])


def test_it_stays_private_when_the_owner_wants(site, prediction):
    id = hand_in(site, prediction, publish=False)
    PlainWorker(site).step()
    assert site.submissions.get(id).state is State.PRIVATE
    assert not site.store.ranking("multimodal").entries


def test_the_reference_itself_is_held(site, tiny_data, tmp_path):
    id = hand_in(site, write(tmp_path / "x.nc", tiny_data, share=0.0))
    PlainWorker(site).step()
    assert site.submissions.get(id).state is State.HELD


@pytest.mark.parametrize("kind", [Worker, PlainWorker], ids=["sandboxed", "plain"])
def test_a_bad_file_is_rejected_with_every_problem_at_once(
    kind, site, prediction, tiny_data, tmp_path
):
    path = spoil(prediction, tmp_path / "bad.nc", dataset_revision="old")
    id = hand_in(site, path)
    kind(site).step()
    submission = site.submissions.get(id)
    assert submission.state is State.REJECTED
    assert list(submission.problems) == validate(path, tiny_data, "multimodal")
    assert len(submission.problems) == 2
    assert not any(str(site.folder) in problem for problem in submission.problems)
    assert not any(site.inbox.iterdir())
    assert not (site.diagnostics / f"{id}.safetensors").exists()


def test_a_file_for_another_task_is_rejected(site, prediction):
    id = hand_in(site, prediction, task="unimodal")
    PlainWorker(site).step()
    submission = site.submissions.get(id)
    assert submission.state is State.REJECTED
    assert "for the task 'multimodal'" in submission.problems[0]


def test_an_error_of_ours_shows_an_incident_and_nothing_else(site, prediction, caplog, monkeypatch):
    id = hand_in(site, prediction)
    monkeypatch.setattr(worker, "score", lambda *_: 1 / 0)
    PlainWorker(site).step()
    submission = site.submissions.get(id)
    assert submission.state is State.FAILED
    incident = submission.reason.rpartition(" ")[2]
    assert len(incident) == 12
    assert "division" not in submission.reason
    logged = next(record for record in caplog.records if incident in record.getMessage())
    assert logged.exc_info[0] is ZeroDivisionError


def test_a_right_file_that_could_not_be_read_is_no_fault_of_the_owner(site, prediction):
    """Reading fails the first time only, so the check finds no problem."""
    failures = iter([True])

    def open_sometimes(path):
        if next(failures, False):
            raise PredictionError("disturbed")
        return open_prediction(path)

    id = hand_in(site, prediction)
    Worker(site, opener=open_sometimes).step()
    assert site.submissions.get(id).state is State.FAILED


def test_a_machine_that_cannot_isolate_gives_the_submission_back(site, prediction):
    def refuse(path):
        raise IsolationError("no sandbox")

    id = hand_in(site, prediction)
    with pytest.raises(IsolationError):
        Worker(site, opener=refuse).step()
    assert site.submissions.get(id).state is State.RECEIVED
    assert site.submissions.claim("another").id == id


def test_who_loses_the_lease_stops_and_leaves_no_result(site, prediction, monkeypatch):
    def slow(path):
        time.sleep(3 * lease.BEAT_SECONDS)
        return open_prediction(path)

    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(type(site.submissions), "beat", lambda *_: False)
    id = hand_in(site, prediction)
    assert Worker(site, opener=slow).step()
    assert site.submissions.get(id).state is State.RECEIVED
    assert site.store.result(id) is None
    assert not (site.diagnostics / f"{id}.safetensors").exists()


def test_told_to_end_it_gives_the_submission_back(site, prediction):
    calls = iter([False, False, True])
    id = hand_in(site, prediction)
    assert PlainWorker(site, stopping=lambda: next(calls)).step()
    assert site.submissions.get(id).state is State.RECEIVED
    assert PlainWorker(site).step()
    assert site.submissions.get(id).state is State.PUBLISHED


def test_a_withdrawn_submission_is_left(site, prediction):
    """The owner withdraws while it is being scored."""
    id = hand_in(site, prediction)

    def open_after_withdrawal(path):
        site.submissions.withdraw(id, ANNE, "a mistake")
        return open_prediction(path)

    assert Worker(site, opener=open_after_withdrawal).step()
    assert site.submissions.get(id).state is State.WITHDRAWN
    assert site.store.result(id) is None


def test_progress_ascends_and_is_seen(site, prediction, monkeypatch):
    seen = []

    def slow(path):
        opened = open_prediction(path)
        rows = opened.rows

        def later(index):
            time.sleep(0.1)
            seen.append(site.submissions.get(id).progress)
            return rows(index)

        opened.rows = later
        return opened

    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    id = hand_in(site, prediction)
    Worker(site, opener=slow).step()
    assert seen == sorted(seen)
    assert 0 <= seen[0] < seen[-1] <= 1
    assert site.submissions.get(id).progress is None


def test_the_same_values_get_the_same_bits_from_any_file(site, prediction, tiny_data, tmp_path):
    with xr.open_dataset(prediction, engine="h5netcdf") as dataset:
        copy = dataset.load().drop_encoding()
    chunked = {"analysis": {"chunksizes": (2, 3, 9, 5), "zlib": True, "shuffle": True}}
    copy.to_netcdf(tmp_path / "chunked.nc", engine="h5netcdf", encoding=chunked)
    copy.to_netcdf(tmp_path / "plain.nc", engine="netcdf4")
    write(tmp_path / "x.safetensors", tiny_data)
    files = [tmp_path / "chunked.nc", tmp_path / "plain.nc", tmp_path / "x.safetensors", prediction]
    owners = [Person(f"hf:{number}", "same") for number in range(len(files))]
    ids = [hand_in(site, path, owner) for path, owner in zip(files, owners, strict=True)]
    Worker(site).run(once=True)
    results = [site.store.result(id) for id in ids]
    assert len({result.value_hash for result in results}) == 1
    assert all(result.scores == results[0].scores for result in results)
    assert all(result.sample_mse == results[0].sample_mse for result in results)
    views = [Diagnostics.read(site.diagnostics / f"{id}.safetensors") for id in ids]
    assert all((view.analysis.rms == views[0].analysis.rms).all() for view in views)


KILL_POINTS = ("claim", "read", "write", "finish", "after")


def work_and_die(folder, data_folder, point):
    """A worker that is killed at a point of its work."""

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    site = open_site(folder, load_data(data_folder))
    if point == "read":
        Worker(site, opener=die).step()
    elif point == "write":
        Diagnostics.write = die
    elif point == "after":
        finish = site.submissions.finish
        site.submissions.finish = lambda *arguments: (finish(*arguments), die())
    else:
        submissions = site.submissions
        claim = submissions.claim
        replaced = die if point == "finish" else lambda name: (claim(name), die())
        setattr(submissions, point, replaced)
    PlainWorker(site).step()


@pytest.mark.parametrize("point", KILL_POINTS)
def test_killed_anywhere_there_is_one_result(point, tiny_data, prediction, tmp_path):
    site = open_site(tmp_path, tiny_data)
    id = hand_in(site, prediction)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=work_and_die, args=(tmp_path, tiny_data.folder, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    PlainWorker(site).run(once=True)
    assert site.submissions.get(id).state is State.PUBLISHED
    assert len(site.store.ranking("multimodal").entries) == 1
    assert Diagnostics.read(site.diagnostics / f"{id}.safetensors").submission == id
    assert not list(site.diagnostics.glob(".*partial"))


def test_two_workers_judge_each_upload_once(site, tiny_data, tmp_path):
    shares = np.linspace(0.3, 0.9, 6)
    ids = [
        hand_in(site, write(tmp_path / f"{share:.2f}.nc", tiny_data, share), Person(f"hf:{n}", "x"))
        for n, share in enumerate(shares)
    ]
    workers = [PlainWorker(site) for _ in range(2)]
    threads = [threading.Thread(target=w.run, kwargs={"once": True}) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [site.submissions.get(id).state for id in ids] == [State.PUBLISHED] * len(ids)
    ranked = [entry.submission for entry in site.store.ranking("multimodal").entries]
    assert ranked == ids


def test_the_store_is_copied_at_the_start_and_every_hour(site, prediction, tmp_path):
    hand_in(site, prediction)
    PlainWorker(site).run(once=True)
    url = f"sqlite:///{tmp_path}/restored.db"
    restore(site.backups, url)
    assert len(Submissions(Store(url), site.limits).all()) == 1  # it was handed in before


def test_a_sweep_removes_what_nobody_needs(site, prediction, monkeypatch):
    kept = hand_in(site, prediction)
    withdrawn = hand_in(site, prediction, BOB)
    PlainWorker(site).run(once=True)
    site.submissions.withdraw(withdrawn, BOB, "a mistake")
    for name in ("orphan.nc", "young.nc"):
        (site.inbox / name).write_bytes(b"x")
    for path in site.inbox.iterdir():
        if path.name != "young.nc":
            os.utime(path, (0, 0))
    PlainWorker(site).sweep()
    files = {path.name for path in site.inbox.iterdir()}
    assert files == {"young.nc", site.submissions.get(kept).file}
    assert (site.diagnostics / f"{kept}.safetensors").exists()
    assert not (site.diagnostics / f"{withdrawn}.safetensors").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_uploads_are_kept_unless_said_otherwise(site, prediction, keep):
    id = hand_in(site, prediction)
    PlainWorker(site, keep_uploads=keep).step()
    assert (site.inbox / site.submissions.get(id).file).exists() is keep


def test_an_upload_that_is_held_is_kept_for_who_decides(site, tiny_data, tmp_path):
    id = hand_in(site, write(tmp_path / "x.nc", tiny_data, share=0.0))
    PlainWorker(site, keep_uploads=False).step()
    submission = site.submissions.get(id)
    assert submission.state is State.HELD
    assert (site.inbox / submission.file).exists()


def test_a_store_that_is_away_at_the_end_costs_no_submission(site, prediction, monkeypatch):
    def away(*arguments):
        raise StoreError("away")

    id = hand_in(site, prediction)
    with monkeypatch.context() as patch:
        patch.setattr(site.submissions, "finish", away)
        with pytest.raises(StoreError):
            PlainWorker(site).step()
    assert site.submissions.get(id).state is State.RECEIVED
    assert site.store.result(id) is None


def test_it_goes_on_when_the_store_is_away_for_a_while(site, prediction, monkeypatch):
    id, claim, calls = hand_in(site, prediction), site.submissions.claim, []

    def sometimes(name):
        calls.append(name)
        if len(calls) == 1:
            raise StoreError("away")
        return claim(name)

    monkeypatch.setattr(site.submissions, "claim", sometimes)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    PlainWorker(site, stopping=lambda: len(calls) > 2).run()
    assert site.submissions.get(id).state is State.PUBLISHED
    calls.clear()
    with pytest.raises(StoreError):
        PlainWorker(site).run(once=True)
