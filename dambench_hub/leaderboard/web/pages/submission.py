"""The page of one submission: its scores, maps, spectra, receipt and history."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.drawing.maps import Atlas
from dambench_hub.leaderboard.web.drawing.panels import (
    atlas_of,
    profiles,
    spectra,
    submission_panels,
)
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET, WAITING, take_any_text
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.leaderboard.web.scorecard import relative_cells, scorecards
from dambench_hub.scoring.diagnostics import Diagnostics

BACKGROUND, BEST = "the background", "the best other"
UNKNOWN = "There is no such submission, or you may not see it. Sign in if it is yours."
NO_PICTURES = "the fields of this submission were not kept"
TINY = 1e-300
HIDDEN_REFERENCE = "they would give away a reference that is not public"


def build(site: Site) -> None:
    """Lay the page out; which submission it shows comes from the address, `?id=`."""
    head = gr.HTML(WAITING, apply_default_css=False, min_height=240)
    plain = ["plain", "tabs-like"]
    with gr.Column(visible=False) as scored:
        _heading("Errors by variable and level")
        other = gr.Radio(
            [BACKGROUND, BEST], value=BACKGROUND, label="Compare with", elem_classes=plain
        )
        scores = gr.HTML(WAITING, apply_default_css=False)
        _heading("Where, and at which scales")
        channel = take_any_text(gr.Radio(label="Channel", elem_classes=plain))
        panels = gr.HTML(WAITING, apply_default_css=False)
    record = gr.HTML(apply_default_css=False)

    def requested(request: gr.Request) -> Receipt | None:
        identity = request.query_params.get("id", "")
        return Receipt.of(site, identity, site.sign_in.person(request))

    def arrive(request: gr.Request) -> tuple[Any, ...]:
        if (receipt := requested(request)) is None:
            return render("absent", message=UNKNOWN), gr.skip(), ""
        shown = gr.update(visible=receipt.result is not None)
        return render("submission_head", head=receipt.head()), shown, render_record(receipt)

    def arrive_at_scores(request: gr.Request) -> str:
        return compare_with(BACKGROUND, request)

    def arrive_at_panels(request: gr.Request) -> tuple[Any, ...]:
        receipt = requested(request)
        diagnostics = (
            DiagnosticsFiles(site.diagnostics).read(receipt.submission.id)
            if receipt and receipt.result
            else None
        )
        names = list(diagnostics.shown) if diagnostics else []
        first = names[0] if names else ""
        choice = gr.update(choices=names, value=first or None, visible=bool(names))
        return choice, choose(first, request)

    def compare_with(other: str, request: gr.Request) -> str:
        receipt = requested(request)
        return render_scores(receipt, other) if receipt else ""

    def choose(channel: str, request: gr.Request) -> str:
        receipt = requested(request)
        return render_panels(site, receipt, channel) if receipt else ""

    # Three events, so that nothing waits for the pictures.
    gr.on(None, arrive, [], [head, scored, record], **QUIET)
    gr.on(None, arrive_at_scores, [], scores, **QUIET)
    gr.on(None, arrive_at_panels, [], [channel, panels], **QUIET)
    other.input(compare_with, other, scores, **QUIET)
    channel.input(choose, channel, panels, **QUIET)


def _heading(text: str) -> gr.HTML:
    return gr.HTML(f'<div class="page"><h2>{text}</h2></div>', apply_default_css=False)


def render_scores(receipt: Receipt, other: str) -> str:
    """The scorecard against the background or the best other submission."""
    if receipt.result is None:
        return ""
    rmse = receipt.result.scores["rmse"]
    rival = receipt.best if other == BEST else receipt.ranking.background
    title = f"{rival.name}, rank {rival.rank}" if rival and other == BEST else BACKGROUND
    compared = rival.result.scores["rmse"] if rival else None
    drawn = ""
    if compared:
        ratios = tuple((name, rmse[name] / max(compared[name], TINY)) for name in rmse)
        drawn = profiles(ratios, title)
    cards = scorecards(relative_cells(rmse, compared), "RMSE")
    return render("submission_scores", cards=cards, other=compared and title, profiles=drawn)


def render_panels(site: Site, receipt: Receipt, channel: str) -> str:
    """Maps and spectra of a channel."""
    diagnostics = DiagnosticsFiles(site.diagnostics).read(receipt.submission.id)
    if receipt.result is None or diagnostics is None or channel not in diagnostics.shown:
        return render("submission_panels", lines="", groups=[], spectra="", absent=NO_PICTURES)
    return _drawn(atlas_of(site), diagnostics, receipt.submission.name, channel)


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
        score=receipt.site.tasks[receipt.submission.task].main_score.upper()
        if receipt.submission.task in receipt.site.tasks
        else "score",
    )
