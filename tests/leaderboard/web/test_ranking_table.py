import re
import subprocess
import sys
import unicodedata
import uuid
from html.parser import HTMLParser
from types import SimpleNamespace

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
from dambench_hub.leaderboard.web.markup import render, shaded
from dambench_hub.leaderboard.web.paired_comparison import find_comparison
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

    def put(name, score=0.5, owner=ADA, state=State.PUBLISHED, rmse=1.0, **changes):
        channels = site.data.channels
        scores = {"mse": score, "mae": 0.1, "specdiv": 0.2}
        scores["rmse"] = dict.fromkeys(channels, rmse)
        key = uuid.uuid4().hex
        result = make_result(
            score=score,
            value_hash=key,
            dataset_revision=site.data.revision,
            scores=scores,
            sample_mse=(score,) * 5,
            **changes,
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


def board(site, view=OVERVIEW, person=None):
    return Board(site, site.tasks["unimodal"], view, person)


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


def test_skill_is_the_share_of_the_backgrounds_mse_that_is_gone(site, hand_in):
    hand_in("background", 1.0, owner=local_person())
    hand_in("mine", 0.25)
    first, second = board(site).rows
    assert first.name == "mine" and 'data-value="0.75"' in first.cells[0]
    assert second.kind == "baseline" and ">0.0<" in second.cells[0]


def test_nobody_elses_background_is_the_background(site, hand_in):
    hand_in("background", 1.0, owner=ADA)
    hand_in("mine", 0.25)
    assert not any("data-value" in row.cells[0] for row in board(site).rows)
    assert {row.kind for row in board(site).rows} == {"submission"}


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
        render("submission_head", head=receipt.head()),
        render(
            "submission_record",
            facts=receipt.facts(),
            command=receipt.command,
            history=receipt.history(),
            score="MSE",
        ),
        render("compare", comparison=find_comparison(site, "unimodal", one, two)),
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
    both = find_comparison(site, "unimodal", one, two)
    assert "too few days" in both.verdict and both.channels == []
    assert find_comparison(site, "unimodal", one, one) is None
    assert find_comparison(site, "nothing", one, two) is None


def test_a_scorecard_has_every_channel_once():
    rmse = {"t2m": 1.0, "z500": 2.0, "z850": 4.0, "t850": 8.0}
    upper, surface = scorecards(relative_cells(rmse, None), "RMSE")
    assert upper.heads == ("500", "850") and len(upper.rows) == 2 and len(surface.rows) == 1
    text = "".join(c for card in (upper, surface) for row in card.rows for c in row.cells)
    assert [text.count(f">{n}<") for n in ("1.000", "2.000", "4.000", "8.000")] == [1, 1, 1, 1]


def test_shades_say_better_or_worse():
    half = {"z500": 0.5}
    assert 'class="gain" style="--share: 0.500"' in relative_cells(half, {"z500": 1.0})["z500"]
    assert 'class="loss" style="--share: 1.000"' in relative_cells({"z500": 9.0}, half)["z500"]
    assert "class" not in relative_cells(half, {"z500": 0.0})["z500"]
    assert "−50.0" in difference_cells(half, {"z500": 1.0})["z500"]


@given(st.floats(0, 1e30))
def test_shades_stay_within_their_range(ratio):
    share = float(re.search(r"--share: ([0-9.]+)", shaded("x", ratio))[1])
    assert 0 <= share <= 1


def test_ties_are_spans_of_ranks():
    from dambench_hub.leaderboard.web.ranking_table import _ties

    entries = [SimpleNamespace(rank=rank) for rank in (1, 2, 2, 4)]
    ranking = SimpleNamespace(entries=entries, groups=lambda times: (1, 1, 2, 2))
    assert _ties(ranking, None) == ["1–2", "1–2", "2–4", "2–4"]
    ranking.groups = lambda times: (1, 2, 3, 4)
    assert _ties(ranking, None) == []
    ranking.groups = lambda times: None
    assert _ties(ranking, None) == []
