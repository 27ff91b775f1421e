"""Files of observations: what is read by time is what the table has there, and damage is named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import DataError
from dambench_hub.observations.table import ObservationTable
from dambench_hub.observations.window import Window
from dambench_hub.runtime.files import sha256
from dambench_hub.storage.report_shards import ReportReader, write_report_shards
from dambench_hub.storage.reports import ReportShard
from dambench_hub.testing import tiny_reports

DAYS = np.datetime64("2018-01-01", "h") + 24 * np.arange(5)
TABLE = tiny_reports(DAYS, rows=100)
EMPTY = ObservationTable.empty()


def write(folder, table=TABLE, rows_per_shard=200, rows_per_group=30):
    return write_report_shards(folder, "test", table, rows_per_shard, rows_per_group)


@pytest.fixture
def shards(tmp_path):
    return write(tmp_path)


def assert_same(table, other):
    left, right = table.to_pandas(), other.to_pandas()
    for name in ("variable", "station", "report"):
        left[name], right[name] = left[name].astype(object), right[name].astype(object)
    assert left.equals(right)


@given(
    minute=st.integers(-8 * 60, 5 * 24 * 60),
    start=st.floats(-30, 3),
    hours=st.floats(0.01, 40),
    rows_per_shard=st.sampled_from([1000, 170, 499]),
    rows_per_group=st.sampled_from([1000, 7, 64]),
)
def test_a_window_of_the_files_is_that_of_the_table(
    tmp_path_factory, minute, start, hours, rows_per_shard, rows_per_group
):
    folder = tmp_path_factory.mktemp("reports")
    shards = write(folder, TABLE, rows_per_shard, rows_per_group)
    valid, window = DAYS[0] + np.timedelta64(minute, "m"), Window(start, start + hours)
    reader = ReportReader(folder, shards)
    assert_same(reader.window(valid, window), TABLE.window(valid, window))


def test_bounds_that_lie_between_row_groups_of_one_time(tmp_path):
    """Times that many rows share run over several row groups and files."""
    table = TABLE.where(np.arange(len(TABLE)) < 90)
    time = np.repeat(DAYS[:3].astype("datetime64[ms]"), 30)
    frame = table.to_pandas().assign(time=time)
    table = ObservationTable.from_pandas(frame)
    reader = ReportReader(tmp_path, write(tmp_path, table, 40, 7))
    assert [len(reader.window(day, Window(-24, 0))) for day in DAYS[:3]] == [30, 30, 30]
    assert len(reader.window(DAYS[2], Window(-48, -24))) == 30


def test_all_rows_come_back(tmp_path, shards):
    assert_same(ReportReader(tmp_path, shards).table(), TABLE)


def test_shards_say_what_they_hold(tmp_path, shards):
    assert [shard.path for shard in shards] == [
        f"reports/test-0000{n}-of-00003.parquet" for n in range(3)
    ]
    assert sum(shard.rows for shard in shards) == len(TABLE) == 500
    assert shards[0].first == str(TABLE.time[0]) and shards[2].last == str(TABLE.time[-1])
    for shard in shards:
        path = tmp_path / shard.path
        assert (shard.bytes, shard.sha256) == (path.stat().st_size, sha256(path))


def test_equal_tables_make_equal_files(tmp_path, shards):
    assert write(tmp_path / "again") == shards


def test_row_groups_have_statistics_and_a_page_index(tmp_path, shards):
    metadata = pq.read_metadata(tmp_path / shards[0].path)
    assert metadata.num_row_groups == 6
    for group in range(6):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            assert chunk.has_offset_index and chunk.compression == "ZSTD"
            assert chunk.statistics.null_count == 0


def test_only_the_row_groups_of_the_window_are_read(tmp_path, shards, monkeypatch):
    read = []
    whole = pq.ParquetFile.read_row_groups

    def noted(file, groups, **options):
        read.extend(groups)
        return whole(file, groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    reader = ReportReader(tmp_path, shards)
    assert 0 < len(reader.window(DAYS[0], Window())) <= 30 * len(read) <= 90
    assert len(reader.window(DAYS[0], Window(10, 12))) == 0 and len(read) <= 3


def test_no_rows(tmp_path):
    (shard,) = write(tmp_path, EMPTY)
    assert (shard.rows, shard.first, shard.last) == (0, None, None)
    assert pq.read_table(tmp_path / shard.path).num_rows == 0
    reader = ReportReader(tmp_path, (shard,))
    assert len(reader.window(DAYS[0], Window())) == len(reader.table()) == 0
    assert len(ReportReader(tmp_path, ()).window(DAYS[0], Window())) == 0


# Files that are not what the manifest says


def refused(folder, shards, words):
    for read in (
        lambda reader: reader.window(DAYS[0], Window(-24, 200)),
        lambda reader: reader.table(),
    ):
        with pytest.raises(DataError, match=words) as caught:
            read(ReportReader(folder, shards))
        assert shards[0].path in str(caught.value) and "again" in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path, shards, share):
    path = tmp_path / shards[0].path
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(tmp_path, shards, "cannot be read")


def test_an_absent_file_is_named(tmp_path, shards):
    (tmp_path / shards[0].path).unlink()
    refused(tmp_path, shards, "No such file")


def test_a_flipped_bit_in_the_values_is_noticed(tmp_path, shards):
    path = tmp_path / shards[0].path
    content = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(6)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 4
    path.write_bytes(content)
    refused(tmp_path, shards, "cannot be read")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns("value"), "its column value is absent, wanted float"),
        (lambda t: t.set_column(6, "value", t["value"].cast(pa.float64())), "value is double"),
        (lambda t: t.slice(1), "it has 165 rows, the manifest says 166"),
        (lambda t: t.take(list(range(165, -1, -1))), "ascend"),
        (
            lambda t: t.set_column(2, "longitude", pa.array(np.full(166, 360.0))),
            "longitude is from 0 to 360",
        ),
        (
            lambda t: t.set_column(6, "value", pa.array([None] * 166, pa.float32())),
            "value is null in 166 rows",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, shards, change, words):
    path = tmp_path / shards[0].path
    changed = change(pq.read_table(path))
    pq.write_table(changed, path, row_group_size=30, store_schema=False)
    refused(tmp_path, shards, words)


def test_a_file_without_statistics_is_refused(tmp_path, shards):
    path = tmp_path / shards[0].path
    pq.write_table(pq.read_table(path), path, write_statistics=False)
    with pytest.raises(DataError, match="does not say which times"):
        ReportReader(tmp_path, shards).window(DAYS[0], Window())


def test_text_is_no_table(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/x.parquet").write_text("time,value\n")
    shard = ReportShard("reports/x.parquet", 1, "2018-01-01T00:00", "2018-01-01T00:00", 11, "")
    refused(tmp_path, (shard,), "cannot be read")
