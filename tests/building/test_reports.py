"""Tables of observations in a build, beside reference fields and in their place."""

import dataclasses
import json

import numpy as np
import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.conversion import convert_dataset
from dambench_hub.building.plan import manifest_settings
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError, DataError, TaskError
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.table import ObservationTable, concatenate
from dambench_hub.observations.window import Window
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.report_shards import ReportReader
from dambench_hub.storage.revision import content_hash
from dambench_hub.storage.statistics import Statistics
from dambench_hub.tasks.task import load_task
from dambench_hub.testing import TinyAtmosphere, tiny_plan, tiny_reports

DAYS = np.datetime64("2024-01-01", "h") + 24 * np.arange(3)
SMALL = {
    "channels": ("t2m", "z500"),
    "grid": Grid(3, 4),
    "times": {"train": np.datetime64("2001-01-01", "h") + 24 * np.arange(4), "test": DAYS},
    "modalities": (),
}
ALONE = {
    **SMALL,
    "times": {"test": DAYS},
    "observations": ObservationSettings(),
    "reports_window": Window(-3, 0),
    "reference_is_reports": True,
}
"""Nobody knows the field: no reference, no training split."""


def build(out, changes=ALONE, **source):
    plan = tiny_plan(**changes)
    given = TinyAtmosphere(plan).source()
    return build_dataset(out, plan, lambda work: dataclasses.replace(given, **source))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "alone"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "both"
    build(folder, {**SMALL, "reports_window": Window(-6, 0)})
    return folder


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows(table):
    return [*zip(table.time, table.labels("station"), table.value, table.quality, strict=True)]


# Beside fields


def test_the_tables_are_what_the_source_gave(both):
    manifest, counts = Manifest.read(both), np.zeros(7, int)
    assert list(manifest.reports.splits) == ["train", "test"]
    for split, shards in manifest.reports.splits.items():
        given = tiny_reports(SMALL["times"][split])
        assert rows(ReportReader(both, shards).table()) == rows(given)
        counts += np.bincount(given.quality, minlength=7)
    assert manifest.reports.counts == {"good": counts[0], "background": counts[4]}
    assert manifest.reports.window == Window(-6, 0)


def test_withheld_rows_are_counted_when_they_are_good(both):
    given = concatenate([tiny_reports(times) for times in SMALL["times"].values()])
    reports = Manifest.read(both).reports
    assert reports.withheld == np.sum(given.withheld & (given.quality == 0)) > 0
    assert reports.withheld_share == reports.withheld / reports.counts["good"]


def test_all_else_is_as_without_them(both, tmp_path):
    with_them, without = Manifest.read(both), build(tmp_path, SMALL)
    changed = {"format_version": 3, "reports": None}
    assert dataclasses.replace(with_them, **changed) == without
    assert with_them.format_version == 4 and with_them.revision != without.revision
    raw = json.loads((tmp_path / "manifest.json").read_text())
    revision = raw.pop("revision")
    assert "reports" not in raw and revision == content_hash(raw)


def test_the_settings_of_a_data_set_are_those_of_its_plan(alone, both):
    for folder, plan in (
        (alone, tiny_plan(**ALONE)),
        (both, tiny_plan(**SMALL, reports_window=Window(-6, 0))),
    ):
        assert manifest_settings(Manifest.read(folder)) == plan.settings()


# In the place of fields


def test_examples_are_backgrounds(alone):
    data, plan = load_data(alone, full=True), tiny_plan(**ALONE)
    world = TinyAtmosphere(plan)
    assert data.manifest.reference_is_reports and list(data.manifest.splits) == ["test"]
    for index, time in enumerate(DAYS):
        example = data.example("test", index)
        assert list(example) == ["time", "background"] and example["time"] == time
        np.testing.assert_array_equal(
            example["background"], world.read("test", index)["background"]
        )


def test_statistics_are_those_that_the_source_gave(alone):
    statistics = load_data(alone).statistics
    given = TinyAtmosphere(tiny_plan(**ALONE)).source().statistics
    for name, values in vars(given).items():
        np.testing.assert_array_equal(getattr(statistics, name), values)


@pytest.mark.parametrize("modalities", [(), ("olr",)])
@pytest.mark.parametrize("format", ["parquet", "arrow", "hdf5"])
def test_batches_have_reports_and_no_fields(tmp_path, format, modalities):
    build(tmp_path, {**ALONE, "format": format, "modalities": modalities})
    data = load_data(tmp_path)
    task = "multimodal" if modalities else "unimodal"
    batch = next(data.batches(task, batch_size=3, buffers=2))
    assert batch.reference is None and batch.observation_values.shape == (3, 2, 0)
    assert tuple(batch.modalities) == modalities
    assert [len(table) for table in batch.reports] == [
        len(data.reports("test", index)) for index in range(3)
    ]
    assert sum(map(len, batch.reports)) > 0
    for name in ("observations", "observed"):
        with pytest.raises(DataError, match=r"all observations are in batch\.reports"):
            getattr(batch, name)
    view = data.to_xarray("test")
    assert list(view) == ["background", *modalities, *(f"background_{m}" for m in modalities)]
    np.testing.assert_array_equal(view.background.values, batch.background)


