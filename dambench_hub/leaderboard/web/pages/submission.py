"""The page of one submission: its scores, maps, spectra, receipt and history."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS, parse_channel
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.drawing.maps import Atlas
from dambench_hub.leaderboard.web.drawing.panels import (
    atlas_of,
    profiles,
    rank_histogram,
    spectra,
    submission_panels,
)
from dambench_hub.leaderboard.web.drawing.station_panels import station_panels
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.measures import (
    BY_CHANNEL,
    OVERALL,
    by_channel,
    printed,
    scored,
)
from dambench_hub.leaderboard.web.pages.address import Address, Query, choice
from dambench_hub.leaderboard.web.pages.events import WAITING
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.leaderboard.web.scorecard import relative_cells, scorecards
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.evaluation import Result

BACKGROUND, BEST = "background", "best"
RIVALS = (("the background", BACKGROUND), ("the best other", BEST))
UNKNOWN = "There is no such submission, or you may not see it. Sign in if it is yours."
NO_PICTURES = "the fields of this submission were not kept"
NO_STATIONS = "its errors at single stations were not kept"
TINY = 1e-300
HIDDEN_REFERENCE = "they would give away a reference that is not public"


def build(site: Site) -> None:
    """Lay the page out; submission, rival, score and channel come from the address."""
    address, at_stations = Address(), site.data.manifest.reference_is_reports
    head = gr.HTML(WAITING, apply_default_css=False)
    with gr.Column() as scored:
        _heading(f"Errors by variable{'' if at_stations else ' and level'}")
        choice("Compare with", "against", RIVALS)
        measures = gr.HTML(apply_default_css=False)
        scores = gr.HTML(WAITING, apply_default_css=False)
        _heading(f"Where{'' if at_stations else ', and at which scales'}")
        channels = gr.HTML(apply_default_css=False)
        panels = gr.HTML(WAITING, apply_default_css=False)
    record = gr.HTML(WAITING, apply_default_css=False)

    def requested(query: Query, request: gr.Request) -> Receipt | None:
        return Receipt.of(site, query.get("id", ""), site.sign_in.person(request))

    def show_head(query: Query, request: gr.Request) -> tuple[Any, ...]:
        if (receipt := requested(query, request)) is None:
            return (
                render("absent", title="Unknown submission", message=UNKNOWN),
                gr.update(visible=False),
                "",
                "",
                "",
            )
        result = receipt.result
        return (
            render("submission_head", head=receipt.head(), source=site.source),
            gr.update(visible=result is not None),
            render_record(receipt),
            _choice("Score", "score", _scores(result)) if result else "",
            _choice("Channel", "channel", [(n, n) for n in shown_channels(site, receipt)]),
        )

    def show_scores(query: Query, request: gr.Request) -> str:
        receipt = requested(query, request)
        against, score = query.get("against", BACKGROUND), query.get("score", "rmse")
        return render_scores(receipt, against, score) if receipt else ""

    def show_panels(query: Query, request: gr.Request) -> str:
        receipt = requested(query, request)
        return render_panels(site, receipt, query.get("channel", "")) if receipt else ""

    # Three events, so that nothing waits for the pictures.
    address.follow(show_head, [head, scored, record, measures, channels], later=False)
    address.follow(show_scores, scores)
    address.follow(show_panels, panels)


def _heading(text: str) -> gr.HTML:
    return gr.HTML(f'<div class="page"><h2>{text}</h2></div>', apply_default_css=False)


def _choice(title: str, name: str, options: list[tuple[str, str]]) -> str:
    if len(options) < 2:
        return ""
    return render("choice", title=title, name=name, options=options, resets="")


def _scores(result: Result) -> list[tuple[str, str]]:
    """Titles and names of the scores that each channel has."""
    return [(BY_CHANNEL[name].title, name) for name in scored([result])]


def render_scores(receipt: Receipt, against: str, score: str) -> str:
    """The scorecard against the background or the best other submission."""
    if receipt.result is None:
        return ""
    score = score if score in receipt.result.scores and score in BY_CHANNEL else "rmse"
    measure, values = BY_CHANNEL[score], by_channel(receipt.result, score)
    rival = receipt.best if against == BEST else receipt.ranking.background
    title = f"{rival.name}, rank {rival.rank}" if rival and against == BEST else "the background"
    compared = by_channel(rival.result, score) if rival and score != "spread_skill" else None
    drawn = Markup("")
    if compared and score != "bias":
        ratios = tuple((name, values[name] / max(compared[name], TINY)) for name in values)
        drawn = profiles(ratios, title, measure.title)
    cells = relative_cells(score, values, compared)
    cards = scorecards(cells, measure.title, physical=bool(measure.units))
    return render(
        "submission_scores",
        cards=cards,
        other=title if compared else "",
        profiles=drawn,
        measure=measure,
    )


def shown_channels(site: Site, receipt: Receipt) -> list[str]:
    """Channels with maps and spectra, or at least with a rank histogram."""
    if receipt.result is None:
        return []
    if site.data.manifest.reference_is_reports:
        return list(site.data.channels)
    diagnostics = DiagnosticsFiles(site.diagnostics).read(receipt.submission.id)
    if diagnostics is not None:
        return list(diagnostics.shown)
    ranks = by_channel(receipt.result, "rank_histogram")
    return [name for name in HEADLINE_CHANNELS if name in ranks] or list(ranks)[:1]


def render_panels(site: Site, receipt: Receipt, channel: str) -> str:
    """Maps, spectra and, of an ensemble, the rank histogram of a channel."""
    known = shown_channels(site, receipt)
    diagnostics = DiagnosticsFiles(site.diagnostics).read(receipt.submission.id)
    if receipt.result is None or not known:
        return render("submission_panels", lines="", groups=[], spectra="", absent=NO_PICTURES)
    channel = channel if channel in known else known[0]
    if site.data.manifest.reference_is_reports:
        return render_stations(site, receipt, channel)
    drawn = render_ensemble(receipt.result, channel)
    if diagnostics is None:
        absent = {"lines": "", "groups": [], "spectra": "", "absent": NO_PICTURES}
        return drawn + render("submission_panels", **absent)
    return drawn + _drawn(atlas_of(site), diagnostics, receipt.submission.name, channel)


def render_stations(site: Site, receipt: Receipt, channel: str) -> str:
    """Maps of errors at stations, or why there are none."""
    errors = DiagnosticsFiles(site.diagnostics).read_stations(receipt.submission.id)
    if errors is not None:
        return station_panels((("the analysis", errors),), channel)
    hidden = receipt.result is not None and "stations" not in receipt.result.scores
    absent = HIDDEN_REFERENCE if hidden else NO_STATIONS
    return render("submission_panels", lines="", groups=[], spectra="", absent=absent)


def render_ensemble(result: Result, channel: str) -> str:
    """The rank histogram of a channel with its scores; empty for what is no ensemble."""
    frequencies = result.scores.get("rank_histogram", {}).get(channel)
    if frequencies is None:
        return ""
    known = parse_channel(channel)
    figures = [
        (BY_CHANNEL[name], printed(name, by_channel(result, name)[channel]))
        for name in ("crps", "rmse", "spread_skill")
    ]
    return render(
        "submission_ensemble",
        channel=known.long_name,
        units=pretty(known.units),
        members=len(frequencies) - 1,
        figures=figures,
        drawing=rank_histogram(tuple(frequencies)),
    )


@lru_cache(maxsize=64)
def _drawn(atlas: Atlas, diagnostics: Diagnostics, name: str, channel: str) -> str:
    curve = {name: diagnostics.analysis.spectra[diagnostics.shown.index(channel)]}
    return render(
        "submission_panels",
        lines=atlas.lines,
        groups=submission_panels(atlas, diagnostics, channel) if diagnostics.has_maps else [],
        spectra=spectra(curve, diagnostics, channel),
        channel=parse_channel(channel).long_name,
        absent=HIDDEN_REFERENCE,
    )


def render_record(receipt: Receipt) -> str:
    """Receipt and history."""
    return render(
        "submission_record",
        facts=receipt.facts(),
        command=receipt.command,
        history=receipt.history(),
        source=receipt.site.source,
        score=OVERALL[receipt.site.tasks[receipt.submission.task].main_score].title
        if receipt.submission.task in receipt.site.tasks
        else "score",
    )
