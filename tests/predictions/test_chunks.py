"""Chunks: all are found in one pass, and each is what was written, whatever their shape."""

import h5py
import numpy as np
import pytest

from dambench_hub.errors import PredictionError
from dambench_hub.predictions import chunks
from dambench_hub.predictions.chunks import Chunks

SHAPE = (5, 3, 7)


@pytest.fixture
def root(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        yield file


@pytest.mark.parametrize("limits", [None, (None, 3, 7), (None, None, 7)])
@pytest.mark.parametrize("shape", [(1, 3, 7), (1, 1, 7), (1, 1, 1), (2, 2, 3), SHAPE])
@pytest.mark.parametrize("creation", [{}, {"compression": "gzip", "shuffle": True}])
def test_rows_are_what_was_written(root, shape, limits, creation):
    values = np.arange(105, dtype="<f4").reshape(SHAPE)
    variable = root.create_dataset("x", SHAPE, "<f4", chunks=shape, maxshape=limits, **creation)
    for index in (3, 0, 4, 1, 2):
        variable[index] = values[index]
    found = Chunks.of(variable)
    for index in range(5):
        start, rows = found.rows(index)
        np.testing.assert_array_equal(rows, values[start : start + len(rows)])
        assert start <= index < start + len(rows)


@pytest.mark.parametrize("place", list(np.ndindex(5, 3)), ids=str)
def test_a_chunk_that_is_not_there_is_missed(root, place):
    variable = root.create_dataset("x", SHAPE, "<f4", chunks=(1, 1, 7))
    for other in np.ndindex(5, 3):
        if other != place:
            variable[other] = 1.0
    with pytest.raises(PredictionError, match="never written"):
        Chunks.of(variable)


def test_chunks_beyond_the_end_count_for_nothing(root):
    variable = root.create_dataset("x", (9, 2), "<f4", chunks=(1, 2), maxshape=(None, 2))
    variable[4:] = 1.0
    variable.resize(5, axis=0)
    with pytest.raises(PredictionError, match="never written"):
        Chunks.of(variable)


def test_each_chunk_is_looked_up_once(root, monkeypatch):
    """HDF5 goes through all chunks to say where one lies, so asking for each takes minutes."""
    variable = root.create_dataset("x", (40, 50), "<f4", chunks=(1, 1))
    variable[...] = np.arange(2000).reshape(40, 50)
    asked = []

    class Counting:
        """The variable; notes what is asked of HDF5."""

        shape, chunks, dtype = variable.shape, variable.chunks, variable.dtype
        id = property(lambda self: self)

        def __getattr__(self, name):
            asked.append(name)
            return getattr(variable.id, name)

    found = Chunks.of(Counting())
    for index in range(40):
        found.rows(index)
    assert asked.count("chunk_iter") == 1
    assert not {"get_chunk_info", "get_chunk_info_by_coord"} & set(asked)


def test_an_index_without_end_is_left(root, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHUNKS", 10)
    variable = root.create_dataset("x", (40, 2), "<f4", chunks=(1, 2), maxshape=(None, 2))
    variable[...] = 1.0
    variable.resize(10, axis=0)
    assert Chunks.of(variable).stored.all()
    with pytest.raises(PredictionError, match="chunks of shape"):
        variable.resize(11, axis=0)
        Chunks.of(variable)
