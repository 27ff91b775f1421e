"""The command `dambench`. Every command is thin: load, call one function, print.

Exit codes: 0 done, 1 the input is wrong (a message, no traceback), 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

from dambench_hub.cli import admin
from dambench_hub.cli.admin import STORE, StoreOption
from dambench_hub.cli.build import build
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.plain_text import print_any_text
from dambench_hub.version import __version__

if TYPE_CHECKING:  # everything else is imported where it is used, so that --help is quick
    from dambench_hub.leaderboard.store.ranking import Ranking

WIDTH_OF_FILES = 160
"""Columns of a table that is not printed to a terminal."""

app = typer.Typer(
    help="DAMBench: score analyses of the atmosphere against a reference.",
    epilog="First steps: dambench build mini --out dambench · dambench tasks · dambench score FILE",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Prediction file, NetCDF-4 or safetensors.")
]
DataOption = Annotated[
    str, typer.Option("--data", metavar="DATA", help="Data set: a folder, or ORG/NAME on the Hub.")
]
DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="Data set: a folder, or ORG/NAME on the Hub.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="Default: the task the file names.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DATA = "dambench"

app.add_typer(admin.app, name="admin")
app.command()(build)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def _dambench(version: VersionOption = False) -> None:
    pass


@app.command()
def validate(file: File, data: DataOption = DATA, task: TaskOption = None) -> None:
    """List everything that keeps FILE from being scored; exit code 1 if there is anything."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.predictions.validation import validate as find_problems

    dataset = load_data(data)
    if problems := find_problems(file, dataset, task):
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DambenchError(f"{file} cannot be scored:\n{listed}")
    revision = f"{dataset.manifest.name}, revision {dataset.revision}"
    _print(f"[green]✓[/] {escape(str(file))} can be scored with {revision}.")


@app.command()
def score(
    file: File, data: DataOption = DATA, task: TaskOption = None, as_json: JsonOption = False
) -> None:
    """Validate FILE and print its scores."""
    from dambench_hub.cli.tables import result_tables
    from dambench_hub.data.dataset import load_data
    from dambench_hub.scoring.evaluation import score as compute_scores

    result = compute_scores(file, load_data(data), task)
    if as_json:
        _print_json(result.to_dict())
    else:
        _print(result_tables(result))


@app.command()
def submit(
    file: File,
    name: Annotated[
        str,
        typer.Option(
            "--name",
            help="What the ranking calls it; METHOD-SEED, like fnp-0, for a training of several.",
        ),
    ],
    data: DataOption = DATA,
    task: TaskOption = None,
    store: StoreOption = STORE,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="Hand FILE in to this leaderboard instead: ORG/NAME of a Space, or an address.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            parser=local_path,
            help="Of a leaderboard on this machine, which then shows maps and spectra of FILE.",
        ),
    ] = None,
) -> None:
    """Validate and score FILE, and record the result in the ranking.

    The same values under the same name are recorded once; a second time does nothing.
    """
    if space:
        _submit_to_space(file, space, name, task)
        return
    from dambench_hub.data.dataset import load_data
    from dambench_hub.leaderboard.accounts.person import local_person
    from dambench_hub.leaderboard.accounts.text_rules import check_name
    from dambench_hub.leaderboard.store.results import DuplicateResult, Store
    from dambench_hub.leaderboard.submissions.lifecycle import Submissions
    from dambench_hub.scoring.evaluation import score as compute_scores

    name, gatherer = check_name(name), None
    if folder:
        from dambench_hub.leaderboard.diagnostics_files import (
            keep_diagnostics,
            score_with_diagnostics,
        )

        result, gatherer = score_with_diagnostics(file, load_data(data), task)
    else:
        result = compute_scores(file, load_data(data), task)
    results = Store(store, create=True)
    try:
        results.add(result, name, file)
    except DuplicateResult as error:
        _note(str(error))
    ranking = results.ranking(result.task, result.dataset_revision)
    entry = ranking.entry(local_person(), name)
    if entry is None:
        raise DambenchError(
            f"{name} was taken off the board, and these values of it are recorded already. Look "
            f"with `dambench admin list --store {store}`, and show it again with `dambench admin "
            f"publish ID --store {store}`."
        )
    if folder and gatherer:
        keep_diagnostics(gatherer, result, entry, folder)
    if entry.result.value_hash != result.value_hash:
        _note(f"An earlier result of {name!r} is as good or better, and stands on the board.")
    elif not entry.baseline and (remark := Submissions(results).remark(entry.submission)):
        _note(f"{name}: {remark}. A public board would hold it until somebody has looked at it.")
    total = len(ranking.entries)
    _print(f"{escape(name)} has rank {entry.rank} of {total} in the task {result.task}.")


