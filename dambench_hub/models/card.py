"""The card of a trained model: README.md as the Hub reads it, and `.eval_results/`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from dambench_hub.coordinates.variables import HEADLINE_CHANNELS
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.entry_points import packaged_code
from dambench_hub.models.pretrained import (
    TRAINING_FILE,
    model_name,
    read_config,
    read_method,
    training_file,
    training_record,
)
from dambench_hub.models.registry import METHODS, MULTI, method_class
from dambench_hub.runtime.files import write_atomic
from dambench_hub.tasks.task import load_task
from dambench_hub.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry, ModelCard

    from dambench_hub.data.dataset import Data

CARD = "README.md"
EVAL_RESULTS = ".eval_results/dambench.yaml"
"""Where the Hub looks for the ranked score of a model."""

RANKED = ("unimodal", "multimodal")
"""The tasks that have a leaderboard on the Hub."""

LABELS = {
    "skill": "skill",
    "mse": "MSE",
    "mae": "MAE",
    "specdiv": "SpecDiv",
    "specres": "SpecRes",
    "rmse": "RMSE",
}
LICENSE = "apache-2.0"


@dataclass(frozen=True)
class Scored:
    """The scores of one task, as `dambench score --json` printed them.

    Attributes:
        task: Its name.
        dataset_revision: Of the data set.
        scorer_version: Of the scores' definition.
        scores: See `Scorer.compute`.
    """

    task: str
    dataset_revision: str
    scorer_version: str
    scores: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, data: Data | None = None) -> Scored:
        """Read a file of scores.

        Args:
            path: What `dambench score FILE --json` printed.
            data: The data set, to which the scores must belong.

        Raises:
            DataError: When it is another file, or of another revision of the data set.
        """
        try:
            raw = json.loads(path.read_text("utf-8"))
            scored = cls(
                raw["task"], raw["dataset_revision"], raw["scorer_version"], dict(raw["scores"])
            )
            scored.scores["mse"], scored.scores["rmse"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} holds no scores ({error!r}). Write them with "
                "`dambench score FILE --data DATA --json > scores.json`."
            ) from error
        if data is not None and data.revision != scored.dataset_revision:
            raise DataError(
                f"{path} is of data set revision {scored.dataset_revision}, the data set given has "
                f"{data.revision}. Score the prediction with this data set, or give the other one."
            )
        return scored

    @property
    def skill(self) -> float | None:
        """`skill` in %; None in scores of version 1, which had another one."""
        return self.scores.get("skill")


@dataclass(frozen=True)
class About:
    """What a card says besides what the model itself knows.

    Attributes:
        model: Folder or Hub id, for the lines that load it.
        name: What the model is called.
        text: Description of the method, Markdown.
        scores: One for each task that was scored.
        data: Folder or Hub id of the data set.
        dataset_id: Id of the data set on the Hub, None if it is not there.
        license: Of the weights, as the Hub writes it.
        training: See `training_record`.
    """

    model: str
    name: str
    text: str = ""
    scores: Sequence[Scored] = ()
    data: str = "dambench"
    dataset_id: str | None = None
    license: str = LICENSE
    training: Mapping[str, Any] = field(default_factory=dict)


def write_model_card(folder: Path, **about: Any) -> Path:
    """Write a trained model's README.md, `training.yaml` and `.eval_results/dambench.yaml`.

    What is not known is left out: without scores the card has no table, and without skill or the
    data set's id there is no ranked score.

    Args:
        folder: Of the model.
        **about: Fields of `About`; `model`, `name` and `training` are found out.

    Returns:
        The path of the README.md, which is replaced if there is one.

    Raises:
        DataError: When the folder is not that of a trained model, or scores are of other channels.
        TaskError: When its method is one that is fitted, or not known.
    """
    import torch

    method = read_method(folder)
    model_class: Any = method_class(method)
    if not model_class.needs_training:
        raise TaskError(f"{method} is fitted where it is used; only trained models have cards.")
    with torch.device("meta"):  # the numbers do not matter here, and may be many
        model = model_class(**read_config(folder, model_class))
    training = training_record(folder)
    described = About(model=str(folder), name=model_name(folder), training=training, **about)
    for scored in described.scores:
        if set(scored.scores["rmse"]) != set(model.channels):
            raise DataError(
                f"The scores of the task {scored.task} are of {len(scored.scores['rmse'])} "
                f"channels, the model has {len(model.channels)} or others. Score its own analyses."
            )
    if noted := training_file(folder):
        write_atomic(folder / TRAINING_FILE, noted.read_bytes())
    (folder / EVAL_RESULTS).unlink(missing_ok=True)
    if entries := _eval_result_entries(described):
        from huggingface_hub import eval_result_entries_to_yaml

        write_atomic(folder / EVAL_RESULTS, _yaml(eval_result_entries_to_yaml(entries)))
    write_atomic(folder / CARD, str(model_card(model, described)))
    return folder / CARD


def model_card(model: Any, about: About) -> ModelCard:
    """The card of a model.

    Args:
        model: A `LearnedAssimilator`.
        about: What else is known of it.
    """
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(
        model_name=about.name,
        eval_results=list(_eval_results(about)) or None,
        library_name="dambench",
        license=about.license,
        pipeline_tag="other",
        tags=["data-assimilation", "weather", "climate", model.name],
        datasets=[about.dataset_id] if about.dataset_id else None,
        metrics=list(LABELS)[:1] if not about.scores else list(LABELS),
    )
    template = Template(files("dambench_hub.models").joinpath("model_card.md").read_text("utf-8"))
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{template.substitute(_text(model, about))}")


def point_to(card: str, model: str) -> str:
    """A card whose lines of code load the model from another place."""
    return re.sub(r'((?:from_pretrained|load_method)\()"[^"]*"', rf'\1"{model}"', card)


def _text(model: Any, about: About) -> dict[str, str]:
    """What the template is filled with."""
    settings = json.loads(json.dumps(model._hub_mixin_config))  # tuples become lists
    task = "multimodal" if model.name.startswith(MULTI) else "unimodal"
    class_name, code = METHODS.get(model.name), packaged_code(type(model))
    return {
        "title": f"{about.name}: data assimilation with `{model.name}`",
        "text": _body(about.text) or (type(model).__doc__ or "").partition("\n")[0],
        "facts": "\n".join(f"| {name} | {value} |" for name, value in _facts(model, about)),
        "import_name": class_name or "load_method",
        "load": f"{class_name}.from_pretrained" if class_name else "load_method",
        "model": about.model,
        "data": about.dataset_id or about.data,
        "task": task,
        "shape": f"1, {len(model.channels)}, {model.grid.latitudes}, {model.grid.longitudes}",
        "scores": _score_section(about.scores),
        "packages": '"dambench-hub[train]"' + (f" {code.split()[0]}" if code else ""),
        "configuration": _yaml(settings).rstrip(),
    }


def _facts(model: Any, about: About) -> Iterator[tuple[str, str]]:
    """Rows of the card's first table: what is known."""
    names = ", ".join(model.channels[:6]) + (" …" if len(model.channels) > 6 else "")
    yield "method", f"`{model.name}`"
    yield "parameters", f"{model.parameter_count:,}"
    yield "state", f"{len(model.channels)} channels ({names}) on {model.grid}"
    known = about.training
    if "data_name" in known:
        yield "trained on", f"{known['data_name']}, revision `{known.get('data_revision', '?')}`"
    if "command" in known:
        yield "training command", f"`{known['command']}`; settings in `{TRAINING_FILE}`"
    yield "package", f"dambench-hub {known.get('version', __version__)}"
    if code := known.get("method_package") or packaged_code(type(model)):
        yield "the method's package", code


