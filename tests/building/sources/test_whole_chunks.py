"""A chunk is decoded whole or not at all, whatever it is stored with."""

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs
import zarr.codecs.numcodecs as in_zarr_3

from dambench_hub.building.sources.states import MissingData, read_states
from dambench_hub.building.sources.weatherbench import open_weatherbench
from dambench_hub.building.sources.whole_chunks import only_whole_chunks
from dambench_hub.errors import BuildError

VALUES = np.random.default_rng(0).normal(size=(2, 20, 30)).astype("f4")
ZARR_2 = {
    "blosc": numcodecs.Blosc(),
    "blosc of what does not shrink": numcodecs.Blosc(clevel=0),
    "lz4": numcodecs.LZ4(),
    "zstd": numcodecs.Zstd(),
    "zstd with a checksum": numcodecs.Zstd(checksum=True),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "bz2": numcodecs.BZ2(),
    "raw": None,
}
ZARR_3 = {
    "blosc": zarr.codecs.BloscCodec,
    "numcodecs.blosc": in_zarr_3.Blosc,
    "lz4": in_zarr_3.LZ4,
    "zstd": zarr.codecs.ZstdCodec,
    "gzip": zarr.codecs.GzipCodec,
    "crc32c": zarr.codecs.Crc32cCodec,
    "raw": lambda: None,
}
STORED = [
    *[pytest.param(2, lambda codec=codec: codec, {}, id=f"2 {n}") for n, codec in ZARR_2.items()],
    *[pytest.param(3, codec, {}, id=f"3 {n}") for n, codec in ZARR_3.items()],
    pytest.param(2, lambda: None, {"filters": [numcodecs.Blosc()]}, id="2 blosc as a filter"),
    pytest.param(3, zarr.codecs.BloscCodec, {"shards": (2, 20, 30)}, id="3 blosc in a shard"),
]
CHECKSUMMED = ("zstd with a checksum", "zlib", "gzip", "bz2", "crc32c")


@pytest.fixture
def stored(tmp_path):
    """An array on the disk, one chunk a row, and the file of its last chunk."""

    def store(version, codec, options):
        array = zarr.create_array(
            tmp_path / "a.zarr",
            shape=VALUES.shape,
            chunks=(1, *VALUES.shape[1:]),
            dtype="f4",
            zarr_format=version,
            fill_value=np.nan,
            compressors=codec(),
            **options,
        )
        array[...] = VALUES
        names = (".zarray", ".zattrs", "zarr.json")
        files = [p for p in (tmp_path / "a.zarr").rglob("*") if p.is_file() and p.name not in names]
        return tmp_path / "a.zarr", max(files)

    return store


def opened(path):
    with only_whole_chunks():
        return zarr.open_array(path, mode="r")


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in")
@pytest.mark.parametrize(("version", "codec", "options"), STORED)
def test_a_cut_chunk_gives_nothing(stored, version, codec, options):
    path, file = stored(version, codec, options)
    array, content = opened(path), file.read_bytes()
    np.testing.assert_array_equal(array[...], VALUES)
    for length in (len(content) - 1, len(content) // 2, 60, 17, 16, 3):
        file.write_bytes(content[:length])
        # The index of a shard is read by zarr itself, which has its own error.
        with pytest.raises(ValueError if "shards" in options else MissingData):
            array[1]
    file.write_bytes(content)
    np.testing.assert_array_equal(array[1], VALUES[1])


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in")
@pytest.mark.parametrize(
    ("version", "codec", "options"), [p for p in STORED if p.id[2:] in CHECKSUMMED]
)
def test_a_changed_byte_is_seen_where_there_is_a_checksum(stored, version, codec, options):
    path, file = stored(version, codec, options)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    with pytest.raises(MissingData):
        opened(path)[1]


def test_a_message_names_the_chunk_and_says_how_much_is_there(stored):
    path, file = stored(2, numcodecs.Blosc, {})
    content = file.read_bytes()
    file.write_bytes(content[:60])
    with pytest.raises(MissingData) as caught:
        opened(path)[1]
    assert f"the chunk {path}/1.0.0 is damaged: it has 60 of {len(content)} bytes. Copy" in str(
        caught.value
    )


def test_whole_chunks_beside_a_damaged_one_are_read(stored):
    path, file = stored(2, numcodecs.Blosc, {})
    file.write_bytes(file.read_bytes()[:60])
    np.testing.assert_array_equal(opened(path)[0], VALUES[0])


def test_a_chunk_of_which_only_a_part_arrived_is_asked_for_again(stored, monkeypatch):
    path, _ = stored(2, numcodecs.Blosc, {})
    array, get, replies = opened(path), zarr.storage.LocalStore.get, []

    async def at_first_a_part(self, key, prototype, byte_range=None):
        whole = await get(self, key, prototype, byte_range)
        replies.append(key)
        return whole[:60] if len(replies) == 1 else whole

    monkeypatch.setattr(zarr.storage.LocalStore, "get", at_first_a_part)
    np.testing.assert_array_equal(array[1], VALUES[1])
    assert replies == ["1.0.0", "1.0.0"]


def test_stores_that_others_open_are_read_by_zarr_alone(stored):
    path, _ = stored(2, numcodecs.Blosc, {})
    opened(path)
    assert type(zarr.open_array(path, mode="r")._async_array.codec_pipeline).__module__ == (
        "zarr.core.codec_pipeline"
    )


def test_an_axis_of_a_damaged_chunk_is_refused(write_weatherbench):
    path, _ = write_weatherbench(names=("2m_temperature",))
    axis = path / "latitude" / "0"
    axis.write_bytes(axis.read_bytes()[:-1])
    with pytest.raises(
        BuildError, match=f"era5.zarr cannot be opened: the chunk {axis} is damaged"
    ):
        open_weatherbench(str(path))


def test_states_of_a_damaged_chunk_are_missing_and_say_of_what(write_weatherbench):
    path, _ = write_weatherbench(names=("2m_temperature", "temperature"))
    times = np.arange("2023-01-07T00", "2023-01-11T00", 6, dtype="M8[h]")
    channels = ("t2m", "t500")
    dataset = open_weatherbench(str(path))
    whole = dict(read_states(dataset, channels, times, lambda fields: fields))
    chunk = path / "temperature" / f"{93544 // 8 - 1}.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    found = dict(read_states(dataset, channels, times, lambda fields: fields))
    for n, time in enumerate(times):
        if n < 8:
            np.testing.assert_array_equal(found[time], whole[time])
        else:
            assert isinstance(found[time], MissingData)
            assert str(found[time]).startswith(f"{time}, t: the chunk {chunk} is damaged: it has ")
