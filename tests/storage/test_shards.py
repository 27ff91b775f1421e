"""Shards: bit-exact in each format, one content hash, views of the file, damage is named."""

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.storage.features import column_shapes, example_features
from dambench_hub.storage.shards import READERS, write_shard

FORMATS = sorted(READERS)
SHAPES = column_shapes(2, Grid(5, 6), 3, ("precipitation", "olr"))
ROWS = 3


def examples(shapes=SHAPES, rows=ROWS):
    """Random bits, so that every kind of NaN, infinity and subnormal number occurs."""
    rng = np.random.default_rng(1)
    for row in range(rows):
        example = {
            name: rng.integers(0, 2**32, shape, "u4").view("f4") for name, shape in shapes.items()
        }
        example["time"] = np.datetime64("2024-01-01T06", "h") + 24 * row
        example["observation_index"] = np.arange(3, dtype="i4") + row
        yield example


def write(path, format, shapes=SHAPES, rows=ROWS):
    return write_shard(path, examples(shapes, rows), rows, example_features(shapes), format)


def bits(value):
    return np.asarray(value).tobytes()


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


@pytest.fixture
def shard(tmp_path, format):
    path = tmp_path / "shard"
    write(path, format)
    return path


def test_bits_survive(shard, format):
    reader = READERS[format](shard, SHAPES)
    written = list(examples())
    for row in (2, 0, 1, 0):
        read = reader.read(row, SHAPES)
        assert list(read) == list(SHAPES)
        for name, value in read.items():
            assert value.dtype == written[row][name].dtype
            assert value.shape == SHAPES[name]
            assert bits(value) == bits(written[row][name]), name


def test_parquet_says_where_its_pages_are(tmp_path):
    write(tmp_path / "shard", "parquet")
    column = pq.ParquetFile(tmp_path / "shard").metadata.row_group(0).column(0)
    assert column.has_offset_index and column.has_column_index


def test_only_the_columns_asked_for(shard, format):
    read = READERS[format](shard, SHAPES).read(1, ["olr", "time"])
    assert set(read) == {"olr", "time"}
    assert bits(read["olr"]) == bits(list(examples())[1]["olr"])


def test_fill_copies_into_the_given_arrays(shard, format):
    arrays = {
        name: np.empty(SHAPES[name], "i4" if name == "observation_index" else "f4")
        for name in SHAPES
        if name != "time"
    }
    reader, written = READERS[format](shard, SHAPES), list(examples())
    for row in (1, 2):
        reader.fill(row, arrays)
        for name, array in arrays.items():
            assert bits(array) == bits(written[row][name])


def test_the_content_hash_is_that_of_the_values(tmp_path):
    hashes = {format: write(tmp_path / format, format) for format in FORMATS}
    assert len(set(hashes.values())) == 1

    def changed():
        for row, example in enumerate(examples()):
            value = example["olr"].copy()
            value.view("u4")[4, 5] ^= row == 2
            yield {**example, "olr": value}

    other = write_shard(tmp_path / "x", changed(), ROWS, example_features(SHAPES), "arrow")
    assert other != hashes["arrow"]


def test_equal_values_make_equal_bytes(tmp_path, shard, format):
    write(tmp_path / "again", format)
    assert (tmp_path / "again").read_bytes() == shard.read_bytes()


@pytest.mark.parametrize("plain", ["arrow", "hdf5"])
def test_plain_formats_give_views_of_the_file(tmp_path, plain):
    path = tmp_path / "shard"
    write(path, plain)
    reader = READERS[plain](path, SHAPES)
    read, again = reader.read(1, SHAPES), reader.read(1, SHAPES)
    for name in SHAPES:
        if name == "time":
            continue
        assert not read[name].flags.writeable and not read[name].flags.owndata
        assert np.shares_memory(read[name], again[name])
        with pytest.raises(ValueError, match="read-only"):
            read[name][...] = 0
    # The mapping follows the file.
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(bits(read["olr"])))
        file.write(b"\0" * read["olr"].nbytes)
    assert not np.any(read["olr"])


def test_views_outlive_their_reader(shard, format):
    value = READERS[format](shard, SHAPES).read(0, ["reference"])["reference"]
    shard.unlink()
    assert bits(value) == bits(next(examples())["reference"])


def refused(path, format, shapes=SHAPES):
    with pytest.raises(DataError) as caught:
        reader = READERS[format](path, shapes)
        for row in range(ROWS):
            reader.read(row, shapes)
    assert str(path) in str(caught.value)
    return str(caught.value)


def with_milliseconds(path, format):
    """Make a shard one of format version 1, whose times were milliseconds."""
    if format == "hdf5":
        with h5py.File(path, "r+") as file:
            del file["time"].attrs["units"]
            file["time"][:] *= 3_600_000
        return
    if format == "parquet":
        rows, new_file = list(pq.ParquetFile(path).iter_batches(1)), pq.ParquetWriter
    else:
        file, new_file = pa.ipc.open_file(path.read_bytes()), pa.ipc.new_file
        rows = [file.get_batch(row) for row in range(ROWS)]
    times = [
        pa.array([row["time"][0].as_py() * 3_600_000], pa.timestamp("ms", "UTC")) for row in rows
    ]
    rows = [row.set_column(0, "time", time) for row, time in zip(rows, times, strict=True)]
    with new_file(path, rows[0].schema) as writer:
        for row in rows:
            writer.write_batch(row)


