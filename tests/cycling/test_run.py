"""Cycles of many days: better than a free run, resumable to the bit, and honest when they fail."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from turning_world import CHANNELS, GRID, Turning

from dambench_hub.cycling.run import CHECKPOINT
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.errors import DataError, ForecastError
from dambench_hub.models.background import Background
from dambench_hub.models.base import Assimilator
from dambench_hub.models.letkf import LETKF
from dambench_hub.models.var3d import Var3D


def finish(run, first, cycles=None):
    for number, _ in enumerate(run.run(first), 1):
        if number == cycles:
            break
    return run.record


def test_a_perfect_model_keeps_its_error_and_observations_lower_it(make_run, training):
    free = finish(*make_run(Background(), name="free.nc"))
    np.testing.assert_allclose(free.arrays["analysis_error"], free.arrays["background_error"])
    errors = free.normalised("analysis_error")
    np.testing.assert_allclose(errors, errors[0])
    cycled = finish(*make_run(Var3D.fit(training)))
    assert cycled.done == 24 and cycled.lost is None
    assert cycled.overall("analysis_error", 10) < 0.5 * free.overall("analysis_error", 10)


def test_an_ensemble_knows_its_error(make_run, training):
    record = finish(
        *make_run(
            LETKF.fit(training, relaxation=0.5, additive_inflation=0), damping=0.02, members=12
        )
    )
    error, spread = (record.overall(f"background_{name}", 5) for name in ("error", "spread"))
    assert 0.4 < spread / error < 2
    assert np.all(record.arrays["analysis_spread"][5:] < record.arrays["background_spread"][5:])


def test_forecasts_start_from_analyses_and_end_where_references_do(make_run, training):
    run, first = make_run(Var3D.fit(training), every=3)
    record = finish(run, first)
    forecast = record.arrays["forecast_error"]
    begun = np.isfinite(forecast[..., 0])
    assert [list(row) for row in begun] == [
        [n % 3 == 0 and n + lead < 24 for lead in range(1, 6)] for n in range(24)
    ]
    # A day's forecast from an analysis is the next background.
    np.testing.assert_allclose(forecast[3, 0], record.arrays["background_error"][4], rtol=1e-6)
    assert np.isnan(record.arrays["ensemble_error"]).all()


def test_members_are_forecast_too(make_run, training):
    run, first = make_run(LETKF.fit(training), members=6, every=4)
    record = finish(run, first)
    np.testing.assert_allclose(
        record.arrays["ensemble_error"][4, 0], record.arrays["background_error"][5], rtol=1e-5
    )
    np.testing.assert_allclose(
        record.arrays["ensemble_spread"][4, 0], record.arrays["background_spread"][5], rtol=1e-5
    )


def test_interrupted_and_uninterrupted_give_the_same_bits(make_run, training):
    method = LETKF.fit(training)
    whole, first = make_run(method, members=5, name="whole.nc", keep_members=True)
    finish(whole, first)
    begun, _ = make_run(method, members=5, name="cut.nc", keep_members=True)
    finish(begun, first, cycles=7)
    resumed, _ = make_run(method, members=5, name="cut.nc", keep_members=True)
    assert resumed.record.done == 7 and resumed.left == 17
    finish(resumed, None)
    np.testing.assert_array_equal(resumed.states, whole.states)
    for name, array in whole.record.arrays.items():
        np.testing.assert_array_equal(resumed.record.arrays[name], array)
    kept = [sorted(run.parts.folder.glob("*.npz")) for run in (whole, resumed)]
    assert len(kept[0]) == 24
    for pair in zip(*kept, strict=True):
        one, other = (np.load(path)["analysis"] for path in pair)
        assert one.shape == (5, 2, 9, 16)
        np.testing.assert_array_equal(one, other)


def test_a_forecast_that_blows_up_ends_the_cycle(make_run):
    run, first = make_run(Background(), damping=-1e15)
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(
            ForecastError,
            match=r"of background diverged: the \w+ is not finite in cycle \d+, 2024",
        ),
    ):
        finish(run, first)
    assert 1 < run.record.done < 24 and "not finite" in run.record.diverged
    assert len(list(run.parts.folder.glob("*.npz"))) == run.record.done
    assert load_file(run.parts.folder / CHECKPOINT)["done"] == run.record.done
    assert not run.parts.out.exists()


class Broken(Assimilator):
    """Gives no number from the third day on."""

    name = "broken"

    def assimilate(self, batch, generator=None):
        late = batch.time[0] >= np.datetime64("2024-01-03")
        return Background().assimilate(batch) if not late else nothing(batch)


def nothing(batch):
    from dambench_hub.data.batch import Analysis

    return Analysis(mean=np.full_like(batch.background, np.nan), time=batch.time)


def test_an_analysis_that_is_none_ends_the_cycle(make_run):
    run, first = make_run(Broken())
    with pytest.raises(ForecastError, match="the analysis is not finite in cycle 3, 2024-01-03"):
        finish(run, first)
    assert run.record.done == 2


def test_a_damaged_checkpoint_is_named(make_run):
    run, first = make_run(Background())
    finish(run, first, cycles=2)
    (run.parts.folder / CHECKPOINT).write_bytes(b"no")
    with pytest.raises(DataError, match=r"cycle.safetensors cannot be read .* Delete"):
        make_run(Background())


class Shining(Turning):
    """Turning, with radiation that says when a forecast ends."""

    mean_names = ("olr",)

    def advance_with_means(self, states, hours, start=None):
        day = (start - np.datetime64("2024-01-01")) / np.timedelta64(hours, "h") + 1
        return self.advance(states, hours, start), {"olr": day + 0 * states[:, 0]}


def test_a_method_is_told_what_the_forecast_of_its_background_says(make_run, monkeypatch):
    """From the second day on."""
    given = []

    class Watching(Background):
        def assimilate(self, batch, generator=None):
            given.append(batch.departures["olr"][0, 0, 0])
            return super().assimilate(batch)

    run, first = make_run(Watching())
    run.cycle.view = ChannelStates(Shining(), CHANNELS, GRID)
    batches, seen = run.data.batches, {"olr": np.full((1, *GRID.shape), 100, "f4")}

    def shone(*args, **options):
        return (replace(batch, modalities=seen) for batch in batches(*args, **options))

    monkeypatch.setattr(run.data, "batches", shone)
    finish(run, first, cycles=3)
    np.testing.assert_array_equal(given, [np.nan, 99, 98])
