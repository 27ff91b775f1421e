"""Examples from segments: which time goes where, and which gap spoils which example."""

import numpy as np
import pytest

from dambench_hub.building.era5.ingestion import FieldStream, Patience, Segments, ingest
from dambench_hub.building.era5.triplets import Triplets
from dambench_hub.building.sources.states import MissingData
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.runtime.workers import in_process

DAYS = np.datetime64("2020-02-26", "h") + 24 * np.arange(6)
TIMES = {"train": DAYS[1:4], "test": DAYS[5:]}


def segments(folder, name, times, missing=(), offset=0.0):
    def read(wanted):
        return (
            (
                time,
                MissingData(f"no {name} at {time}")
                if time in missing
                else np.full((2, 3), int(hours_since_epoch(time)) - 439000 + offset, "f4"),
            )
            for time in wanted
        )

    stream = FieldStream(name, times, (2, 3), read, segment=4)
    ingest(folder, [stream], in_process, Patience(gaps=1))
    return Segments(folder, stream)


def triplets(folder, missing=(), backgrounds=None, dry=()):
    return Triplets(
        times=TIMES,
        states=segments(folder, "states", DAYS, missing),
        backgrounds=backgrounds,
        products={"precipitation": segments(folder, "rain", DAYS, dry, offset=0.5)},
        product_names={"precipitation": "cpc_precipitation"},
        lead_hours=24,
        alignment="nominal",
    )


def hours(time):
    return int(hours_since_epoch(time)) - 439000


def test_persistence_is_the_state_of_the_day_before(tmp_path):
    example = triplets(tmp_path).read("train", 1)
    assert np.all(example["reference"] == hours(DAYS[2]))
    assert np.all(example["background"] == hours(DAYS[1]))
    assert np.all(example["precipitation"] == hours(DAYS[1]) + 0.5)


def test_forecasts_are_those_valid_at_the_time(tmp_path):
    forecasts = segments(tmp_path, "backgrounds", DAYS, offset=0.25)
    example = triplets(tmp_path, backgrounds=forecasts).read("test", 0)
    assert np.all(example["background"] == hours(DAYS[5]) + 0.25)


def test_a_missing_state_spoils_its_own_example_and_the_next(tmp_path):
    found = triplets(tmp_path, missing=DAYS[[2]])
    gaps = [(gap.split, gap.hours - 439000, gap.what) for gap in found.gaps()]
    assert gaps == [
        ("train", hours(DAYS[2]), "example"),
        ("train", hours(DAYS[3]), "example"),
    ]
    assert found.gaps()[0].reason == f"reference: no states at {DAYS[2]}"
    assert found.gaps()[1].reason == f"background: no states at {DAYS[2]}"
    with pytest.raises(MissingData):
        found.read("train", 1)
    assert np.all(found.read("train", 0)["reference"] == hours(DAYS[1]))


def test_a_missing_forecast_spoils_one_example(tmp_path):
    forecasts = segments(tmp_path, "backgrounds", DAYS, missing=DAYS[[2]])
    (gap,) = triplets(tmp_path, backgrounds=forecasts).gaps()
    assert gap.reason == f"background: no backgrounds at {DAYS[2]}"


def test_a_missing_day_of_rain_is_nan_and_listed(tmp_path):
    found = triplets(tmp_path, dry=DAYS[[1]])
    (gap,) = found.gaps()
    assert (gap.split, gap.hours, gap.what) == (
        "train",
        int(hours_since_epoch(DAYS[2])),
        "precipitation",
    )
    assert np.isnan(found.read("train", 1)["precipitation"]).all()
    assert np.isfinite(found.read("train", 2)["precipitation"]).all()
