"""Private references: they belong to one public data set, and change nothing else of it."""

import pickle

import numpy as np
import pytest

from dambench_hub.board.private_data import PrivateData
from dambench_hub.data import load_data
from dambench_hub.errors import DataError
from dambench_hub.testing import tiny_plan, write_tiny_dataset


def test_only_the_references_differ(hidden):
    public, private = hidden
    both = pickle.loads(pickle.dumps(PrivateData(public, private)))
    assert both.revision == public.revision != private.revision
    for split in ("train", "test"):
        np.testing.assert_array_equal(both.reference(split, 1), private.reference(split, 1))
        np.testing.assert_array_equal(both.background(split, 1), public.background(split, 1))
    assert not np.array_equal(both.reference("test", 1), public.reference("test", 1))
    given = next(both.batches("multimodal"))
    np.testing.assert_array_equal(given.reference[0], public.reference("test", 0))


def test_a_private_data_set_may_hold_the_hidden_split_alone_beside_the_training(hidden, tmp_path):
    public, _ = hidden
    source = {**tiny_plan().source, "public_revision": public.revision}
    times = {name: times for name, times in tiny_plan().times.items() if name != "validation"}
    write_tiny_dataset(tmp_path / "less", source=source, times=times)
    both = PrivateData(public, load_data(tmp_path / "less"))
    np.testing.assert_array_equal(
        both.reference("validation", 1), public.reference("validation", 1)
    )


def test_references_of_another_data_set_are_refused(hidden, tiny_data):
    public, _ = hidden
    with pytest.raises(DataError, match=f"belong to revision None .* is {public.revision}"):
        PrivateData(public, tiny_data)


def test_references_at_other_times_are_refused(hidden, tmp_path):
    public, _ = hidden
    source = {**tiny_plan().source, "public_revision": public.revision}
    times = {name: times[1:] for name, times in tiny_plan().times.items()}
    write_tiny_dataset(tmp_path / "other", source=source, times=times)
    with pytest.raises(DataError, match="other times"):
        PrivateData(public, load_data(tmp_path / "other"))
