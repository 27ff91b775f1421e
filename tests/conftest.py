"""What all tests share: a tiny data set in each format, and no network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import socket
from pathlib import Path

import hub_server
import numpy as np
import pytest
from hypothesis import settings

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.ranking import Entry, Ranking
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import Result
from dambench_hub.testing import write_tiny_dataset

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any connection but to this machine is an error."""
    connect = socket.socket.connect

    def local_only(self, address):
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise OSError(f"tests must not use the network, tried {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A tiny synthetic data set in Parquet."""
    folder = tmp_path_factory.mktemp("tiny") / "dambench"
    write_tiny_dataset(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_data(tiny_folder):
    return load_data(tiny_folder)


@pytest.fixture(scope="session")
def stations_folder(tmp_path_factory) -> Path:
    """A tiny data set whose reference is reports of stations, of which some are withheld."""
    folder = tmp_path_factory.mktemp("stations") / "stations"
    write_tiny_dataset(
        folder,
        channels=("t2m",),
        modalities=(),
        times={"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)},
        observations=ObservationSettings(),
        reports_window=Window(-3, 0),
        reference_is_reports=True,
    )
    return folder


@pytest.fixture(scope="session")
def stations_data(stations_folder):
    return load_data(stations_folder)


@pytest.fixture
def predict_stations(tmp_path, stations_data):
    """`predict_stations(shift)` is the file of an analysis: the background plus a constant, K."""

    def write(shift=0.0):
        path = tmp_path / f"shift{shift}.nc"
        backgrounds = [stations_data.background("test", index) for index in range(3)]
        analysis = Analysis(np.stack(backgrounds) + np.float32(shift))
        write_predictions(path, [analysis], task="synop", data=stations_data, model_name="m")
        return path

    return write


@pytest.fixture(scope="module")
def hub():
    """A small Hugging Face Hub on this machine."""
    with hub_server.running_hub() as hub:
        yield hub


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def make_result():
    """Makes a result with an mse (skill is its negative) and a hash; other fields can be given."""

    def make(score=0.5, value_hash="a", **changes):
        values = {
            "task": "unimodal",
            "dataset": "tiny",
            "dataset_revision": "r1",
            "scorer_version": SCORER_VERSION,
            "value_hash": value_hash,
            "main_score": -score,
            "scores": {
                "skill": -score,
                "mse": score,
                "mae": 0.1,
                "specdiv": 0.2,
                "rmse": {"z500": 9.0, "t100": 1.0},
            },
            "sample_mse": (0.1, 0.2),
            "attributes": {"model_name": "m", "model_url": "https://example.org"},
        }
        return Result(**{**values, **changes})

    return make


@pytest.fixture
def make_ranking(make_result, rng):
    """`make_ranking({name: skill})` ranks methods of this machine on 120 days, 3 apart."""

    def make(skills, hours=tuple(72 * day for day in range(120))):
        entries = []
        for rank, (name, skill) in enumerate(skills.items(), 1):
            days = skill + rng.normal(size=120)
            days += skill - days.mean()
            scores = {"skill": skill, "mse": 1.0, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 9.0}}
            known = {"main_score": skill, "scores": scores, "hours": hours}
            result = make_result(value_hash=name, skill_by_day=tuple(days.tolist()), **known)
            entries.append(Entry(rank, name, "2026-01-01", result, f"id {name}", local_person()))
        return Ranking("unimodal", "r1", tuple(entries), 0)

    return make
