"""The pages in a real browser, on the real server, with a store that has hostile names in it."""

import csv
import io
import uuid

import httpx
import numpy as np
import pytest

from dambench_hub.leaderboard.accounts.person import Person, local_person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.rows import (
    Event,
    append_event,
    insert_result,
    insert_submission,
    stamp,
)
from dambench_hub.leaderboard.store.schema import State
from dambench_hub.leaderboard.web.server import VISITS_KEPT
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.scoring.diagnostics import BackgroundDiagnostics, Gatherer
from dambench_hub.scoring.evaluation import Result
from dambench_hub.tasks.task import load_task

PATIENCE = 60_000
SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });"""
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "${document.title='taken'}",
    "{{constructor.constructor('alert(1)')()}}",
    "</script><script>document.title='taken'</script>",
]


def hand_in(site, name, share, owner, background, members=0):
    """Publish what has this share of the background's error, scored as a worker does."""
    spread = np.linspace(-1, 1, members)[:, None, None, None] * site.data.statistics.std[0]
    data, task, key = site.data, load_task("unimodal"), uuid.uuid4().hex
    scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)
    gatherer = Gatherer(data, task, background)
    for index in range(data.size("test")):
        reference, known = data.reference("test", index), data.background("test", index)
        field = reference + np.float32(share) * (known - reference)
        field = field + spread.astype("f4") if members else field
        scorer.update(field[None], reference[None], known[None])
        gatherer(index, field, reference)
    scores, attributes = scorer.compute(), {"model_name": name, "parameters": "3 M"}
    result = Result(
        *("unimodal", data.manifest.name, data.revision, SCORER_VERSION, key, scores["skill"]),
        *(scores, tuple(scorer.per_sample_mse.tolist()), attributes),
    )
    gatherer.finish(key, result).write(site.diagnostics / f"{key}.safetensors")
    known = {"id": key, "description": name, "file": "x.nc", "bytes": 1, "sha256": key}
    with site.store.transaction(write=True) as connection:
        at = site.store.now(connection)
        insert_submission(connection, owner, name, "unimodal", stamp(at), **known)
        insert_result(connection, key, owner.id, result, at)
        append_event(connection, key, at, Event(State.PUBLISHED, owner.id))
    return key


@pytest.fixture(scope="module")
def ids(tmp_path_factory, tiny_folder):
    """Ids by name; the folder of their server is under ''."""
    folder = tmp_path_factory.mktemp("pages")
    site = Site.open(tiny_folder, f"sqlite:///{folder}/store.db", folder / "site")
    background = BackgroundDiagnostics.of(site.data, load_task("unimodal"))
    names = {"background": (1.0, local_person()), "Kalman": (0.5, Person("hf:1", "ada"))}
    names |= {"Swin": (0.7, Person("hf:2", "bob"))}
    names |= {name: (0.8 + i / 100, Person("hf:3", name)) for i, name in enumerate(HOSTILE)}
    known = {n: hand_in(site, n, *of, background) for n, of in names.items()}
    ensemble = hand_in(site, "Ensemble", 0.9, Person("hf:4", "me"), background, members=4)
    return {"": folder, "Ensemble": ensemble} | known


@pytest.fixture(scope="module")
def address(ids, tiny_folder, start):
    with start(ids[""], tiny_folder, "--role", "front", "--dev-user", "ada") as address:
        yield address


@pytest.fixture(scope="module")
def desk(chromium):
    """A screen of usual size; its pages share what they have loaded."""
    return chromium.new_context()


@pytest.fixture
def visit(chromium, desk, address):
    """`visit(path, selector)` opens a page; at the end, nothing hostile must have happened."""
    opened, wrong = [], []

    def watch(request):
        if not request.url.startswith((address, "data:", "blob:")):
            wrong.append(f"asked for {request.url}")

    def open_page(path, selector, **options):
        page = (chromium.new_context(**options) if options else desk).new_page()
        opened.append(page)
        page.set_default_timeout(PATIENCE)
        page.on("request", watch)
        page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(f"an error: {error}"))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.add_init_script(SHIFTS)
        page.goto(address + path)
        page.wait_for_selector(selector)
        page.wait_for_function("!document.querySelector('.waiting')")
        assert page.evaluate("window.shifted") < 0.1, "what was seen moved while the page came"
        return page

    yield open_page
    for page in opened:
        assert page.title().endswith("DAMBench") and page.locator("h1").count() == 1
        page.close()
    assert not wrong


