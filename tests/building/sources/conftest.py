"""Small Zarr stores laid out as the public ones: true axes, few points, few chunks."""

import json
import re
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

LATITUDES, LONGITUDES = 9, 16
LEVELS = np.array([50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000])
SURFACE = {
    "10m_u_component_of_wind": (0, 5),
    "10m_v_component_of_wind": (0, 5),
    "2m_temperature": (285, 5),
    "mean_sea_level_pressure": (101000, 500),
}
UPPER = {
    "geopotential": (lambda p: 9.80665 * 7000 * np.log(1013 / p), 400),
    "specific_humidity": (lambda p: 0.01 * (p / 1000) ** 3, 1e-5),
    "u_component_of_wind": (lambda p: 10 + 0 * p, 5),
    "v_component_of_wind": (lambda p: 0 * p, 5),
    "temperature": (lambda p: 210 + 75 * (p / 1000), 3),
}
COMPRESSOR = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE)


class StoreWriter:
    """Writes a Zarr 2 store array by array, as the public ones are: Blosc LZ4, keys with dots."""

    def __init__(self, path: Path, **attributes):
        self.path = path
        self.group = zarr.open_group(path, mode="w", zarr_format=2, attributes=attributes)

    def axis(self, name, values, fill=None, **attributes):
        array = self.array(
            name, (name,), values.shape, values.shape, values.dtype, fill, attributes
        )
        array[...] = values

    def array(self, name, dims, shape, chunks, dtype="f4", fill=np.nan, attributes=None):
        return self.group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=fill,
            compressors=[COMPRESSOR],
            chunk_key_encoding={"name": "v2", "separator": "."},
            attributes={"_ARRAY_DIMENSIONS": list(dims), **(attributes or {})},
        )

    def close(self):
        zarr.consolidate_metadata(self.path, zarr_format=2)


@pytest.fixture(name="store_writer")
def fixture_store_writer():
    return StoreWriter


@pytest.fixture(name="plausible")
def fixture_plausible():
    return plausible


def plausible(name, shape, levels=None, level_axis=1, seed=0):
    """Random values of one variable, with the magnitude of the real one."""
    rng = np.random.default_rng([seed, *name.encode()])
    mean, spread = SURFACE.get(name) or UPPER[name]
    noise = spread * rng.standard_normal(shape)
    if levels is not None:
        profile = mean(np.asarray(levels, "f8"))
        mean = profile.reshape([-1 if axis == level_axis else 1 for axis in range(len(shape))])
    return (mean + noise).astype("f4")


@pytest.fixture
def chunk_reads(monkeypatch):
    """The keys of the chunks that are read from local stores, coordinates left out."""
    reads = []
    get = zarr.storage.LocalStore.get

    async def recorded(self, key, *args, **kwargs):
        if re.search(r"/\d+(\.\d+)+$", key):
            reads.append(key)
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", recorded)
    return reads


@pytest.fixture
def write_weatherbench(tmp_path):
    """Writes ERA5 as WeatherBench2 lays it out, whose last chunks of 8 times hold data."""

    def write(path=tmp_path / "era5.zarr", chunks=2, names=(*SURFACE, *UPPER)):
        writer, count = StoreWriter(path), 93544
        grid, sizes = ("longitude", "latitude"), (LONGITUDES, LATITUDES)
        units = {"units": "hours since 1959-01-01", "calendar": "proleptic_gregorian"}
        writer.axis("time", 6 * np.arange(count), **units)
        writer.axis("level", LEVELS)
        writer.axis("latitude", np.linspace(-90, 90, LATITUDES), fill=np.nan)
        writer.axis("longitude", 360 / LONGITUDES * np.arange(LONGITUDES), fill=np.nan)
        raw = {}
        for name in names:
            levels = LEVELS if name in UPPER else None
            inner = (13, *sizes) if name in UPPER else sizes
            dims = ("time", *(["level"] if name in UPPER else []), *grid)
            array = writer.array(name, dims, (count, *inner), (8, *inner))
            raw[name] = plausible(name, (8 * chunks, *inner), levels)
            array[-8 * chunks :] = raw[name]
        for name, value in (("geopotential_at_surface", 5000.0), ("land_sea_mask", 0.25)):
            writer.array(name, grid, sizes, sizes)[...] = value
        writer.array("wind_speed", ("time", *grid), (count, *sizes), (8, *sizes))
        writer.close()
        return path, raw

    return write


@pytest.fixture
def drop_chunk():
    """Deletes chunks of a variable, as an incomplete copy lacks them."""

    def drop(path, name, first):
        found = [p for p in (path / name).iterdir() if p.name.startswith(f"{first}.")]
        assert found, f"{name} has no chunk {first}"
        for chunk in found:
            chunk.unlink()

    return drop


@pytest.fixture
def edit_attributes():
    """Changes attributes of a finished store; None deletes."""

    def edit(path, **changes):
        attributes = json.loads((path / ".zattrs").read_text()) | changes
        kept = {name: value for name, value in attributes.items() if value is not None}
        (path / ".zattrs").write_text(json.dumps(kept))
        zarr.consolidate_metadata(path, zarr_format=2)

    return edit


# As in the real atmosphere, at 50, 500 and 1000 hPa and nearly linear in log p between them.
FENGWU_MEANS = {
    "z": (200e3, 53.8e3, 778.0),
    "q": (2.8e-6, 7.8e-4, 6.7e-3),
    "u": (4.4, 7.1, -0.2),
    "v": (0.0, 0.0, 0.2),
    "t": (214.7, 251.7, 278.6),
}
FENGWU_DEVIATIONS = {
    "z": (3600.0, 2900.0, 1070.0),
    "q": (3e-7, 8e-4, 5.4e-3),
    "u": (15.0, 11.5, 6.0),
    "v": (7.0, 9.5, 5.5),
    "t": (10.0, 13.0, 17.0),
}


def on_all_levels(profiles):
    """From three levels to the thirteen, variable after variable."""
    where = np.log(LEVELS), np.log((50, 500, 1000))
    return np.concatenate([np.interp(*where, values) for values in profiles.values()])


@pytest.fixture
def fengwu_mean():
    """Means of the 69 channels in FengWu's order, like those published."""
    return np.concatenate([[-0.14, 0.23, 278.8, 100_981], on_all_levels(FENGWU_MEANS)])


@pytest.fixture
def fengwu_std():
    """The standard deviations."""
    return np.concatenate([[5.6, 4.8, 21.2, 1330], on_all_levels(FENGWU_DEVIATIONS)])