@app.command()
def leaderboard(
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Default: all that have results.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DATA", help="Whose revision; default: the newest result's."
        ),
    ] = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")] = False,
) -> None:
    """Print the ranking; results of other data set revisions or scorers are not mixed in."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.data.revision_advice import board_advice
    from dambench_hub.leaderboard.store.exports import rankings_csv
    from dambench_hub.leaderboard.store.results import Store
    from dambench_hub.tasks.task import load_task

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    dataset = load_data(data) if data else None
    results = Store(store)
    names = [load_task(task).name] if task else results.tasks()
    rankings = [results.ranking(name, dataset.revision if dataset else None) for name in names]
    if as_json:
        _print_json([row for ranking in rankings for row in ranking.to_dicts()])
    elif as_csv:
        typer.echo(rankings_csv(rankings), nl=False)
    else:
        _print_boards(rankings)
    if hidden := sum(ranking.hidden for ranking in rankings):
        others = f"{hidden} result{'s' if hidden > 1 else ''} of other data set revisions or scorer"
        advice = board_advice(dataset.manifest) if dataset else "--data chooses a revision."
        _note(f"{others} versions {'are' if hidden > 1 else 'is'} not shown. {advice}")


@app.command()
def tasks(
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Mark the tasks it is fit for.")
    ] = None,
) -> None:
    """List the tasks."""
    from dambench_hub.cli.tables import tasks_table
    from dambench_hub.data.dataset import load_data
    from dambench_hub.tasks.task import task_names

    _print(tasks_table(task_names(), load_data(data) if data else None))


@app.command()
def info(data: DataArgument = DATA) -> None:
    """Describe a data set: grid, channels, splits, observations, licence."""
    from dambench_hub.cli.tables import info_tables
    from dambench_hub.data.dataset import load_data

    _print(info_tables(load_data(data)))


@app.command()
def verify(
    data: DataArgument = DATA,
    full: Annotated[
        bool, typer.Option("--full", help="Compare every byte, not only sizes.")
    ] = False,
) -> None:
    """Compare a data set's files with its manifest; exit code 1 if one is absent or changed."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.storage.manifest import Manifest

    here = local_path(data)
    folder = here if here.exists() else load_data(data).folder
    manifest = Manifest.read(folder)
    if damage := manifest.damage(folder, full):
        listed = "\n".join(f"- {sentence}" for sentence in damage)
        raise DambenchError(f"{data} is damaged:\n{listed}\nFetch or build the data set again.")
    compared = "every byte" if full else "all sizes"
    _print(
        f"[green]✓[/] {manifest.name}, revision {manifest.revision}: {compared} as in the manifest."
    )


@app.command()
def convert(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", parser=local_path, help="Where it goes; new or empty."
        ),
    ],
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="parquet, arrow or hdf5.")
    ],
    data: DataArgument = DATA,
    configs: Annotated[
        list[str] | None,
        typer.Option(
            "--configs",
            metavar="NAMES",
            help="With arrow: configs to write beside multimodal, separated by commas. "
            "Default: those that DATA has.",
        ),
    ] = None,
    keep_bits: Annotated[
        int | None,
        typer.Option(
            "--keep-bits",
            metavar="N",
            help="Round the backgrounds' mantissas to N bits, for smaller files: 1 to 23; "
            "geopotential and pressure need 14 or more. `dambench info` shows the error.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete a data set that stands in --out first.")
    ] = False,
) -> None:
    """Write a data set again in another format, with the same values.

    Interrupted, it goes on where it stopped when it is run again.
    """
    from dambench_hub.building.conversion import convert_dataset

    names = None if configs is None else [n for text in configs for n in text.split(",") if n]
    manifest = convert_dataset(
        data, out, format=format, configs=names, keep_bits=keep_bits, fresh=fresh
    )
    _print(
        f"[green]✓[/] {escape(str(out))}: {manifest.name} in {manifest.format}, revision "
        f"{manifest.revision}, converted from {manifest.source['converted_from']}."
    )


@app.command()
def plot(
    file: File,
    data: DataOption = DATA,
    task: TaskOption = None,
    channel: Annotated[
        str | None, typer.Option("--channel", help="For maps and spectra; default: z500 if there.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", parser=local_path, help="Where the PNGs go."),
    ] = Path("plots"),
) -> None:
    """Draw maps of the errors, errors by channel, and power spectra of FILE."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.plots.figures import plot_prediction

    for path in plot_prediction(file, load_data(data), task, channel=channel, folder=out):
        typer.echo(path)


@app.command()
def install_metric() -> None:
    """Make evaluate.load("dambench_metrics") work from any folder."""
    from dambench_hub.cli.install_metric import install_metric as install

    typer.echo(install())


def main(arguments: list[str] | None = None) -> None:
    """Run a command; what the user can mend is told in a message, without a traceback."""
    print_any_text()
    try:
        app(args=arguments, prog_name="dambench")
    except DambenchError as error:
        _fail(str(error))
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{place}")


def _submit_to_space(file: Path, space: str, name: str, task: str | None) -> None:
    from dambench_hub.leaderboard.client import submit_to_space

    status = submit_to_space(file, space, name, task=task, tell=_note)
    if status["state"] == "rejected":
        listed = "\n".join(f"- {problem}" for problem in status["problems"])
        raise DambenchError(f"{file} cannot be scored:\n{listed}")
    if status["state"] == "held":
        _note(f"{name} is scored and held: {status['reason']}. Its id is {status['id']}.")
        return
    if status["reason"]:
        _note(f"{name}: {status['reason']}.")
    if status["state"] == "published":
        place = (
            f"rank {status['rank']} of {status['entries']}" if status["rank"] else "no better rank"
        )
        _print(f"{escape(name)} has {place} in the task {status['task']}.")
    elif status["state"] == "private":
        _print(f"{escape(name)} has the score {status['score']}; you alone see it.")
    else:
        raise DambenchError(f"{name} is {status['state']}.")


def _fail(message: str) -> None:
    Console(stderr=True).print(
        f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False
    )
    sys.exit(1)


def _note(message: str) -> None:
    Console(stderr=True).print(escape(message), style="yellow", soft_wrap=True, highlight=False)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def _print(content: RenderableType) -> None:
    _console().print(content)


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=1, allow_nan=False))


def _print_boards(rankings: list[Ranking]) -> None:
    from dambench_hub.cli.board_table import board_table

    console = _console()
    for ranking in rankings:
        if ranking.entries:
            console.print(board_table(ranking, console.width))
    if not any(ranking.entries for ranking in rankings):
        console.print("No results yet. Record one: dambench submit FILE --name NAME")
