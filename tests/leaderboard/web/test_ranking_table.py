import re
import subprocess
import sys
import unicodedata
import uuid
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.leaderboard.accounts.person import Person, local_person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.exports import table_csv
from dambench_hub.leaderboard.store.rows import (
    Event,
    append_event,
    insert_result,
    insert_submission,
    stamp,
)
from dambench_hub.leaderboard.store.schema import State
from dambench_hub.leaderboard.web.comparison import MOST, Comparison, chosen
from dambench_hub.leaderboard.web.markup import SHADES, render, shaded
from dambench_hub.leaderboard.web.ranking_table import (
    OVERVIEW,
    Board,
    links,
    table_views,
    tasks_in_order,
)
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.leaderboard.web.scorecard import difference_cells, relative_cells, scorecards

ADA, BOB = Person("hf:1", "ada"), Person("hf:2", "bob")
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</script><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "{% raw %}",
    "=1+1",
]


class Elements(HTMLParser):
    """What a browser would make of a page that only text is strange in."""

    def __init__(self):
        super().__init__()
        self.strange = []

    @classmethod
    def of(cls, page):
        parser = cls()
        parser.feed(page)
        return parser

    def handle_starttag(self, tag, attributes):
        if tag in ("img", "svg", "script", "iframe", "object", "style"):
            self.strange.append(tag)
        self.strange += [name for name, _ in attributes if name.startswith("on")]
        self.strange += [v for n, v in attributes if n == "href" and not v.startswith(("./", "#"))]


@pytest.fixture
def site(tmp_path, tiny_folder):
    return Site.open(tiny_folder, f"sqlite:///{tmp_path}/store.db", tmp_path / "site")


@pytest.fixture
def hand_in(site, make_result):
    """`hand_in(name, score)` puts a scored submission into a state; its id."""

    def put(name, score=0.5, owner=ADA, state=State.PUBLISHED, rmse=1.0, more=(), **changes):
        channels = site.data.channels
        scores = {"skill": 100 * (1 - score), "mse": score, "mae": 0.1, "specdiv": 0.2}
        scores["rmse"] = dict.fromkeys(channels, rmse)
        scores |= {measure: dict.fromkeys(channels, value) for measure, value in more}
        key = uuid.uuid4().hex
        result = make_result(
            score=score,
            value_hash=key,
            scores=scores,
            sample_mse=(score,) * 5,
            **{"dataset_revision": site.data.revision} | changes,
        )
        known = {"id": key, "description": name, "file": "x.nc", "bytes": 1, "sha256": key}
        with site.store.transaction(write=True) as connection:
            at = site.store.now(connection)
            insert_submission(connection, owner, name, "unimodal", stamp(at), **known)
            insert_result(connection, key, owner.id, result, at)
            append_event(connection, key, at, Event(state, owner.id, reason=name))
        return key

    return put


