"""The command `dambench`. Every command is thin: load, call one function, print.

Exit codes: 0 done, 1 the input is wrong (a message, no traceback), 2 wrong usage.

Commands import what they need when they run, so that --help is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from dambench_hub.cli import admin
from dambench_hub.cli.board import leaderboard, submit
from dambench_hub.cli.build import build
from dambench_hub.cli.data_set import convert, info, tasks, verify
from dambench_hub.cli.export import export
from dambench_hub.cli.prediction_file import plot, score, validate
from dambench_hub.cli.printing import fail
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.plain_text import print_any_text
from dambench_hub.runtime.signals import terminable
from dambench_hub.version import __version__

app = typer.Typer(
    help="DAMBench: score analyses of the atmosphere against a reference.",
    epilog="First steps: dambench build mini --out dambench · dambench tasks · dambench score FILE",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(admin.app, name="admin")
of_scores, of_data = (validate, score, submit, leaderboard), (tasks, info, verify, convert, export)
for command in (build, *of_scores, *of_data, plot):
    app.command()(command)


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
def install_metric() -> None:
    """Make evaluate.load("dambench_metrics") work from any folder."""
    from dambench_hub.cli.install_metric import install_metric as install

    typer.echo(install())


def main(arguments: list[str] | None = None) -> None:
    """Run a command; what the user can mend is told in a message, without a traceback."""
    print_any_text()
    try:
        with terminable():
            app(args=arguments, prog_name="dambench")
    except DambenchError as error:
        fail(str(error))
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        fail(f"{error.strerror or error}{place}")
