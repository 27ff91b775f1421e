"""A wrong order is noticed from the values alone, and no method is refused for being bad."""

import dataclasses

import numpy as np
import pytest

from dambench_hub import testing
from dambench_hub.building.builder import build_dataset
from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import PredictionError
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable
from dambench_hub.observations.window import Window
from dambench_hub.predictions.order import Observed, OrderCheck
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.tasks.task import load_task

TIMES = 12


def of_times(folder):
    """A tiny data set with TIMES six-hourly times a split."""
    first = {"train": "2001-03-01", "validation": "2023-03-01", "test": "2024-02-27"}
    times = {name: np.datetime64(day, "h") + 6 * np.arange(TIMES) for name, day in first.items()}
    testing.write_tiny_dataset(folder, times=times, modalities=())
    return load_data(folder)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """The data set, and the fields of its test: backgrounds and references, (N, C, Y, X)."""
    data = of_times(tmp_path_factory.mktemp("order") / "tiny")
    batch = next(data.batches("unimodal", batch_size=TIMES))
    return data, batch.background, batch.reference


def require_in_order(data, analyses):
    check = OrderCheck(data, load_task("unimodal"))
    for place, field in enumerate(analyses):
        check.require_own(place, field)


def test_a_time_without_observations_tells_nothing(fields, monkeypatch):
    data, _, reference = fields
    check = OrderCheck(data, load_task("unimodal"))
    known, nothing = check.observed, Observed(*np.empty((4, 0), int))
    monkeypatch.setattr(check, "observed", lambda place: nothing if place == 3 else known(place))
    for place, field in enumerate(reference):
        check.require_own(place, field)
    check.require_own(3, reference[5])
    with pytest.raises(PredictionError, match="not its own"):
        check.require_own(2, reference[5])
    check.require_own(2, np.full_like(reference[2], 1e9))  # which no time fits


@pytest.mark.parametrize(
    "order",
    [
        [*range(0, TIMES, 2), *range(1, TIMES, 2)],
        [*range(1, TIMES), 0],
        [TIMES - 1, *range(TIMES - 1)],
        [*range(TIMES - 2), TIMES - 1, TIMES - 2],
        list(np.random.default_rng(0).permutation(TIMES)),
    ],
    ids=["gathered", "one late", "one early", "two swapped", "shuffled"],
)
@pytest.mark.parametrize("share", [0.0, 0.9, 1.0], ids=["background", "good", "reference"])
def test_another_order_is_noticed(fields, order, share):
    data, background, reference = fields
    analyses = background + np.float32(share) * (reference - background)
    require_in_order(data, analyses)
    members = np.stack([analyses - 1e-3 * abs(analyses), analyses + 1e-3 * abs(analyses)], axis=1)
    require_in_order(data, members)
    for wrong in analyses[order], members[order]:
        with pytest.raises(PredictionError, match="fits the observations of .* not its own"):
            require_in_order(data, wrong)


def bad_methods(data, background, reference):
    mean, std = (a[:, None, None] for a in (data.statistics.mean, data.statistics.std))
    noise = np.random.default_rng(1).standard_normal(background.shape)
    yield "climate", np.broadcast_to(mean, background.shape)
    yield "mean of the test", np.broadcast_to(reference.mean(0), background.shape)
    yield "yesterday", np.concatenate([reference[:1], reference[:-1]])
    yield "always the first", np.broadcast_to(background[0], background.shape)
    yield "nothing", np.zeros_like(background)
    yield "noise", mean + std * noise
    yield "noisy", background + 3 * std * noise
    yield "upside down", background[..., ::-1, :]
    yield "diverging", background + std * 10.0 ** np.arange(TIMES)[:, None, None, None]
    yield "too far", reference + 4 * (background - reference)


def test_no_method_is_refused_for_being_bad(fields):
    for name, analyses in bad_methods(*fields):
        try:
            require_in_order(fields[0], np.asarray(analyses, "f4"))
        except PredictionError as error:
            pytest.fail(f"{name}: {error}")


def test_slow_weather_is_in_order(tmp_path):
    """From each time to the next hardly anything happens, and a background is a day old."""

    class Slow(testing.TinyAtmosphere):
        def read(self, split, index):
            first, last = super().read(split, 0), super().read(split, 1)
            at = [
                {n: (1 - w) * first[n] + w * last[n] for n in first}
                for w in (index / TIMES, max(0, index - 4) / TIMES)
            ]
            return {**at[0], "background": at[1]["reference"]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "TinyAtmosphere", Slow)
        data = of_times(tmp_path / "slow")
    batch = next(data.batches("unimodal", batch_size=TIMES))
    for share in 0.0, 0.5, 1.0, -3.0:
        change = np.float32(share) * (batch.reference - batch.background)
        require_in_order(data, batch.background + change)


def test_it_is_the_writer_who_looks(fields, tmp_path):
    data, background, _ = fields
    gathered = [*range(0, TIMES, 2), *range(1, TIMES, 2)]
    settings = {"task": "unimodal", "data": data, "model_name": "m"}
    analyses = (Analysis(background[[index]]) for index in gathered)
    with pytest.raises(PredictionError, match="not its own.*time=batch.time"):
        write_predictions(tmp_path / "x.nc", analyses, **settings)
    assert list(tmp_path.iterdir()) == []


class NearReports(testing.TinyAtmosphere):
    """Backgrounds that are what the reports of their own time say, and nothing of others'."""

    def read(self, split, index):
        return {"background": np.full((1, *self.plan.grid.shape), 250 + 20 * index, "f4")}

    def source(self):
        def read_reports(split):
            times = self.plan.times[split]
            station = np.tile(np.arange(30), len(times))
            return ObservationTable.from_columns(
                time=np.repeat(times, 30),
                latitude=2.0 * station,
                longitude=5.0 * station,
                elevation=0.0,
                variable="t2m",
                value=np.repeat(250.0 + 20 * np.arange(len(times)), 30),
                error_std=1.0,
                station=station.astype(str),
                report="synop",
                quality=Quality.GOOD,
                withheld=station % 5 == 0,
            )

        return dataclasses.replace(super().source(), read_reports=read_reports)


def test_reports_tell_the_order_where_nothing_else_is_observed(tmp_path):
    plan = testing.tiny_plan(
        channels=("t2m",),
        modalities=(),
        times={"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)},
        observations=ObservationSettings(),
        reports_window=Window(-3, 0),
        reference_is_reports=True,
    )
    build_dataset(tmp_path, plan, lambda work: NearReports(plan).source())
    data = load_data(tmp_path)
    check = OrderCheck(data, load_task("synop"))
    fields = [data.background("test", index) for index in range(3)]
    for place, field in enumerate(fields):
        check.require_own(place, field)
    with pytest.raises(PredictionError, match="in another order"):
        check.require_own(0, fields[2])