def names(page):
    return page.locator("tbody tr:visible .method a").all_inner_texts()


def test_the_ranking_shows_names_as_they_are(visit, ids):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    assert names(page)[:2] == ["Kalman", "Swin"] and names(page)[-1] == "background"
    assert set(HOSTILE) < set(names(page))
    assert page.locator("tbody tr").last.locator(".badge").inner_text() == "baseline"
    assert page.locator("[data-shown]").inner_text() == "9 of 9 shown"


def test_search_filter_and_the_way_back(visit):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    page.fill("[data-find]", "kal")
    assert names(page) == ["Kalman"] and "find=kal" in page.url
    assert page.locator("[data-shown]").inner_text() == "1 of 9 shown"
    page.click("[data-show-all]")
    assert len(names(page)) == 9 and "find" not in page.url
    page.click("[data-kind-chip=submission]")
    assert names(page) == ["background"]
    page.click("[data-show-all]")
    page.select_option("[data-size]", "1e7-1e8")
    assert names(page) == [] and page.get_by_text("No method matches").is_visible()
    page.go_back()
    assert len(names(page)) == 9 and not page.get_by_text("No method matches").is_visible()


def test_names_are_searched_and_not_owners(visit):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    page.fill("[data-find]", "ADA")  # who owns Kalman
    assert names(page) == []
    page.fill("[data-find]", "ensem")
    assert names(page) == ["Ensemble"]


def test_sorting_with_the_keyboard_and_a_link_to_it(visit):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    page.focus("[data-column=mse] button")
    page.keyboard.press("Enter")
    assert names(page)[0] == "Kalman"
    page.keyboard.press("Enter")
    assert names(page)[0] == "background"
    assert page.get_attribute("[data-column=mse]", "aria-sort") == "descending"
    page.reload()
    page.wait_for_selector("[data-board] tbody tr")
    assert names(page)[0] == "background"


def test_columns_can_be_left_out_and_a_variable_chosen(visit):
    page = visit("/?task=unimodal&columns_off=mae", "[data-board] tbody tr")
    assert not page.locator("[data-column=mae]").is_visible()
    page.click(".menu summary >> text=Columns")
    page.uncheck("[data-column-box=mse]")
    assert not page.locator("[data-column=mse]").is_visible()
    assert page.locator("[data-column=specdiv]").is_visible()
    page.click("[data-choice=view] >> text=geopotential")
    page.wait_for_selector("[data-column=rmse_z500] >> text=hPa")
    assert "view=z" in page.url and not page.locator("[data-column=mse]").count()
    assert page.locator("td.gain").count() >= 7


def test_two_methods_are_compared(visit, ids):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    page.check("[aria-label='Compare Kalman']")
    page.check("[aria-label='Compare Swin']")
    page.click(".tray a")
    page.wait_for_selector("h1 >> text=Kalman and Swin")
    page.wait_for_selector(".panels image")
    assert page.locator(".panels image").count() == 3
    assert page.locator(".scorecard td.gain").count() == 5
    page.click("text=Methods")
    page.check("[data-choice=of] >> text=background")
    page.wait_for_selector("h1 >> text=Kalman, Swin and background")
    assert page.locator(".panels image").count() == 5
    assert f"of={ids['Kalman']},{ids['Swin']},{ids['background']}" in page.url
    page.go_back()
    page.wait_for_selector("h1 >> text=/^Kalman and Swin$/")
    assert not page.is_checked("[data-choice=of] >> text=background")


def forget(address):
    """Visit so often that the server has forgotten who came before."""
    events = httpx.get(f"{address}/config").json()["dependencies"]
    arrival = next(e["id"] for e in events if [t[1] for t in e["targets"]] == ["load"])
    for _ in range(VISITS_KEPT + 1):
        visit = {"fn_index": arrival, "data": [], "session_hash": uuid.uuid4().hex}
        httpx.post(f"{address}/gradio_api/run/predict", json=visit).raise_for_status()