def _body(text: str) -> str:
    """Markdown without its YAML header and its title, which the card has itself."""
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return re.sub(r"\A\s*# .*\n", "", text).strip()


def _score_section(scores: Sequence[Scored]) -> str:
    """One row for each task."""
    if not scores:
        return ""
    shown = [name for name in HEADLINE_CHANNELS if any(name in s.scores["rmse"] for s in scores)]
    heads = ["task", "skill %", "MSE", "MAE", "SpecDiv", *shown, "data set revision", "scorer"]
    rows = [
        [
            f"`{s.task}`",
            "" if s.skill is None else f"{s.skill:.1f}",
            _number(s.scores["mse"]),
            *(_number(s.scores.get(name)) for name in ("mae", "specdiv")),
            *(_number(s.scores["rmse"].get(name)) for name in shown),
            f"`{s.dataset_revision}`",
            s.scorer_version,
        ]
        for s in scores
    ]
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    explained = (
        "skill: share of the background's RMSE that is gone, mean over variables; MSE, MAE: in\n"
        "units of each channel's variability; channels: latitude-weighted RMSE in ERA5's units."
    )
    return "\n".join(["", "## Scores", "", *lines, "", explained, ""])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _eval_results(about: About) -> Iterator[EvalResult]:
    """All numbers of all tasks, for the card's `model-index`; histograms are no numbers."""
    from huggingface_hub import EvalResult

    for scored in about.scores:
        task = load_task(scored.task)
        single_first = sorted(scored.scores.items(), key=lambda item: isinstance(item[1], Mapping))
        for name, value in single_first:
            metric = name.removesuffix("_by_channel")
            label = LABELS.get(metric, metric)
            numbers = {label: value}
            if isinstance(value, Mapping):
                numbers = {f"{label} {channel}": each for channel, each in value.items()}
            for metric_name, number in numbers.items():
                if isinstance(number, int | float):
                    yield EvalResult(
                        task_type="data-assimilation",
                        task_name=task.description,
                        dataset_type=about.dataset_id or about.data,
                        dataset_name="DAMBench",
                        # Results of one config are merged, and tasks must stay apart.
                        dataset_config=task.name,
                        dataset_split=task.split,
                        dataset_revision=scored.dataset_revision,
                        metric_type=metric,
                        metric_name=metric_name,
                        metric_value=number,
                    )


def _eval_result_entries(about: About) -> list[EvalResultEntry]:
    """The ranked scores: higher must be better on the Hub, so it is the skill in %."""
    from huggingface_hub import EvalResultEntry

    return [
        EvalResultEntry(
            dataset_id=about.dataset_id,
            task_id=scored.task,
            value=round(scored.skill, 2),
            notes=f"skill in %; MSE {scored.scores['mse']:.6g}; data set revision "
            f"{scored.dataset_revision}, scorer version {scored.scorer_version}",
        )
        for scored in about.scores
        if about.dataset_id and scored.task in RANKED and scored.skill is not None
    ]


def _yaml(content: Any) -> str:
    return yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
