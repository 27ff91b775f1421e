"""The worker scores at stations: it keeps the errors there, and removes them with the result."""

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.testing import write_tiny_dataset

EVE = Person("hf:6", "eve")


@pytest.fixture
def site(tmp_path):
    write_tiny_dataset(
        tmp_path / "data",
        channels=("t2m",),
        modalities=(),
        times={"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)},
        observations=ObservationSettings(),
        reports_window=Window(-3, 0),
        reference_is_reports=True,
    )
    site = Site.open(tmp_path / "data", f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    yield site
    site.store.close()


def test_errors_at_stations_are_kept_as_long_as_the_submission(site):
    analyses = (Analysis(b.background, time=b.time) for b in site.data.batches("synop"))
    path = site.inbox / "a.nc"
    write_predictions(path, analyses, task="synop", data=site.data, model_name="m")
    one = site.submissions.receive(EVE, "m", "synop", file=path.name, bytes=1, sha256="a")
    worker = Worker(site, opener=open_prediction)
    assert worker.step() and site.submissions.get(one.id).state == "published"
    kept = DiagnosticsFiles(site.diagnostics).read_stations(one.id)
    np.testing.assert_array_equal(kept.analysis, kept.background)
    assert {"stations", "rmse_low", "station_rmse"} <= site.store.result(one.id).scores.keys()
    worker.sweep()
    assert [*site.diagnostics.iterdir()]
    site.submissions.withdraw(one.id, EVE, "for the test")
    worker.sweep()
    assert not [*site.diagnostics.iterdir()]
