"""The leaderboard: pages to look at and to hand in on, and beside them the scorer.

    python leaderboard_app/app.py --data dambench --store sqlite:///dambench.db [--dev-user NAME]

On one's own machine, `--dev-user` lets whoever sits there hand in; without it, the board can only
be looked at. On a Space, people sign in with their Hugging Face account. Options that are not given
are taken from DAMBENCH_DATA, DAMBENCH_STORE, DAMBENCH_FOLDER, DAMBENCH_ROLE, DAMBENCH_LIMITS,
DAMBENCH_MIRROR, DAMBENCH_DISCARD_UPLOADS and DAMBENCH_BASELINES.
"""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import gradio as gr

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.sign_in import SignIn
from dambench_hub.leaderboard.baseline_records import add_records
from dambench_hub.leaderboard.options import DISCARD_UPLOADS, add_site_options, discards_uploads
from dambench_hub.leaderboard.scorer.process import ScorerProcess
from dambench_hub.leaderboard.site import Site, absolute_url
from dambench_hub.leaderboard.store.mirror import copied_to_hub
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.web import api, theme
from dambench_hub.leaderboard.web.pages import about, board, compare, curves, submission, submit
from dambench_hub.leaderboard.web.server import serve
from dambench_hub.predictions.sandbox.parent import self_test
from dambench_hub.runtime.files import local_path

PAGES = {
    "": ("DAMBench", board),
    "submission": ("Submission", submission),
    "compare": ("Compare", compare),
    "curves": ("Curves", curves),
    "submit": ("Submit", submit),
    "about": ("About", about),
}
"""Title and module of each page, by its path."""
ON_A_SPACE = "SPACE_ID" in os.environ


def parse_args(argv=None):
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    get = os.environ.get
    add_site_options(parser)
    parser.add_argument(
        "--role",
        choices=("both", "front"),
        default=get("DAMBENCH_ROLE", "both"),
        help="front: pages only, with leaderboard_app/scorer.py running elsewhere",
    )
    parser.add_argument(
        "--mirror",
        default=get("DAMBENCH_MIRROR"),
        metavar="ORG/NAME",
        help="private data set repository on the Hub that holds a copy of all results",
    )
    parser.add_argument(
        "--discard-uploads",
        action=argparse.BooleanOptionalAction,
        default=discards_uploads(ON_A_SPACE),
        help="keep no file that was scored, as is done on a Space, whose disk is small",
    )
    parser.add_argument(
        "--baselines",
        type=local_path,
        default=get("DAMBENCH_BASELINES", default_records()),
        metavar="FOLDER",
        help="records of baselines, shown where they are of this data (default: %(default)s)",
    )
    parser.add_argument("--dev-user", metavar="NAME", help="who hands in on this machine")
    parser.add_argument("--host", default="0.0.0.0" if ON_A_SPACE else "127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    return parser.parse_args(argv)


def default_records():
    """Where the records of baselines are: on a Space beside this file, else in the checkout."""
    here = Path(__file__).resolve().parent
    places = (here / "scores", here.parent / "baselines" / "scores")
    return next((place for place in places if place.is_dir()), None)


def assemble(site):
    """All pages, with the endpoints for programs."""
    with gr.Blocks(title="DAMBench leaderboard", fill_width=True) as demo:
        _lay_out(site, "", board)
        api.build(site)
    for path, (title, page) in PAGES.items():
        if path:
            with demo.route(title, path):
                _lay_out(site, path, page)
    return demo


def _lay_out(site, path, page):
    gr.Navbar(visible=False)
    theme.page_header(site, path)
    page.build(site)
    theme.page_footer(site)


def main(argv=None):
    """Open the site, start the scorer, serve."""
    args = parse_args(argv)
    self_test()  # pages read headers of strangers' files, wherever the scorer runs
    url = absolute_url(args.store)
    with copied_to_hub(url, args.mirror):
        site = Site.open(
            args.data,
            url,
            args.folder,
            limits=Limits.read(args.limits) if args.limits else None,
            sign_in=SignIn.choose(args.dev_user, args.host),
        )
        if args.baselines:
            new = add_records(site.store, args.baselines, site.data.revision)
            print(f"{len(new)} baselines are new on the board, from {args.baselines}", flush=True)
        with _scorer(args, site):
            print(f"DAMBench leaderboard on http://{args.host}:{args.port}", flush=True)
            serve(
                site,
                assemble(site),
                host=args.host,
                port=args.port,
                router=api.exports(site),
                **theme.look(),
            )


def _scorer(args, site):
    """The scorer beside the pages, unless it runs elsewhere."""
    if args.role == "front":
        return nullcontext()
    data = local_path(args.data)
    settings = {
        "DAMBENCH_DATA": str(data.absolute() if data.exists() else data),
        "DAMBENCH_STORE": absolute_url(args.store),
        "DAMBENCH_FOLDER": str(site.folder),
        DISCARD_UPLOADS: "yes" if args.discard_uploads else "no",
    }
    if args.limits:
        settings["DAMBENCH_LIMITS"] = str(args.limits.absolute())
    return ScorerProcess(Path(__file__).with_name("scorer.py"), settings)


if __name__ == "__main__":
    try:
        main()
    except DambenchError as error:
        sys.exit(f"Error: {error}")
