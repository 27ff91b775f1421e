"""What is measured, on what, how to hand in, and how to cite."""

from __future__ import annotations

import gradio as gr

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET, WAITING
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.metrics.station_scores import THINNING_KM
from dambench_hub.storage.manifest import Manifest
from dambench_hub.tasks.benchmark import standing
from dambench_hub.version import __version__

SCORES = (
    (
        "skill",
        "1 − mean over variables of mean over levels of RMSE / RMSE of the background",
        "ranks, in %: the share of the background's error that is gone; RMSE pooled over times",
    ),
    ("MSE", "mean of (e / σ)² over times, channels and cells", "without weights"),
    ("MAE", "mean of |e| / σ over times, channels and cells", "without weights"),
    (
        "RMSE",
        "mean over times of √( mean of w e² over the sphere )",
        "by channel, in its units; pooled: the root after the mean over times",
    ),
    ("bias", "mean of w e over times and the sphere", "by channel, in its units"),
    (
        "SpecDiv",
        "mean over times and channels of Σ S′ log( S′ / Ŝ′ )",
        "S′ and Ŝ′ are the radially averaged power spectra of x and x̂ over the highest tenth of "
        "the wavenumbers, each with sum 1: whether the smallest scales have the right shape",
    ),
    (
        "SpecRes",
        "mean over times and channels of √ mean( (Ŝ′ − S′)² )",
        "the same spectra, their difference",
    ),
    (
        "CRPS",
        "mean of w ( mean |xₘ − x| − Σ |xₘ − xₗ| / (2 M (M − 1)) )",
        "of ensembles of M members, fair form; their other scores are those of the mean. With it: "
        "the ratio of spread to skill, best 1, and the rank histogram, best flat. Of an analysis "
        "with a predicted standard deviation, std in its file, that of a Gaussian",
    ),
)
"""Name, definition and remark of each score."""
AT_STATIONS = (
    (
        "RMSE at stations",
        "√( Σ w e² / Σ w )",
        "ranks; in the units of the channel. The analysis is interpolated to the place of "
        "each station, and temperatures at 2 m to its height",
    ),
    ("skill", "1 − RMSE / RMSE of the background", "in %: the share that is gone"),
    ("bias", "Σ w e / Σ w", "in the units of the channel"),
    ("MAE", "Σ w |e| / Σ w", "in the units of the channel"),
)
"""The same where the reference is reports of stations."""
ADDRESS = "http://localhost:7860"
CITATION = """@misc{dambench,
  title = {DAMBench: a benchmark for deep-learning data assimilation of the atmosphere},
  author = {{The DAMBench maintainers}},
  year = {2026},
}"""


def build(site: Site) -> None:
    """Lay the page out."""
    page = gr.HTML(WAITING, apply_default_css=False, elem_classes="whole")

    def show(request: gr.Request) -> str:
        return about(site, request.headers.get("origin", ADDRESS))

    gr.on(None, show, [], page, **QUIET)


def about(site: Site, address: str) -> str:
    """The page, for a server that is reached at `address`."""
    manifest = site.data.manifest
    facts = {
        "data set": f"{manifest.name}, revision {site.data.revision}",
        "benchmark": standing(site.data.revision),
        "grid": f"{manifest.grid.latitudes} × {manifest.grid.longitudes}, poles included",
        "channels": f"{len(manifest.channels)}: {', '.join(manifest.channels)}",
        "background": f"forecast started {manifest.lead_hours} h before",
        "observations": _observations(manifest),
    }
    return render(
        "about",
        scores=AT_STATIONS if manifest.reference_is_reports else SCORES,
        at_stations=manifest.reference_is_reports,
        thinning_km=THINNING_KM,
        tasks=[site.tasks[name] for name in tasks_in_order(site)],
        facts=facts.items(),
        source=site.source,
        revision=site.data.revision,
        address=address,
        citation=CITATION,
        version=__version__,
        scorer_version=SCORER_VERSION,
        licence=manifest.source.get("licence", "unknown"),
        attribution=manifest.source.get("attribution", ""),
    )


def _observations(manifest: Manifest) -> str:
    if manifest.reference_is_reports:
        return "reports of stations, of which some are withheld for scoring"
    observations = manifest.observations
    return (
        f"{100 * observations.density:g} % of the grid points, with an error of "
        f"{observations.error_scale:g} × the background's, unless the task says otherwise"
    )
