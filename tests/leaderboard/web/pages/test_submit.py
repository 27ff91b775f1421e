"""Handing in with a real browser: hints before anything is sent, then a rank or problems."""

import shutil

import h5py
import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.predictions.writer import write_predictions

PATIENCE = 90_000
"""Milliseconds that a step may take on a busy machine."""


@pytest.fixture
def page(own_board, chromium):
    """The page, of which every request stays on this machine and every message is noted."""
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.noted, page.sent = [], []
    page.on("console", lambda m: page.noted.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.noted.append(str(error)))
    page.on("dialog", lambda dialog: page.noted.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: page.sent.append(request.url))
    page.goto(f"{own_board}/submit")
    page.get_by_text("Choose a prediction file").wait_for()
    yield page
    assert not page.noted
    assert all(url.startswith((own_board, "data:", "blob:")) for url in page.sent)
    page.close()


def write(path, data, share):
    """A prediction between background and reference."""
    analyses = (
        Analysis((share * b.reference + (1 - share) * b.background).astype("f4"))
        for b in data.batches("unimodal")
    )
    write_predictions(path, analyses, task="unimodal", data=data, model_name="test")
    return path


def choose(page, path):
    page.locator("#prediction-file").set_input_files(path)


def hints(page):
    return page.locator("#prediction-hints")


def hand_in(page, path, name):
    choose(page, path)
    hints(page).get_by_text("is here").wait_for()
    page.get_by_text("Nothing is wrong with its header").wait_for()
    page.get_by_label("Name on the board").fill(name)
    page.get_by_role("button", name="Hand in").click()


def newest(page):
    return page.locator("#newest .told")


def test_a_good_file_is_received_scored_and_ranked(page, tiny_data, tmp_path):
    hand_in(page, write(tmp_path / "good.nc", tiny_data, 0.5), "mine & =1+1 'x'")
    newest(page).get_by_text("is on the board with rank").wait_for()
    assert "mine & =1+1 'x'" in newest(page).inner_text()
    own = page.get_by_label("Your submissions")
    assert "published" in own.inner_text()
    assert (
        own.get_by_role("link", name="mine & =1+1 'x'")
        .get_attribute("href")
        .startswith("./submission?id=")
    )


def test_task_and_name_come_from_the_file(page, tiny_data, tmp_path):
    assert page.get_by_label("multimodal", exact=True).is_checked()
    choose(page, write(tmp_path / "good.nc", tiny_data, 0.6))
    page.get_by_text("The file is for the task unimodal").wait_for()
    assert page.get_by_label("Name on the board").input_value() == "test"
    assert page.get_by_label("unimodal", exact=True).is_checked() and "task=unimodal" in page.url
    page.get_by_text("As unimodal").or_(page.get_by_text('load_task("unimodal")')).first.wait_for()


def test_all_problems_of_a_bad_file_are_listed_before_it_is_queued(page, tiny_data, tmp_path):
    path = write(tmp_path / "bad.nc", tiny_data, 0.3)
    with h5py.File(path, "a") as file:
        file["latitude"][:] = file["latitude"][:][::-1]
        file.attrs["dataset_revision"] = "older"
        file["time"][0] -= 1
    choose(page, path)
    listed = page.locator("#looked li")
    listed.first.wait_for()
    problems = listed.all_inner_texts()
    assert len(problems) >= 3
    for word in ("latitude", "revision", "times are missing"):
        assert any(word in problem for problem in problems), problems
    assert not any(str(tmp_path.parent) in problem or "/tmp" in problem for problem in problems)
    page.get_by_role("button", name="Hand in").click()
    page.locator("#said li").first.wait_for()
    assert page.locator("#said li").all_inner_texts() == problems
    assert not newest(page).get_by_text("bad").count()


WRONG = {
    "archive.npz": (b"PK\x03\x04" + b"x" * 50, "wanted .nc"),
    "renamed.nc": (b"PK\x03\x04" + b"x" * 50, "zip archive"),
    "classic.nc": (b"CDF\x01" + b"x" * 50, "NetCDF-3"),
    "pickle.h5": (b"\x80\x04" + b"x" * 50, "pickle"),
    "noise.nc": (b"noise" * 20, "does not begin as"),
    "noise.safetensors": (b"noise" * 20, "does not begin as"),
    "empty.nc": (b"", "empty"),
    "<img src=x onerror=alert(1)>.nc": (b"x" * 50, "does not begin as"),
}


def test_hints_come_before_anything_is_sent(page, tmp_path):
    for name, (content, words) in WRONG.items():
        (tmp_path / name).write_bytes(content)
        choose(page, tmp_path / name)
        hints(page).get_by_text(words).last.wait_for()
        assert name in hints(page).inner_text()
    (tmp_path / "large.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(6_000_000))
    choose(page, tmp_path / "large.nc")
    hints(page).get_by_text("at most").wait_for()
    assert not any("upload" in url for url in page.sent)


def test_what_must_be_mended_is_told_and_the_file_stays(page, tiny_data, tmp_path):
    hand_in(page, write(tmp_path / "named.nc", tiny_data, 0.2), "<b>bold</b>")
    page.get_by_role("alert").get_by_text("cannot stand in a name").wait_for()
    assert page.locator("b", has_text="bold").count() == 0
    page.get_by_label("Name on the board").fill("plain")
    page.get_by_role("button", name="Hand in").click()
    newest(page).get_by_text("plain").wait_for()
    newest(page).get_by_text("is on the board").wait_for()


def test_a_private_result_is_published_and_withdrawn_by_its_owner(page, tiny_data, tmp_path):
    page.get_by_label("Show it on the board").uncheck()
    hand_in(page, write(tmp_path / "private.nc", tiny_data, 0.4), "secret so far")
    newest(page).get_by_text("you alone see it").wait_for()
    row = page.get_by_label("Your submissions").get_by_role("row", name="secret so far")
    row.get_by_text("would be").wait_for()
    row.get_by_role("button", name="Publish").click()
    row.get_by_text("published").wait_for()
    row.get_by_text("Withdraw", exact=True).click()
    row.get_by_label("Why, for the record").fill("a better one comes")
    row.get_by_role("button", name="Withdraw it").click()
    row.get_by_text("withdrawn").wait_for()


def test_a_file_without_a_ticket_is_not_handed_in(page):
    page.get_by_label("Name on the board").fill("nothing")
    page.get_by_role("button", name="Hand in").click()
    page.get_by_role("alert").get_by_text("Choose a file first").wait_for()


def test_everything_is_reached_by_keyboard_and_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#prediction-file").focus()
    assert page.evaluate("document.activeElement.id") == "prediction-file"
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Hand in"


def test_the_template_is_a_prediction_file(page, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("link", name="Template").click()
    shutil.copy(download.value.path(), tmp_path / "template.nc")
    with h5py.File(tmp_path / "template.nc") as file:
        assert file["analysis"].shape[0] == 1
        assert np.isfinite(file["analysis"][:]).all()