def test_a_page_goes_on_when_the_server_has_forgotten_it(visit, ids, address):
    page = visit(f"/compare?a={ids['Kalman']}&b={ids['Swin']}", "h1 >> text=Kalman and Swin")
    forget(address)
    page.click("text=Methods")
    page.click("[data-choice=of] >> text=Swin")
    assert page.is_checked("[data-choice=of] >> text=Swin")  # one alone is not compared
    page.check("[data-choice=of] >> text=background")
    page.wait_for_selector("h1 >> text=Kalman, Swin and background")
    page.click("fieldset >> text=t850")
    page.wait_for_selector("h3 >> text=Temperature at 850 hPa")


def test_a_submission_has_its_maps_and_its_receipt(visit, ids):
    page = visit(f"/submission?id={ids['Kalman']}", ".panels image")
    assert page.locator("h1").inner_text() == "Kalmanself-reported"
    assert page.locator(".figures dd").first.inner_text() == "50.00 %"
    assert page.locator(".panels image").count() == 7
    assert ids["Kalman"] in page.inner_text(".facts")
    before = page.locator(".panels h3, .panels").first.inner_html()
    page.click("fieldset >> text=t850")
    page.wait_for_selector("h3 >> text=Temperature at 850 hPa")
    assert page.locator(".panels").first.inner_html() != before


def test_an_ensemble_has_its_scores_and_its_rank_histogram(visit, ids):
    page = visit(f"/submission?id={ids['Ensemble']}", "h3 >> text=Ensemble of 4 members")
    assert "CRPS" in page.locator(".figures").first.inner_text()
    assert page.locator("svg[aria-label^='Rank histogram']").is_visible()
    page.click("[data-choice=score] >> text=CRPS")
    page.wait_for_selector(".scroll[aria-label^=CRPS]")
    assert "score=crps" in page.url
    board = visit("/?task=unimodal", "[data-column=spread_skill]")
    board.select_option("[data-choice=score]", "spread_skill")
    board.wait_for_selector("[data-column=spread_skill_z500]")
    assert "score=spread_skill" in board.url


def test_each_group_is_one_stop_and_arrows_choose(visit):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    focused = "document.activeElement.closest('[data-choice]')?.dataset.choice"
    page.focus(".edition a")
    for group in ("task", "view"):
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == group
    outline = "getComputedStyle(document.activeElement.parentElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) is None
    assert page.get_by_role("group", name="Task").get_by_role("radio").count() >= 2
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[data-column=rmse_t2m], [data-column=rmse_msl], [data-column=rmse_u10]")
    assert "view=surface" in page.url and page.evaluate(focused) == "view"


def test_back_and_forward_lead_through_the_choices(visit):
    page = visit("/?task=unimodal", "[data-board] tbody tr")
    page.click("[data-choice=view] >> text=temperature")
    page.wait_for_selector("[data-column=rmse_t850] >> text=hPa")
    page.click("[data-choice=task] >> text=noise-free")
    page.wait_for_selector("h1 >> text=noise-free")
    assert page.title() == "Ranking for noise-free · DAMBench"
    page.go_back()
    page.wait_for_selector("h1 >> text=unimodal")
    assert page.is_checked("[value=unimodal]") and page.is_checked("[value=t]")
    page.go_back()
    page.wait_for_selector("[data-column=mse]")
    page.go_forward()
    page.wait_for_selector("[data-column=rmse_t850] >> text=hPa")
    assert "view=t" in page.url


def test_the_channel_stands_in_the_address(visit, ids):
    page = visit(f"/submission?id={ids['Kalman']}&channel=t850", "h3 >> text=Temperature at 850")
    assert page.is_checked("[value=t850]")
    page.click("[data-choice=channel] >> text=z500")
    page.wait_for_selector("h3 >> text=Geopotential at 500")
    assert "channel=z500" in page.url and page.evaluate("document.activeElement.value") == "z500"
    page.go_back()
    page.wait_for_selector("h3 >> text=Temperature at 850")