def test_what_needs_a_reference_field_is_refused(alone):
    data = load_data(alone)
    with pytest.raises(DataError, match="tiny has no reference fields.*withheld=True"):
        data.reference("test", 0)
    with pytest.raises(TaskError, match="cannot be drawn for the task noisy: the reference of"):
        data.batches("noisy")
    with pytest.raises(TaskError, match="cannot be drawn for the task unimodal"):
        data.batches("unimodal", redraw=1)
    assert load_task("unimodal").lacking(data.manifest) == "no reference fields"


def test_backgrounds_may_be_rounded_and_have_members(tmp_path):
    changes = {"keep_bits": 10, "ensemble_size": 3, "ensemble_splits": ("test",)}
    manifest = build(tmp_path, {**ALONE, **changes})
    assert manifest.rounding.keep_bits == 10
    batch = next(load_data(tmp_path).batches("unimodal", ensemble=True))
    assert batch.background_members.shape == (1, 3, 2, 3, 4) and batch.reports


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reports_window": None}, "there are none; give their reports_window"),
        ({"observations": ObservationSettings(density=0.5)}, "cannot be drawn"),
        ({"reference_is_reports": False}, "no split train"),
        ({"configs": ("reanalysis",)}, "Unknown config 'reanalysis'"),
    ],
)
def test_plans_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(BuildError, match=message):
        tiny_plan(**{**ALONE, **changes})


# What a source may do wrong


def withheld(value):
    def read(split):
        table = tiny_reports(SMALL["times"][split])
        return table.replace(withheld=np.full(len(table), value))

    return read


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"read_reports": None}, "needs read_reports"),
        ({"read_reports": lambda split: ObservationTable.empty()}, r"gave ObservationTable\(0 row"),
        (
            {"read_reports": lambda split: tiny_reports(DAYS - np.timedelta64(365, "D"))},
            r"from 2024-01-01T00 to 2024-01-03T00, and in none .*, \(-3 h, 0 h\].* 2023-01-0",
        ),
        ({"read_reports": withheld(False)}, "No good observation of the split test is withheld"),
        ({"statistics": None}, "the source must give them"),
        ({"statistics": Statistics(*np.ones((3, 1)))}, "mean must be 2 finite real numbers"),
    ],
)
def test_sources_without_what_is_wanted_are_refused(tmp_path, source, message):
    with pytest.raises((BuildError, DataError), match=message):
        build(tmp_path, **source)
    assert not (tmp_path / "manifest.json").exists()


def test_a_window_without_observations_is_no_mistake(tmp_path):
    build(tmp_path, read_reports=lambda split: tiny_reports(DAYS[:1]))
    data = load_data(tmp_path)
    sizes = [len(data.reports("test", index)) for index in range(3)]
    assert sizes[0] > 0 and sizes[1:] == [0, 0]


def test_nothing_withheld_is_no_mistake_beside_fields(tmp_path):
    manifest = build(tmp_path, {**SMALL, "reports_window": Window()}, read_reports=withheld(False))
    assert manifest.reports.withheld_share == 0


# Again


def never(split):
    raise AssertionError("the source was read")


def test_a_rerun_changes_nothing_and_reads_nothing(alone):
    before = contents(alone)
    assert build(alone, read_reports=never) == Manifest.read(alone)
    assert contents(alone) == before


def test_another_window_is_another_data_set(alone):
    with pytest.raises(BuildError, match="other settings: .*-6"):
        build(alone, {**ALONE, "reports_window": Window(-6, 0)})


def test_a_killed_build_keeps_its_tables(alone, tmp_path):
    def killed(split, index):
        raise KeyboardInterrupt

    out = tmp_path / "alone"
    with pytest.raises(KeyboardInterrupt):
        build(out, read=killed)
    build(out, read_reports=never)
    assert contents(out) == contents(alone)


@pytest.mark.parametrize("damage", ["missing", "changed", "shorter"])
def test_damaged_tables_are_written_again_and_whole_ones_kept(alone, tmp_path, damage):
    out = tmp_path / "alone"
    build(out)
    path = out / Manifest.read(out).reports.splits["test"][0].path
    shard = out / Manifest.read(out).splits["test"][0].path
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-1] + (b"" if damage == "shorter" else b"x"))
    before = shard.stat().st_mtime_ns
    build(out)
    assert contents(out) == contents(alone) and shard.stat().st_mtime_ns == before
    shard.unlink()
    build(out, read_reports=never)
    assert contents(out) == contents(alone)


def test_a_conversion_takes_them_along(alone, both, tmp_path):
    for folder in (alone, both):
        old = Manifest.read(folder)
        arrow = convert_dataset(folder, tmp_path / f"{folder.name}-arrow", format="arrow")
        assert arrow.reports == old.reports
        back = convert_dataset(
            tmp_path / f"{folder.name}-arrow", tmp_path / f"{folder.name}-back", format="parquet"
        )
        assert back.reports == old.reports
        assert back.splits == old.splits and back.statistics_sha256 == old.statistics_sha256
