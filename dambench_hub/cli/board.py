"""The commands of a ranking: `dambench submit` and `leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dambench_hub.cli.admin import STORE, StoreOption
from dambench_hub.cli.options import DATA, DataOption, File, JsonOption, TaskOption
from dambench_hub.cli.printing import note, print_json, print_rich, rich_console
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path

if TYPE_CHECKING:
    from dambench_hub.leaderboard.store.ranking import Ranking


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
        note(str(error))
    ranking = results.ranking(result.task, result.dataset_revision)
    entry = ranking.entry(local_person(), name)
    if entry is None:
        raise DambenchError(
            f"{name} was taken off the board, and these values of it are recorded already. Look "
            f"with `dambench admin list --store {store}`, and show it again with `dambench admin "
            f"publish ID --store {store}`."
        )
    if folder:
        keep_diagnostics(gatherer, result, entry, folder)
    if entry.result.value_hash != result.value_hash:
        note(f"An earlier result of {name!r} is as good or better, and stands on the board.")
    elif not entry.baseline and (remark := Submissions(results).remark(entry.submission)):
        note(f"{name}: {remark}. A public board would hold it until somebody has looked at it.")
    total = len(ranking.entries)
    print_rich(f"{escape(name)} has rank {entry.rank} of {total} in the task {result.task}.")


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
        print_json([row for ranking in rankings for row in ranking.to_dicts()])
    elif as_csv:
        typer.echo(rankings_csv(rankings), nl=False)
    else:
        _print_boards(rankings)
    if hidden := sum(ranking.hidden for ranking in rankings):
        others = f"{hidden} result{'s' if hidden > 1 else ''} of other data set revisions or scorer"
        advice = board_advice(dataset.manifest) if dataset else "--data chooses a revision."
        note(f"{others} versions {'are' if hidden > 1 else 'is'} not shown. {advice}")


def _submit_to_space(file: Path, space: str, name: str, task: str | None) -> None:
    from dambench_hub.leaderboard.client import submit_to_space

    status = submit_to_space(file, space, name, task=task, tell=note)
    if status["state"] == "rejected":
        listed = "\n".join(f"- {problem}" for problem in status["problems"])
        raise DambenchError(f"{file} cannot be scored:\n{listed}")
    if status["state"] == "held":
        note(f"{name} is scored and held: {status['reason']}. Its id is {status['id']}.")
        return
    if status["reason"]:
        note(f"{name}: {status['reason']}.")
    if status["state"] == "published":
        place = (
            f"rank {status['rank']} of {status['entries']}" if status["rank"] else "no better rank"
        )
        print_rich(f"{escape(name)} has {place} in the task {status['task']}.")
    elif status["state"] == "private":
        print_rich(f"{escape(name)} has the score {status['score']}; you alone see it.")
    else:
        raise DambenchError(f"{name} is {status['state']}.")


def _print_boards(rankings: list[Ranking]) -> None:
    from dambench_hub.cli.board_table import board_table

    console = rich_console()
    for ranking in rankings:
        if ranking.entries:
            console.print(board_table(ranking, console.width))
    if not any(ranking.entries for ranking in rankings):
        console.print("No results yet. Record one: dambench submit FILE --name NAME")