def test_an_older_link_finds_its_task(visit, ids):
    page = visit(f"/compare?a={ids['Swin']}&b={ids['Kalman']}", "h1 >> text=Swin and Kalman")
    page.wait_for_url("**task=unimodal**")
    assert page.is_checked("[value=unimodal]")


def test_an_empty_task_says_how_to_begin(visit):
    page = visit("/?task=noise-free", "text=Be the first")
    page.click("text=Be the first")
    page.wait_for_selector("text=with observations that carry no error")
    assert page.is_checked("[value=noise-free]")


def test_the_csv_is_the_table_that_is_shown(visit):
    page = visit("/?task=unimodal&view=z&find=a&columns_off=by&sort=skill-up", "td.gain")
    page.click("summary >> text=Export")
    with page.expect_download() as download:
        page.click("[data-csv]")
    assert download.value.suggested_filename == "unimodal-z-rmse.csv"
    rows = list(csv.reader(download.value.path().open(encoding="utf-8")))
    heads = page.locator("thead th:visible:not(.pick) button").evaluate_all(
        "all => all.map(one => one.firstChild.data.trim())"
    )
    assert [head.split(",")[0] for head in rows[0]] == heads and "by" not in heads
    assert [row[1].removeprefix("'") for row in rows[1:]] == names(page)
    assert 1 < len(rows) < 9 and rows[1][1] == "background" and "Kalman" in rows[-1]
    shown = page.locator("tbody tr:visible").last.locator("td.gain, td.loss").all_inner_texts()
    assert set(shown) <= set(rows[-1])


@pytest.mark.parametrize("path", ["/about", "/curves", "/compare?task=noise-free"])
def test_each_page_comes_without_an_error(visit, path):
    assert visit(path, "h1").locator(".page").count() >= 3


@pytest.mark.parametrize("name", HOSTILE[2:4])
def test_a_hostile_name_is_a_title(visit, ids, name):
    page = visit(f"/submission?id={ids[name]}", "h1")
    assert page.locator("h1").inner_text().removesuffix("self-reported") == name


def test_no_such_submission(visit):
    page = visit("/submission?id=" + "0" * 32, ".empty")
    assert "no such submission" in page.inner_text(".empty")


@pytest.mark.parametrize(
    ("path", "scheme"), [("/?task=unimodal", "light"), ("/submission?id={Kalman}", "dark")]
)
def test_a_phone_shows_everything_in_its_width(visit, ids, path, scheme):
    phone = {"viewport": {"width": 390, "height": 800}, "color_scheme": scheme}
    page = visit(path.format(Kalman=ids["Kalman"]), "tbody tr", **phone)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    red = "parseInt(getComputedStyle(document.body).backgroundColor.slice(4))"
    assert (page.evaluate(red) > 128) == (scheme == "light")


def test_exports_hold_what_the_page_shows(address):
    table = httpx.get(f"{address}/export/unimodal.csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    ranked = httpx.get(f"{address}/export/unimodal.json").json()
    assert [row["name"] for row in rows] == [row["name"] for row in ranked]
    assert rows[0]["name"] == "Kalman" and float(rows[0]["skill"]) == pytest.approx(50, abs=0.01)
    assert "attachment" in table.headers["content-disposition"]
    assert httpx.get(f"{address}/export/unimodl.csv").status_code == 404


def test_programs_get_rankings_and_submissions(address, ids):
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(address, verbose=False, analytics_enabled=False)
    assert "unimodal" in [task["name"] for task in client.predict(api_name="/tasks")]
    best = client.predict("unimodal", "", api_name="/leaderboard")[0]
    assert best["name"] == "Kalman" and best["submission"] == ids["Kalman"]
    found = client.predict(best["submission"], api_name="/submission")
    assert found["rank"] == 1 and found["result"]["scores"]["mse"] == best["scores"]["mse"]
    with pytest.raises(AppError, match="Did you mean 'unimodal'"):
        client.predict("unimodl", "", api_name="/leaderboard")
    with pytest.raises(AppError, match="no such submission"):
        client.predict("0" * 32, api_name="/submission")
    client.close()
