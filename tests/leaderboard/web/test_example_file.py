"""The templates: what cannot be made is told, and what went wrong is not."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dambench_hub.errors import PredictionError
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web import example_file


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device", "/secret"), PredictionError("/secret is full")]
)
def test_a_full_disk_is_told(tiny_folder, tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    app = FastAPI()
    site = Site.open(tiny_folder, f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    example_file.add_template(app, site)
    monkeypatch.setattr(example_file, "write_predictions", full)
    answer = TestClient(app).get("/template/unimodal.nc")
    assert answer.status_code == 507
    assert "write_predictions" in answer.json()["error"] and "secret" not in answer.text
