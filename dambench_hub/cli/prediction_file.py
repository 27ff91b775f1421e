"""The commands of one prediction file: `dambench validate`, `score` and `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dambench_hub.cli.options import DATA, DataOption, File, JsonOption, TaskOption
from dambench_hub.cli.printing import print_json, print_rich
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data


def validate(file: File, data: DataOption = DATA, task: TaskOption = None) -> None:
    """List everything that keeps FILE from being scored; exit code 1 if there is anything."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.predictions.validation import validate as find_problems

    dataset = load_data(data)
    if problems := find_problems(file, dataset, task):
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DambenchError(f"{file} cannot be scored:\n{listed}")
    revision = f"{dataset.manifest.name}, revision {dataset.revision}"
    print_rich(f"[green]✓[/] {escape(str(file))} can be scored with {revision}.")


def score(
    file: File, data: DataOption = DATA, task: TaskOption = None, as_json: JsonOption = False
) -> None:
    """Validate FILE and print its scores."""
    from dambench_hub.cli.tables import result_tables
    from dambench_hub.data.dataset import load_data
    from dambench_hub.scoring.evaluation import score as compute_scores

    result = compute_scores(file, load_data(data), task)
    if as_json:
        print_json(result.to_dict())
    else:
        print_rich(result_tables(result))


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
    """Draw maps of the errors, errors by channel, and power spectra of FILE.

    Where the reference is reports, draw errors at stations.
    """
    from dambench_hub.data.dataset import load_data
    from dambench_hub.plots.figures import plot_prediction

    dataset = load_data(data)
    if dataset.manifest.reference_is_reports:
        typer.echo(_plot_stations(file, dataset, task, channel, out))
        return
    for path in plot_prediction(file, dataset, task, channel=channel, folder=out):
        typer.echo(path)


def _plot_stations(
    file: Path, data: Data, task: str | None, channel: str | None, folder: Path
) -> Path:
    from dambench_hub.errors import ChannelError, did_you_mean
    from dambench_hub.plots.stations import plot_stations
    from dambench_hub.scoring.evaluation import score as compute_scores

    name = channel or data.channels[0]
    if name not in data.channels:
        raise ChannelError(f"There is no channel {name!r}. {did_you_mean(name, data.channels)}")
    result = compute_scores(file, data, task)
    assert result.station_errors is not None  # these are what such a data set is scored with
    places = result.station_errors.at_places(name)
    caption = (
        f"{result.attributes['model_name']}  ·  task {result.task}  ·  {result.dataset}, revision "
        f"{result.dataset_revision}"
    )
    return plot_stations(places, name, caption, folder / f"{file.stem}_stations_{name}.png")
