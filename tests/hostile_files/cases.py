"""What a case of a prediction file is, and ways to make one from a good file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py

SHAPE = (5, 5, 9, 16)
CHUNK = (1, 5, 9, 16)
CHUNK_BYTES = 5 * 9 * 16 * 4
SECRET = 42.42424
"""The value of every cell of the file that none of the cases may show."""


@dataclass(frozen=True)
class Example:
    """What cases are made from: good files, and a folder with a secret that none may show."""

    path: Path
    netcdf: bytes
    safetensors: bytes
    secrets: Path


@dataclass(frozen=True)
class Case:
    name: str
    verdict: str
    words: str
    suffix: str
    content: Callable[[Path, Example], None]
    """Writes the file."""
    unsafe: bool
    """Whether it may crash or hang the process that reads it."""

    def write(self, folder: Path, example: Example) -> Path:
        path = folder / f"upload{self.suffix}"
        path.unlink(missing_ok=True)
        self.content(path, example)
        return path


CASES: list[Case] = []


def case(name, verdict, words="", *, suffix=".nc", unsafe=False):
    """A case whose function writes the file."""

    def register(function):
        CASES.append(Case(name, verdict, words, suffix, function, unsafe))
        return function

    return register


def hdf5(name, verdict, words="", *, unsafe=False):
    """A case whose function changes an open good file."""

    def register(function):
        def write(path, example):
            path.write_bytes(example.netcdf)
            with h5py.File(path, "a") as root:
                function(root, example)

        return case(name, verdict, words, unsafe=unsafe)(write)

    return register


def raw(name, verdict, words="", *, suffix=".nc", unsafe=False):
    """A case whose function gives the content of the file."""

    def register(function):
        def write(path, example):
            path.write_bytes(function(example))

        return case(name, verdict, words, suffix=suffix, unsafe=unsafe)(write)

    return register


def tensors(name, verdict, words=""):
    """A case whose function changes the parsed header of a safetensors file, or returns its text.

    It may return a pair: header and the bytes after it.
    """

    def register(function):
        def content(example):
            length = int.from_bytes(example.safetensors[:8], "little")
            header = json.loads(example.safetensors[8 : 8 + length])
            result = function(header) or header
            text, rest = result if isinstance(result, tuple) else (result, None)
            text = text if isinstance(text, bytes) else json.dumps(text).encode()
            rest = example.safetensors[8 + length :] if rest is None else rest
            return len(text).to_bytes(8, "little") + text + rest

        return raw(f"safetensors: {name}", verdict, words, suffix=".safetensors")(content)

    return register


def replace(root, name="analysis", *, data=None, **creation):
    """Store a variable again in another way, with the units it had."""
    values = root[name][...] if data is None else data
    units = root[name].attrs.get("units")
    del root[name]
    dataset = root.create_dataset(name, data=values, **creation)
    if units:
        dataset.attrs["units"] = units
    return dataset


def low_level(root, set_up, shape=SHAPE, limits=None):
    """Create `analysis` anew, without values, from properties of HDF5's own interface."""
    del root["analysis"]
    storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    set_up(storage)
    space = h5py.h5s.create_simple(shape, limits)
    return h5py.h5d.create(root.id, b"analysis", h5py.h5t.IEEE_F32LE, space, storage)
