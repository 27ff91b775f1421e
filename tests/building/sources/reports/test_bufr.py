import sys
from collections import Counter

import numpy as np
import pytest
from bufr_files import TIME, message

from dambench_hub.building.sources.reports.bufr import Subset, column, levels, read_subsets
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.errors import BuildError

TEMPLATES = [307079, 307080, 307096, 308009, 309052, 309057, 311001, 311005, 315009]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("template", TEMPLATES)
def test_elements_of_each_subset_are_its_own(template, compressed, tmp_path):
    places = {"latitude": [10.0, 20.0, -30.0], "longitude": [30.0, -40.0, 50.0]}
    path = tmp_path / "file.bufr"
    path.write_bytes(message([template], TIME | places, subsets=3, compressed=compressed))
    refused: Counter[str] = Counter()
    subsets = list(read_subsets(path, (0,), refused))
    assert not refused
    latitude = [subset.first(5001, 5002) for subset in subsets]
    longitude = [subset.first(6001, 6002) for subset in subsets]
    np.testing.assert_allclose(latitude, places["latitude"])
    np.testing.assert_allclose(longitude, places["longitude"])


def test_replications_of_unequal_length_keep_the_subsets_apart(tmp_path):
    """Numbers of levels differ: what stands after them is found all the same."""
    elements = (5001, 103000, 31001, 7004, 12101, 11002, 6001)
    values = {"latitude": [1.0, 2.0, 3.0], "longitude": [4.0, 5.0, 6.0]}
    values |= {f"#{rank}#pressure": 1_000.0 * rank for rank in range(1, 5)}
    path = tmp_path / "file.bufr"
    path.write_bytes(message(elements, values, subsets=3, factors=[3, 0, 1]))
    subsets = list(read_subsets(path, (0,), Counter()))
    pressures = [[v for d, v in subset.elements if d == 7004] for subset in subsets]
    assert pressures == [[1_000.0, 2_000.0, 3_000.0], [], [4_000.0]]
    np.testing.assert_allclose([subset.first(6001) for subset in subsets], [4.0, 5.0, 6.0])


def test_the_first_known_value_counts():
    subset = Subset(0, [(1, np.nan), (2, 5.0), (1, 7.0), (1, 8.0)], {})
    assert subset.first(1) == 7.0
    assert subset.first(3, 2, 1) == 5.0
    assert np.isnan(subset.first(3))


def test_an_element_that_comes_again_begins_a_level():
    elements = [(9, 0.0), (1, 10.0), (2, np.nan), (9, 0.0), (1, 20.0), (2, 5.0), (1, np.nan)]
    found = list(levels(Subset(0, elements, {}), {1, 2}))
    assert found == [{1: 10.0}, {1: 20.0, 2: 5.0}, {}]
    np.testing.assert_array_equal(column(found, 2, 1), [10.0, 5.0, np.nan])


def test_a_subset_without_levels_has_none():
    assert list(levels(Subset(0, [(9, 1.0)], {}), {1, 2})) == []


def test_values_that_do_not_fit_the_layout_are_counted_and_the_next_message_read(tmp_path):
    content = message([311005], TIME, subsets=2)
    more = bytearray(content)
    more[more.index(b"\x00\x02\x80", 20) + 1] = 3  # subsets, of which there are two
    path = tmp_path / "file.bufr"
    path.write_bytes(bytes(more) + content)
    refused: Counter[str] = Counter()
    assert len(list(read_subsets(path, (0,), refused))) == 2
    assert refused == {Refusal.DAMAGED: 1}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BuildError, match="No such file"):
        list(read_subsets(tmp_path / "absent.bufr", (0,), Counter()))


def test_without_eccodes_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "eccodes", None)
    with pytest.raises(BuildError, match=r"dambench-hub\[observations\]"):
        list(read_subsets(tmp_path / "file.bufr", (0,), Counter()))
