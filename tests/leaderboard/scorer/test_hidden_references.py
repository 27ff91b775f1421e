"""Private references: they belong to one public data set, and change nothing else of it."""

import pickle

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DataError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.scorer.hidden_references import HiddenReferences
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.testing import tiny_plan, write_tiny_dataset


def test_only_the_references_differ(hidden):
    public, private = hidden
    both = pickle.loads(pickle.dumps(HiddenReferences(public, private)))
    assert both.revision == public.revision != private.revision
    for split in ("train", "test"):
        np.testing.assert_array_equal(both.reference(split, 1), private.reference(split, 1))
        np.testing.assert_array_equal(both.background(split, 1), public.background(split, 1))
    assert not np.array_equal(both.reference("test", 1), public.reference("test", 1))
    given = next(both.batches("multimodal"))
    np.testing.assert_array_equal(given.reference[0], public.reference("test", 0))


def test_a_private_data_set_may_hold_the_hidden_split_alone_beside_the_training(hidden, tmp_path):
    public, _ = hidden
    source = {**tiny_plan().source, "public_revision": public.revision}
    times = {name: times for name, times in tiny_plan().times.items() if name != "validation"}
    write_tiny_dataset(tmp_path / "less", source=source, times=times)
    both = HiddenReferences(public, load_data(tmp_path / "less"))
    np.testing.assert_array_equal(
        both.reference("validation", 1), public.reference("validation", 1)
    )


def test_references_of_another_data_set_are_refused(hidden, tiny_data):
    public, _ = hidden
    with pytest.raises(DataError, match=f"belong to revision None .* is {public.revision}"):
        HiddenReferences(public, tiny_data)


def test_references_at_other_times_are_refused(hidden, tmp_path):
    public, _ = hidden
    source = {**tiny_plan().source, "public_revision": public.revision}
    times = {name: times[1:] for name, times in tiny_plan().times.items()}
    write_tiny_dataset(tmp_path / "other", source=source, times=times)
    with pytest.raises(DataError, match="other times"):
        HiddenReferences(public, load_data(tmp_path / "other"))


def test_private_references_score_and_show_no_map(hidden, tmp_path):
    public, private = hidden
    site = Site.open(public.folder, f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    path = site.inbox / "x.nc"
    write_predictions(
        path,
        (Analysis(batch.background) for batch in public.batches("multimodal")),
        task="multimodal",
        data=public,
        model_name="m",
    )
    anne, size = Person("hf:1", "anne"), path.stat().st_size
    id = site.submissions.receive(
        anne, "m", "multimodal", file=path.name, bytes=size, sha256="0"
    ).id
    Worker(site, private=private).step()
    result = site.store.result(id)
    wanted = private.background("test", 0).astype(float) - private.reference("test", 0)
    scaled = wanted / private.statistics.std[:, None, None]
    assert result.sample_mse[0] == pytest.approx(np.mean(scaled**2), rel=0.25)  # told coarsely
    assert result.dataset_revision == public.revision
    assert not Diagnostics.read(site.diagnostics / f"{id}.safetensors").has_maps
    secret = private.reference("test", 2)[0, 4].tobytes()
    error = (private.background("test", 2) - private.reference("test", 2))[0, 4].tobytes()
    for path in (*site.folder.rglob("*"), *tmp_path.glob("board.db*")):
        if path.is_file():
            assert secret not in path.read_bytes()
            assert error not in path.read_bytes()


def test_what_stations_measured_cannot_be_private(tmp_path):
    stations = {
        "channels": ("t2m",),
        "modalities": (),
        "times": {"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)},
        "observations": ObservationSettings(),
        "reports_window": Window(-3, 0),
        "reference_is_reports": True,
    }
    write_tiny_dataset(tmp_path / "public", **stations)
    public = load_data(tmp_path / "public")
    source = {**tiny_plan().source, "public_revision": public.revision}
    write_tiny_dataset(tmp_path / "private", **stations, source=source)
    with pytest.raises(DataError, match="cannot be kept private.*without --private"):
        HiddenReferences(public, load_data(tmp_path / "private"))
