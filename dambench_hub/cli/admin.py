"""The commands `dambench admin …`: review submissions, and back up, restore and mirror a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path

if TYPE_CHECKING:  # everything else is imported where it is used, so that --help is quick
    from dambench_hub.leaderboard.accounts.person import Person
    from dambench_hub.leaderboard.store.schema import State
    from dambench_hub.leaderboard.submissions.lifecycle import Submission, Submissions

STORE = "sqlite:///dambench.db"

app = typer.Typer(
    help="Keep a store: review submissions, copy it, restore it.", no_args_is_help=True
)

StoreOption = Annotated[
    str, typer.Option("--store", metavar="URL", help="Where results are kept, an SQLAlchemy URL.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the submission, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
RepoOption = Annotated[
    str, typer.Option("--repo-id", metavar="ORG/NAME", help="Private data set repository.")
]


@app.command("list")
def list_submissions(
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only these, like held.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Only its own.")
    ] = None,
    store: StoreOption = STORE,
) -> None:
    """List submissions, in the order of receipt."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found = _submissions(store).all(_state(state), task)
    table = Table("id", "received", "state", "task", "name", "owner", box=None, pad_edge=False)
    for one in found:
        owner = f"{one.owner.name} ({one.owner.id})"
        texts = (one.id, one.received_at, str(one.state), one.task, one.name, owner)
        table.add_row(*map(escape, texts))
    if found:
        Console(width=200, highlight=False).print(table)
    else:
        typer.echo("No submissions.")


@app.command()
def show(id: Id, store: StoreOption = STORE) -> None:
    """Print all that is known of a submission, as JSON."""
    submissions = _submissions(store)
    one = _find(submissions, id)
    result = submissions.store.result(one.id)
    known = {**vars(one), "owner": vars(one.owner)}
    known["events"] = [{"at": at, **vars(event)} for at, event in submissions.events(one.id)]
    known["result"] = result.to_dict() if result else None
    typer.echo(json.dumps(known, indent=1, allow_nan=False))


@app.command()
def hold(id: Id, reason: Reason, store: StoreOption = STORE) -> None:
    """Hide a submission until somebody has looked at it; its owner does not see the reason."""
    _decide("hold", id, reason, store, "held for review")


@app.command()
def publish(id: Id, reason: Reason = "", store: StoreOption = STORE) -> None:
    """Show a submission that is held, private or withdrawn."""
    _decide("publish", id, reason, store, "published")


@app.command()
def withdraw(id: Id, reason: Reason, store: StoreOption = STORE) -> None:
    """Take a submission off the board; it stays in the history, with the reason."""
    _decide("withdraw", id, reason, store, "withdrawn")


@app.command()
def reproduced(
    id: Id,
    undo: Annotated[
        bool, typer.Option("--undo", help="It was not: call it self-reported again.")
    ] = False,
    reason: Reason = "",
    store: StoreOption = STORE,
) -> None:
    """Say that you made the prediction yourself, with the same scores, from what was published."""
    from dambench_hub.leaderboard.store.schema import Badge

    badge = Badge.SELF_REPORTED if undo else Badge.REPRODUCED
    submissions = _submissions(store)
    one = _find(submissions, id)
    submissions.award(one.id, _keeper(), badge, reason)
    typer.echo(f"{one.name} is {badge}.")


@app.command()
def rescore(store: StoreOption = STORE) -> None:
    """Queue everything published that an older scorer scored; old scores stay in the history."""
    queued, lacking = _submissions(store).rescore(_keeper())
    typer.echo(f"{len(queued)} submissions are in the queue again.")
    for one in lacking:
        typer.echo(f"{one.name} ({one.task}): its file was not kept, submit it again.")


@app.command()
def backup(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", parser=local_path, help="Where the copy goes.")
    ],
    store: StoreOption = STORE,
) -> None:
    """Copy a SQLite store while it is in use, and check the copy."""
    from dambench_hub.leaderboard.store.backup import back_up
    from dambench_hub.leaderboard.store.results import Store

    typer.echo(f"{out}: sha256 {back_up(Store(store), out)}")


@app.command()
def restore(
    copy: Annotated[
        Path | None, typer.Argument(metavar="[BACKUP]", help="A copy, or a folder of copies.")
    ] = None,
    from_records: Annotated[
        str | None,
        typer.Option("--from-records", metavar="PLACE", help="A folder, or ORG/NAME on the Hub."),
    ] = None,
    store: StoreOption = STORE,
) -> None:
    """Make a store that is not there from a copy, or from its records on the Hub."""
    from dambench_hub.leaderboard.store.backup import restore as restore_copy
    from dambench_hub.leaderboard.store.mirror import download_records
    from dambench_hub.leaderboard.store.records import read_records, restore_records

    if (copy is None) == (from_records is None):
        raise typer.BadParameter("give one of BACKUP and --from-records")
    if copy is not None:
        typer.echo(f"{store} is restored from {restore_copy(copy, store, _say)}.")
        return
    place = local_path(str(from_records))
    found = list(read_records(place) if place.exists() else download_records(str(place), _say))
    restore_records(store, found).close()
    typer.echo(f"{store} is restored from {len(found)} records.")


@app.command()
def mirror(repo_id: RepoOption, store: StoreOption = STORE) -> None:
    """Send to the Hub what it does not hold: a record for everything that ever happened."""
    from dambench_hub.leaderboard.store.mirror import mirror as send
    from dambench_hub.leaderboard.store.results import Store

    count = send(Store(store), repo_id, _say)
    typer.echo(f"{repo_id} holds all records, {count} of them new.")


def _submissions(store: str) -> Submissions:
    from dambench_hub.leaderboard.store.results import Store
    from dambench_hub.leaderboard.submissions.lifecycle import Submissions

    return Submissions(Store(store))


def _find(submissions: Submissions, start: str) -> Submission:
    """The one submission whose id begins like this."""
    found = [one for one in submissions.all() if one.id.startswith(start.lower())]
    if len(found) != 1:
        raise DambenchError(
            f"{len(found)} submissions have an id that begins with {start!r}; "
            "give one of `dambench admin list`."
        )
    return found[0]


def _decide(decision: str, start: str, reason: str, store: str, outcome: str) -> None:
    """Call the method of `Submissions` named `decision`, and say what came of it."""
    submissions = _submissions(store)
    one = _find(submissions, start)
    getattr(submissions, decision)(one.id, _keeper(), reason)
    typer.echo(f"{one.name} is {outcome}.")


def _keeper() -> Person:
    from dambench_hub.leaderboard.accounts.person import ADMINISTRATOR, local_person

    return local_person(ADMINISTRATOR)


def _state(name: str | None) -> State | None:
    from dambench_hub.errors import did_you_mean
    from dambench_hub.leaderboard.store.schema import State

    if name is None:
        return None
    if name not in list(State):
        raise DambenchError(f"Unknown state {name!r}. {did_you_mean(name, map(str, State))}")
    return State(name)


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
