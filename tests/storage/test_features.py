"""Columns of each config, and values to Arrow and back without a copy."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import EQUIVALENTS, equivalent_of
from dambench_hub.storage.features import (
    CONFIGS,
    column_shapes,
    config_columns,
    ensemble_shapes,
    example_features,
    from_arrow,
    to_record_batch,
)

BOTH = ("precipitation", "olr")


def example_of(shapes, rng):
    example = {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    example["time"] = np.datetime64("2024-02-29T18", "h")
    points = shapes["observation_index"][0]
    example["observation_index"] = np.arange(points, dtype="i4")
    return example


def test_columns_are_those_of_the_contract():
    assert config_columns(BOTH) == CONFIGS
    assert CONFIGS["multimodal"] == (
        *("time", "background", "observation_index", "observations"),
        *("precipitation", "olr", "background_precipitation", "background_olr", "reference"),
    )
    assert list(column_shapes(3, Grid(5, 8), 4, BOTH)) == list(CONFIGS["multimodal"])


@pytest.mark.parametrize("modalities", [(), ("olr",), ("precipitation",), BOTH])
def test_absent_modalities_are_in_no_config(modalities):
    configs = config_columns(modalities)
    every = set().union(*configs.values())
    assert every & set(BOTH) == set(modalities)
    assert every & set(EQUIVALENTS) == {equivalent_of(name) for name in modalities}
    assert all(len(columns) > 1 and columns[0] == "time" for columns in configs.values())
    assert ("stations" in configs) == ("precipitation" in modalities)
    assert ("satellite" in configs) == ("olr" in modalities)
    assert set(configs["multimodal"]) == every


@pytest.mark.parametrize("modalities", [(), ("olr",), BOTH])
def test_where_reports_are_the_reference_no_config_has_fields_of_it(modalities):
    configs, of_fields = config_columns(modalities, True), config_columns(modalities)
    missing = {"observation_index", "observations", "reference"}
    assert of_fields.keys() - configs.keys() == {"reanalysis", "observations"}
    for config, columns in configs.items():
        assert columns == tuple(name for name in of_fields[config] if name not in missing)
    shapes = column_shapes(3, Grid(5, 8), 4, modalities, True)
    assert list(shapes) == list(configs["multimodal"]) and shapes["background"] == (3, 5, 8)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(3, 7), st.integers(2, 9), st.integers(1, 6))
def test_values_go_there_and_back(channels, rows, columns, points):
    shapes = column_shapes(channels, Grid(rows, columns), points, BOTH)
    example = example_of(shapes, np.random.default_rng(0))
    example["olr"].flat[0] = np.nan
    batch = to_record_batch(example, example_features(shapes))
    assert batch.num_rows == 1
    for name, shape in shapes.items():
        value = from_arrow(batch[name], shape)
        assert value.dtype == example[name].dtype
        np.testing.assert_array_equal(value, example[name])


def test_members_go_there_and_back(rng):
    shapes = ensemble_shapes(3, Grid(5, 8), 4, ("olr",))
    assert shapes["background_members"] == (4, 3, 5, 8)
    assert list(shapes) == ["time", "background_members", "background_members_olr"]
    example = {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    example["time"] = np.datetime64("2024-02-29T18", "h")
    batch = to_record_batch(example, example_features(shapes))
    for name, shape in shapes.items():
        np.testing.assert_array_equal(from_arrow(batch[name], shape), example[name])


def test_large_values_are_not_copied(rng):
    shapes = column_shapes(3, Grid(5, 8), 4, BOTH)
    example = example_of(shapes, rng)
    batch = to_record_batch(example, example_features(shapes))
    for name in ("background", "reference", "olr", "observations", "observation_index"):
        value = from_arrow(batch[name], shapes[name])
        assert np.shares_memory(value, example[name])
        assert not value.flags.writeable


def test_time_is_stored_in_hours(rng):
    shapes = column_shapes(3, Grid(5, 8), 4, BOTH)
    batch = to_record_batch(example_of(shapes, rng), example_features(shapes))
    assert batch["time"].to_pylist() == [474_786]  # 2024-02-29T18
    before = pa.array([474_786 * 3_600_000], pa.timestamp("ms", "UTC"))
    assert from_arrow(before, ()) == np.datetime64("2024-02-29T18")


def test_stock_datasets_reads_them_as_arrays(rng):
    from datasets import Dataset

    shapes = column_shapes(3, Grid(5, 8), 4, BOTH)
    features = example_features(shapes)
    example = example_of(shapes, rng)
    batch = to_record_batch(example, features)
    row = Dataset.from_dict({n: batch[n].to_pylist() for n in shapes}, features).with_format("np")
    np.testing.assert_array_equal(row[0]["background"], example["background"])
    assert row[0]["observations"].shape == (3, 4)