def test_tables_and_receipts_load_nothing_that_draws():
    code = (
        "import sys; from dambench_hub.leaderboard.web import ranking_table, receipt; "
        "assert not {'matplotlib', 'rich', 'gradio', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def board(site, view=OVERVIEW, person=None, measure="rmse"):
    return Board(site, site.tasks["unimodal"], view, measure, person)


def test_each_row_has_a_cell_for_each_column(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    hand_in("mine", 0.5)
    for _, view in table_views(site):
        shown = board(site, view)
        html = render("board", board=shown)
        heads = len(re.findall(r"<th[^>]*data-column", html))
        rows = re.findall(r"<tr data-kind.*?</tr>", html, re.DOTALL)
        assert len(rows) == 2
        assert {len(re.findall(r"<t[dh]\b", row)) for row in rows} == {heads}


def test_skill_stands_first_in_percent(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    hand_in("mine", 0.25)
    first, second = board(site).rows
    assert first.name == "mine" and 'data-value="75.0"' in first.cells[0]
    assert second.kind == "baseline" and ">0.00<" in second.cells[0]


def test_nobody_elses_background_is_the_background(site, hand_in):
    hand_in("background", 1.0, owner=ADA)
    hand_in("mine", 0.25)
    assert {row.kind for row in board(site).rows} == {"submission"}


def test_a_badge_says_who_made_a_prediction(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    key = hand_in("mine", 0.25)
    assert [row.badge for row in board(site).rows] == ["self-reported", "baseline"]
    assert "self-reported" in render("board", board=board(site))
    head = Receipt.of(site, key, None).head()
    assert "self-reported" in render("submission_head", head=head, source=site.source)


def test_views_of_a_variable_show_its_levels(site, hand_in):
    hand_in("background", 1.0, owner=local_person(), rmse=2.0)
    hand_in("mine", 0.5, rmse=1.0)
    names = [column.name for column in board(site, "z").columns]
    assert "rmse_z500" in names and "rmse_t850" not in names and "mse" not in names
    assert "gain" in board(site, "z").rows[0].cells[1]
    assert board(site, "nonsense").view == OVERVIEW


def test_an_empty_board_says_how_to_begin(site):
    assert "Be the first" in render("board", board=board(site))


def test_the_papers_tasks_come_first(site):
    assert tasks_in_order(site)[:2] == ["multimodal", "unimodal"]
    assert sorted(tasks_in_order(site)) == sorted(site.tasks)


def test_ones_own_rows_are_marked_for_oneself_only(site, hand_in):
    hand_in("mine", 0.5, owner=ADA)
    hand_in("theirs", 0.6, owner=BOB)
    assert [row.mine for row in board(site, person=ADA.id).rows] == [True, False]
    assert not any(row.mine for row in board(site).rows)


@pytest.mark.parametrize(
    ("said", "number"),
    [("12 M", 12e6), ("3.5e6", 3.5e6), ("1,200,000", 1.2e6), ("64m parameters", 64e6)]
    + [("many", None), ("", None), ("1e999", None), ("-3", None), ("<b>", None)],
)
def test_numbers_of_parameters(site, hand_in, said, number):
    attributes = {"model_name": "m"} | ({"parameters": said} if said else {})
    hand_in("mine", attributes=attributes)
    assert board(site).rows[0].parameters == number


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_every_table(site, hand_in, name):
    evil = Person("hf:9", name)
    attributes = {"model_name": name, "authors": name, "parameters": name, "training_data": name}
    one = hand_in(name, 0.5, owner=evil, attributes=attributes)
    two = hand_in(name + "2", 0.6, owner=evil, attributes=attributes)
    receipt = Receipt.of(site, one, None)
    pages = [
        render("board", board=board(site)),
        render("submission_head", head=receipt.head(), source=site.source),
        render(
            "submission_record",
            facts=receipt.facts(),
            command=receipt.command,
            history=receipt.history(),
            source=site.source,
            score="MSE",
        ),
        render("compare", comparison=Comparison.of(site, "unimodal", [one, two])),
    ]
    for page in pages:
        assert not Elements.of(page).strange


@given(st.text(max_size=20))
def test_no_text_becomes_a_formula(text):
    shown = table_csv([{"name": text}]).split("\n", 1)[1].strip("\n")[1:]
    first = unicodedata.normalize("NFKC", shown)[:1]
    assert first not in ("=", "+", "-", "@", "\t", "\r") or not text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://a.org", "https://10.0.0.1/", "x"])
def test_links_are_plain_https_or_left_out(url):
    assert links(url, url) == ()
    assert links("https://arxiv.org/abs/1", url) == (("model", "https://arxiv.org/abs/1"),)


@pytest.mark.parametrize(
    ("state", "strangers", "owner"),
    [
        (State.PUBLISHED, True, True),
        (State.PRIVATE, False, True),
        (State.HELD, False, True),
        (State.WITHDRAWN, False, True),
    ],
)
def test_who_sees_what(site, hand_in, state, strangers, owner):
    key = hand_in("mine", state=state)
    assert (Receipt.of(site, key, None) is not None) == strangers
    assert (Receipt.of(site, key, BOB) is not None) == strangers
    assert (Receipt.of(site, key, ADA) is not None) == owner


def test_what_is_withdrawn_shows_no_scores(site, hand_in):
    key = hand_in("mine", state=State.WITHDRAWN)
    receipt = Receipt.of(site, key, ADA)
    assert receipt.result is None and receipt.figures() == [] and "Withdrawn" in receipt.notice


@pytest.mark.parametrize("key", ["", "0" * 32, "../../etc", "x" * 5000, "'; DROP TABLE results"])
def test_unknown_ids_are_nothing(site, key):
    assert Receipt.of(site, key, None) is None


def test_a_receipt_names_what_the_scores_depend_on(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    key = hand_in("mine", 0.5)
    receipt = Receipt.of(site, key, None)
    facts = dict(receipt.facts())
    assert facts["values"] == key and site.data.revision in facts["data set"]
    assert receipt.head()["rank"] == 1 and receipt.ranking.background.name == "background"
    assert "dambench score" in receipt.command and "--task unimodal" in receipt.command


def test_history_lists_earlier_ones_of_the_name(site, hand_in):
    old, new = hand_in("mine", 0.6), hand_in("mine", 0.5)
    hand_in("other", 0.4)
    rows = Receipt.of(site, old, None).history()
    assert [row["id"] for row in rows] == [new, old]
    assert "better result of the same name" in Receipt.of(site, old, None).notice


def test_too_few_days_give_no_interval(site, hand_in):
    one, two = hand_in("one", 0.5), hand_in("two", 0.6)
    (pair,) = Comparison.of(site, "unimodal", [one, two]).pairs
    assert "days are too few" in pair.verdict and pair.channels == []
    html = render("board", board=board(site))
    assert "There are no intervals" in html and "95 % interval" not in html
    assert Comparison.of(site, "unimodal", [one, one]) is None
    assert Comparison.of(site, "nothing", [one, two]) is None


def test_the_first_of_some_is_compared_with_each_of_the_others(site, hand_in):
    ids = [hand_in("same", 0.5, owner=one) for one in (ADA, BOB, local_person())]
    ids += [hand_in(f"more {at}") for at in range(3)]
    comparison = Comparison.of(site, "unimodal", ids)
    names = [one.name for one in comparison.methods]
    assert len(set(names)) == MOST == len(names) and len(comparison.pairs) == MOST - 1
    assert {pair.first.submission for pair in comparison.pairs} == {ids[0]}


def test_what_an_address_asks_for_is_filled_up_to_two(site, hand_in):
    ids = [hand_in(name, score) for name, score in (("a", 0.1), ("b", 0.2), ("c", 0.3))]
    entries = site.store.ranking("unimodal").entries
    assert chosen(entries, []) == ids[:2]
    assert chosen(entries, [ids[2], "nothing", ids[2]]) == [ids[2], ids[0]]
    assert chosen(entries, [ids[1], ids[2], ids[0]]) == [ids[1], ids[2], ids[0]]


def test_scores_of_ensembles_have_columns_and_views_of_their_own(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    ensemble = [("crps", 0.5), ("spread_skill", 0.8), ("bias", -0.25)]
    hand_in("ensemble", 0.5, more=ensemble)
    columns = [column.name for column in board(site).columns]
    assert columns.index("spread_skill") == columns.index("crps") + 1
    of_all = board(site).rows[0].cells[columns.index("spread_skill") - 2]
    assert ">0.8000<" in of_all and 'data-value="0.19' in of_all  # sorted by how far from 1
    crps = 0.5 * sum(1 / std for std in site.std.values()) / len(site.std)
    assert f'data-value="{crps}' in board(site).rows[0].cells[columns.index("crps") - 2]
    for measure, text in (("crps", "0.5000"), ("spread_skill", "0.8000"), ("bias", "−0.2500")):
        shown = board(site, "z", measure=measure)
        assert f"{measure}_z500" in [column.name for column in shown.columns]
        assert f">{text}<" in shown.rows[0].cells[1] and ">0.5" not in shown.rows[1].cells[1]
    assert board(site, "z", measure="nonsense").measure == "rmse"


def test_without_an_ensemble_nothing_speaks_of_one(site, hand_in):
    hand_in("mine")
    assert "crps" not in [column.name for column in board(site).columns]
    assert board(site, "z", measure="crps").measure == "rmse"


def test_what_is_far_away_is_not_printed(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    hand_in("far", 24914.3)
    html = render("board", board=board(site))
    assert "< −999" in html.replace("&lt;", "<") and "2491330" not in html.split("data-value")[0]
    assert "ten times the background" in html


def by_day(skill, rng):
    """What the store keeps of a result by time, 120 days long."""
    days = skill + rng.normal(size=120)
    days += skill - days.mean()
    hours = tuple(72 * day for day in range(120))
    return {"main_score": skill, "skill_by_day": tuple(days.tolist()), "hours": hours}


def test_intervals_lines_and_ranks_stand_beside_the_skill(site, hand_in, rng):
    hand_in("mine", 0.5, **by_day(50.0, rng))
    key = hand_in("close", 0.501, **by_day(49.9, rng))
    hand_in("far", 0.8, **by_day(20.0, rng))
    shown = board(site)
    assert [column.name for column in shown.columns][:6] == [
        *("rank", "name", "tie", "skill", "interval", "possible")
    ]
    html = render("board", board=shown)
    assert "Lines join methods" in html and "no method of this board was trained with" in html
    tie, skill, interval, possible = shown.rows[0].cells[:4]
    assert "1–2" in tie and 'class="first"' in tie and ">50.00<" in skill
    assert " to " in interval and "--low" in interval and ">1–2<" in possible
    assert "<i" not in shown.rows[2].cells[0] and ">3<" in shown.rows[2].cells[3]
    levels = board(site, "z")
    assert [column.name for column in levels.columns][:4] == ["rank", "name", "tie", "skill"]
    figures = {title: value for title, value, _ in Receipt.of(site, key, None).figures()}
    assert figures["possible ranks"] == "1–2" and " to " in figures["95 % interval"]


def test_results_of_another_revision_say_what_to_do(site, hand_in):
    hand_in("new", 0.5)
    other = hand_in("other", 0.4, dataset_revision="0" * 16)
    assert "predict and submit again with this data set" in render("board", board=board(site))
    notice = Receipt.of(site, other, None).notice
    assert "revision 0000000000000000" in notice and "predict and submit again" in notice


def test_results_of_an_older_scorer_keep_their_scores_and_no_rank(site, hand_in):
    hand_in("new", 0.5)
    old = hand_in("old", 0.01234, scorer_version="1", main_score=0.01234)
    assert [row.name for row in board(site).rows] == ["new"] and board(site).hidden == 1
    receipt = Receipt.of(site, old, None)
    assert "version 1 of the scorer" in receipt.notice and receipt.head()["rank"] is None
    assert ("MSE", "0.01234 ") in [figure[:2] for figure in receipt.figures()]
    hand_in("old", 0.5)
    assert "0.01234, scorer 1" in [row["score"] for row in receipt.history()]


def test_a_scorecard_has_every_channel_once():
    rmse = {"t2m": 1.0, "z500": 2.0, "z850": 4.0, "t850": 8.0}
    upper, surface = scorecards(relative_cells("rmse", rmse, None), "RMSE")
    assert upper.heads == ("500", "850") and len(upper.rows) == 2 and len(surface.rows) == 1
    text = "".join(c for card in (upper, surface) for row in card.rows for c in row.cells)
    assert [text.count(f">{n}<") for n in ("1.000", "2.000", "4.000", "8.000")] == [1, 1, 1, 1]


def test_shades_say_better_or_worse():
    half = {"z500": 0.5}
    shown = lambda *values: relative_cells("rmse", *values)["z500"]  # noqa: E731
    assert 'class="gain" style="--share: 1.000"' in shown(half, {"z500": 1.0})
    assert 'class="loss" style="--share: 1.000"' in shown({"z500": 9.0}, half)
    assert "class" not in shown(half, {"z500": 0.0})
    assert "−50.0" in difference_cells(half, {"z500": 1.0})["z500"]


@pytest.mark.parametrize(("at", "percent"), [*enumerate(SHADES, 1)])
def test_each_stated_percent_has_one_shade_more_everywhere(at, percent):
    share = f"--share: {at / len(SHADES):.3f}"
    assert share in shaded("x", 1 + percent / 100) and share in shaded("x", 1 - percent / 100)
    assert share not in shaded("x", 1 + 0.99 * percent / 100)
    one, other = {"z500": 1 + percent / 100}, {"z500": 1.0}
    assert share in relative_cells("rmse", one, other)["z500"]
    assert share in difference_cells(one, other)["z500"]


@given(st.floats(0, 1e30))
def test_shades_stay_within_their_range(ratio):
    share = float(re.search(r"--share: ([0-9.]+)", shaded("x", ratio))[1])
    assert 0 <= share <= 1
