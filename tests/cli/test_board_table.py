"""A leaderboard on a terminal: what is not told apart is joined, and every column is explained."""

import pytest
from rich.console import Console

from dambench_hub.cli import board_table as module
from dambench_hub.cli.board_table import LINE, board_table
from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.ranking import Entry, Ranking


def printed(ranking, width=160):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(board_table(ranking, width))
    return console.export_text()


def test_lines_join_what_is_not_told_apart(make_ranking):
    text = printed(make_ranking({"a": 50.0, "b": 49.99, "c": 10.0}))
    rows = {line.split()[1]: line for line in text.splitlines() if line[:2].strip().isdigit()}
    assert LINE["first"] in rows["a"] and LINE["last"] in rows["b"]
    assert not set(LINE.values()) & set(rows["c"].replace(" ", ""))
    assert "1–2" in rows["a"] and "50.00" in rows["a"] and " to " in rows["a"]
    assert "lines join methods" in text and "seeds" not in text


def test_chance_of_training_is_said_where_it_is_known(make_ranking):
    text = " ".join(printed(make_ranking({"a-0": 50.0, "a-1": 48.0})).split())
    assert "of training (seeds differ by 1.4 points)" in text


def test_without_intervals_the_reason_stands_below(make_ranking):
    text = printed(make_ranking({"a": 50.0}, hours=tuple(range(120))))
    assert "There are no intervals" in text and "95 %" not in text


@pytest.mark.parametrize("width", [80, 120, 160])
def test_no_row_is_wider_than_the_terminal_or_folded(make_ranking, width):
    text = printed(make_ranking({"optimal_interpolation": 50.0, "background": 0.0}), width)
    assert max(map(len, text.splitlines())) <= width
    if width > 100:
        assert "optimal_interpolation" in text


def test_lines_that_need_too_much_room_are_left_out(make_ranking, monkeypatch):
    ranking = make_ranking({f"m{n}": 50 - 0.15 * n for n in range(30)})
    groups = [group for group in ranking.standings.groups if len(group) > 1]
    crowd = max(sum(row in group for group in groups) for row in range(30))
    for most, drawn in ((crowd, True), (crowd - 1, False)):
        monkeypatch.setattr(module, "MOST_LANES", most)
        text = printed(ranking)
        assert ("│" in text, "lines join" in text) == (drawn, drawn)
        assert "ranks" in text


@pytest.mark.parametrize("width", [80, 160])
def test_errors_at_stations_stand_first_with_their_interval(make_result, width):
    ends = {"rmse_low": {"t2m": 1.25}, "rmse_high": {"t2m": 2.5}}
    scores = {"rmse": {"t2m": 1.5}, **ends, "skill": 20.0, "station_rmse": 1.5}
    result = make_result(task="synop", main_score=1.5, scores=scores, sample_mse=())
    entry = Entry(1, "mine", "2026-01-01", result, "id", local_person())
    text = printed(Ranking("synop", "r1", (entry,), 0), width)
    (row,) = (line.split() for line in text.splitlines() if "mine" in line)
    assert row == ["1", "mine", "1.500", "1.250", "to", "2.500", "20.00"]
    assert "RMSE at stations" in text and "bootstrap over stations" in " ".join(text.split())
    assert "days" not in text and max(map(len, text.splitlines())) <= width