def test_times_of_version_1_are_read(shard, format):
    with_milliseconds(shard, format)
    reader = READERS[format](shard, SHAPES)
    for row, example in enumerate(examples()):
        assert bits(reader.read(row, ["time"])["time"]) == bits(example["time"])
        assert bits(reader.read(row, ["olr"])["olr"]) == bits(example["olr"])


def test_times_in_other_units_are_refused(tmp_path):
    path = tmp_path / "shard"
    write(path, "hdf5")
    with h5py.File(path, "r+") as file:
        assert file["time"].attrs["units"] == "hours since 1970-01-01 00:00:00"
        file["time"].attrs["units"] = "days since 1970-01-01"
    assert "time is in 'days since 1970-01-01'" in refused(path, "hdf5")


def test_a_row_too_many_is_refused(shard, format):
    with pytest.raises(DataError, match=str(shard)):
        READERS[format](shard, SHAPES).read(ROWS, ["reference"])


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(shard, format, share):
    content = shard.read_bytes()
    shard.write_bytes(content[: int(share * len(content))])
    assert "fetch it again" in refused(shard, format)


def test_a_missing_file_is_named(tmp_path, format):
    refused(tmp_path / "absent", format)


def test_another_kind_of_file_is_named(tmp_path, format):
    path = tmp_path / "shard"
    for other in FORMATS:
        if other != format:
            write(path, other)
            refused(path, format)
    path.write_bytes(b"<html>404</html>" * 100)
    refused(path, format)


@pytest.mark.parametrize("change", ["channels", "grid", "points", "modality"])
def test_a_shard_of_another_data_set_is_named(tmp_path, format, change):
    shapes = {
        "channels": column_shapes(3, Grid(5, 6), 3, ("precipitation", "olr")),
        "grid": column_shapes(2, Grid(6, 6), 3, ("precipitation", "olr")),
        "points": column_shapes(2, Grid(5, 6), 4, ("precipitation", "olr")),
        "modality": column_shapes(2, Grid(5, 6), 3, ("precipitation",)),
    }[change]
    shapes["observation_index"] = (3,)
    if change == "points":
        shapes["observations"] = (2, 4)
    path = tmp_path / "shard"
    write(path, format, shapes)
    refused(path, format)


def test_values_of_another_type_are_named(tmp_path, format):
    """Same names, same shapes, but float64, as another tool might write them."""
    path = tmp_path / "shard"
    if format == "hdf5":
        write(path, format)
        with h5py.File(path, "r+") as file:
            values = np.zeros(file["reference"].shape)
            del file["reference"]
            file["reference"] = values
    else:
        write(tmp_path / "good", format)
        table = (
            pq.read_table(tmp_path / "good")
            if format == "parquet"
            else pa.ipc.open_file(tmp_path / "good").read_all()
        )
        column = table["olr"].combine_chunks()
        nested = pa.list_(pa.list_(pa.float64()))
        table = table.set_column(5, "olr", column.storage.cast(nested))
        if format == "parquet":
            pq.write_table(table, path, row_group_size=1)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=1)
    refused(path, format)


def test_compressed_storage_of_a_plain_format_is_refused(tmp_path):
    write(tmp_path / "good", "arrow")
    table = pa.ipc.open_file(tmp_path / "good").read_all()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(tmp_path / "bad", table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=1)
    refused(tmp_path / "bad", "arrow")

    write(tmp_path / "bad.h5", "hdf5")
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        values = file["reference"][...]
        del file["reference"]
        file.create_dataset("reference", data=values, chunks=True, compression="gzip")
    refused(tmp_path / "bad.h5", "hdf5")


FLIP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_shards import READERS, ROWS, SHAPES, DataError, bits, examples, write

written = list(examples())
for format in READERS:
    path, wrong = Path(sys.argv[2]) / format, 0
    write(path, format)
    content = path.read_bytes()
    for at in range(0, len(content), int(sys.argv[3])):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            reader = READERS[format](path, SHAPES)
            for row in range(ROWS):
                for name, value in reader.read(row, SHAPES).items():
                    wrong += bits(value) != bits(written[row][name])
        except DataError as error:
            assert str(path) in str(error)
    print(format, wrong)
"""


def test_flipped_bits_crash_nothing_and_parquet_notices_them(tmp_path):
    """A byte is changed in many places; the reader refuses, or gives values, and never dies.

    Parquet checks its pages, so that its values are the right ones. Plain formats have no checksums
    of their own; for them `load_data(full=True)` compares the file with the manifest.
    """
    run = subprocess.run(
        [sys.executable, "-c", FLIP, Path(__file__).parent, tmp_path, "31"],
        capture_output=True,
        text=True,
    )
    assert run.returncode != -signal.SIGSEGV, "the reader crashed"
    assert run.returncode == 0, run.stderr[-2000:]
    wrong = dict(line.split() for line in run.stdout.splitlines())
    assert wrong.keys() == set(READERS) and wrong["parquet"] == "0"
