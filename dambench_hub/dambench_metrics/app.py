"""The page of the metric: two .npy files in, a table of scores out."""

from __future__ import annotations

from typing import Any

import numpy as np

from dambench_hub.errors import DambenchError, ScoreError
from dambench_hub.metrics import Scorer

HEADERS = ["channel", "rmse", "rmse_pooled", "bias", "mse", "mae", "specdiv", "specres"]
EXAMPLE_CHANNELS = ["z500", "t850"]
INTRODUCTION = """# DAMBench scores
Scores of analyses against a reference. Both files are NumPy `.npy` arrays of shape
(sample, channel, latitude, longitude) on a grid with poles, north to south; an analysis may have
an axis `member` after `sample`. The metric card (README.md of this page) defines every score."""


def example_fields() -> tuple[np.ndarray, np.ndarray]:
    """An analysis and a reference, (3, 2, 33, 64): waves in z500 and t850, with small errors."""
    rng = np.random.default_rng(0)
    latitude = np.deg2rad(np.linspace(90, -90, 33))[:, None]
    longitude = np.deg2rad(np.arange(64) * 360 / 64)
    wave = np.cos(latitude) ** 2 * np.cos(5 * longitude)
    mean, std = np.array([54000.0, 270.0]), np.array([1500.0, 8.0])
    noise = 0.1 * rng.normal(size=(2, 3, 2, 33, 64))
    reference, error = wave + noise[0], noise[1]
    scale = std[:, None, None]
    reference = mean[:, None, None] + scale * reference
    return reference + scale * error, reference


def read_field(path: str | None, name: str) -> np.ndarray:
    """Open an uploaded .npy file without reading it into memory.

    Raises:
        ScoreError: When there is none, or it is not a .npy file of numbers.
    """
    if not path:
        raise ScoreError(f"Choose a .npy file for the {name}, or try the example.")
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise ScoreError(
            f"The {name} is not a .npy file of numbers; write it with numpy.save."
        ) from error


def score_table(
    analysis: np.ndarray, reference: np.ndarray, channels: str, std: str
) -> tuple[list[list[Any]], dict[str, Any]]:
    """Scores by channel, in rows of `HEADERS`, and those over all channels.

    Args:
        analysis: (N, C, Y, X) or (N, M, C, Y, X).
        reference: (N, C, Y, X).
        channels: Names separated by commas; empty for c0, c1 …
        std: Numbers separated by commas; empty for 1.

    Raises:
        DambenchError: When the input has no score.
    """
    try:
        scale = [float(number) for number in std.split(",")] if std.strip() else None
    except ValueError as error:
        raise ScoreError(f"std must be numbers separated by commas, got {std!r}.") from error
    names = [name.strip() for name in channels.split(",")] if channels.strip() else None
    scorer = Scorer(names, std=None if scale is None else np.array(scale))
    scorer.update(analysis, reference)
    scores = scorer.compute()
    columns = [scores.get(f"{name}_by_channel", scores[name]) for name in HEADERS[1:]]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    overall = {name: scores[name] for name in ("mse", "mae", "specdiv", "specres")}
    ensemble = {name: scores[name] for name in ("crps", "spread_skill") if name in scores}
    return rows, overall | ensemble


def build() -> Any:
    """The page, a `gradio.Blocks`."""
    import gradio as gr

    def score(analysis: str, reference: str, channels: str, std: str) -> Any:
        try:
            fields = read_field(analysis, "analysis"), read_field(reference, "reference")
            return score_table(*fields, channels, std)
        except DambenchError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def score_example() -> Any:
        return score_table(*example_fields(), ",".join(EXAMPLE_CHANNELS), "1500, 8")

    with gr.Blocks(title="DAMBench scores") as page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            analysis = gr.File(label="Analysis (.npy)", file_types=[".npy"])
            reference = gr.File(label="Reference (.npy)", file_types=[".npy"])
        with gr.Row():
            channels = gr.Textbox(label="Channels", placeholder="z500, t850")
            std = gr.Textbox(label="Standard deviation of each channel", placeholder="1500, 8")
        with gr.Row():
            run = gr.Button("Score", variant="primary")
            try_example = gr.Button("Try an example")
        table = gr.Dataframe(headers=HEADERS, label="By channel", interactive=False)
        overall = gr.JSON(label="Over all channels")
        run.click(score, [analysis, reference, channels, std], [table, overall], api_name="score")
        try_example.click(score_example, None, [table, overall], api_name="example")
    return page


if __name__ == "__main__":
    build().launch(max_file_size="1gb")
