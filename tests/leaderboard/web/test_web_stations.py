"""The pages of a data set of reports: what they show is of stations, and nothing of fields."""

import re
from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.diagnostics_files import keep_diagnostics, score_with_diagnostics
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import AT_STATIONS
from dambench_hub.leaderboard.web.comparison import Comparison
from dambench_hub.leaderboard.web.drawing.station_panels import station_panels
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.about import about
from dambench_hub.leaderboard.web.pages.submission import (
    HIDDEN_REFERENCE,
    NO_STATIONS,
    render_panels,
    render_scores,
)
from dambench_hub.leaderboard.web.ranking_table import Board, table_views
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.scoring.evaluation import score

OF_FIELDS = ("SpecDiv", "days", "spectr", "levels", "density", "every day", "training")


@pytest.fixture
def site(stations_folder, predict_stations, tmp_path):
    """A board with the background and what is 5 K too warm."""
    site = Site.open(stations_folder, f"sqlite:///{tmp_path}/store.db", tmp_path / "site")
    for name, shift in (("background", 0.0), ("warm", 5.0)):
        result, gatherer = score_with_diagnostics(predict_stations(shift), site.data)
        site.store.add(result, name)
        entry = site.store.ranking("synop").entry(local_person(), name)
        keep_diagnostics(gatherer, result, entry, site.folder)
    return site


def receipt(site, name):
    entry = site.store.ranking("synop").entry(local_person(), name)
    return Receipt.of(site, entry.submission, local_person())


@pytest.mark.parametrize("view", ["overview", "surface"])
def test_each_row_of_the_board_has_a_cell_for_each_column(site, view):
    assert [name for _, name in table_views(site)] == ["overview", "surface"]
    board = Board(site, site.tasks["synop"], view)
    html = render("board", board=board)
    heads = len(re.findall(r"<th[^>]*data-column", html))
    rows = re.findall(r"<tr data-kind.*?</tr>", html, re.DOTALL)
    assert [len(re.findall(r"<t[dh]\b", row)) for row in rows] == [heads, heads]
    assert ".parquet" not in html and AT_STATIONS in html
    assert not any(word in html for word in OF_FIELDS)


def test_the_score_at_stations_stands_first_with_its_interval_and_the_skill(site):
    board = Board(site, site.tasks["synop"])
    names = [(column.name, column.units) for column in board.columns]
    assert names[2:5] == [("station_rmse", "K"), ("interval", "K"), ("skill", "%")]
    assert board.channels == [] and board.main_score == "RMSE at stations"
    scores = site.store.ranking("synop").entries[0].result.scores
    assert f"{scores['rmse_low']['t2m']:.4g}"[:4] in board.rows[0].cells[1]
    assert "strip" in board.rows[0].cells[1]


def test_a_receipt_says_how_sure_the_score_is(site):
    titles = [title for title, *_ in receipt(site, "warm").figures()]
    assert titles == ["RMSE at stations", "95 % interval", "skill"]
    values = [value for _, value, _ in receipt(site, "warm").figures()]
    assert all(value.endswith(" K") for value in values[:2]) and values[2].endswith(" %")


def test_a_submission_has_maps_of_its_stations(site):
    html = render_panels(site, receipt(site, "warm"), "")
    scores = site.store.ranking("synop").entry(local_person(), "warm").result.scores
    stations = scores["stations"]["t2m"]
    assert f"2 metre temperature, {stations} stations" in html
    assert html.count("<circle") == html.count("<title>") >= 2 * stations
    assert f"RMSE {scores['station_rmse']:.4g}"[:9] in html and "Mean error" in html
    for measure in ("rmse", "bias", "station_mae"):
        assert "near the surface" in render_scores(receipt(site, "warm"), "background", measure)


def test_without_its_file_a_submission_says_why_it_has_no_map(site):
    for path in site.diagnostics.iterdir():
        path.unlink()
    assert NO_STATIONS in render_panels(site, receipt(site, "warm"), "")
    hidden = receipt(site, "warm")
    del hidden.result.scores["stations"]
    assert HIDDEN_REFERENCE in render_panels(site, hidden, "")


def test_two_are_compared_at_the_same_stations(site):
    entries = site.store.ranking("synop").entries
    found = Comparison.of(site, "synop", [entry.submission for entry in entries])
    assert found.at_stations and found.channels == ["t2m"]
    one, other = (entry.result.main_score for entry in entries)
    (pair,) = found.pairs
    assert f"{other - one:.3g}"[:3] in pair.verdict and "same" in pair.verdict
    assert "bootstrap" in found.note and "days" not in found.note
    html = render("compare", comparison=found)
    assert "RMSE at stations, K" in html and not any(word in html for word in OF_FIELDS)
    for path in site.diagnostics.iterdir():
        path.unlink()
    lost = Comparison.of(site, "synop", [entry.submission for entry in entries])
    assert "not kept" in lost.pairs[0].verdict and lost.channels == []


def test_what_is_measured_is_said_of_stations(site):
    page = about(site, "http://localhost:7860")
    assert "bootstrap" in page and "100 km" in page and "RMSE at stations" in page
    for word in ("SpecDiv", "cosine", "blocks of", "CRPS"):
        assert word not in page


def test_hostile_names_of_stations_are_text(site, predict_stations):
    errors = score(predict_stations(1.0), site.data).station_errors
    hostile = np.full(len(errors.station), "<script>alert(1)</script>")
    html = station_panels((("the analysis", replace(errors, station=hostile)),), "t2m")
    assert "<script" not in html and "&lt;script" in html
