"""The pages of real stations in a browser, from the scorer's own files."""

import shutil

import pytest

from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site

PATIENCE = 60_000
PAGES = ["/?task=synop", "/?task=synop&view=surface", "/curves", "/about", "/submit?task=synop"]


@pytest.fixture
def board(tmp_path, stations_folder, predict_stations):
    """A folder with a board of two submissions, and their ids."""
    site = Site.open(stations_folder, f"sqlite:///{tmp_path}/store.db", tmp_path / "site")
    ids = []
    for name, shift in (("as forecast", 0.0), ("warmer", 5.0)):
        shutil.copy(predict_stations(shift), site.inbox / f"{shift}.nc")
        person = Person(f"hf:{shift}", "ada")
        file = {"file": f"{shift}.nc", "bytes": 1, "sha256": name}
        ids.append(site.submissions.receive(person, name, "synop", **file).id)
    Worker(site).run(once=True)
    site.store.close()
    return tmp_path, ids


def test_each_page_shows_stations_without_an_error(chromium, start, board, stations_folder):
    folder, ids = board
    wrong = []
    with start(folder, stations_folder, "--role", "front", "--dev-user", "ada") as address:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        for path in [*PAGES, f"/submission?id={ids[0]}", f"/compare?task=synop&of={','.join(ids)}"]:
            page.goto(address + path)
            page.wait_for_selector("h1")
            page.wait_for_function("!document.querySelector('.waiting')")
            assert "days" not in page.inner_text("body")
        assert page.locator(".stations").count() == 2
        dots = page.locator(".stations circle")
        assert dots.count() == 8 and dots.first.locator("title").text_content().endswith(" K")
        assert "is better than" in page.inner_text("body") or "told apart" in page.inner_text(
            "body"
        )
        page.close()
    assert not wrong
