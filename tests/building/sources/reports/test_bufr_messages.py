from collections import Counter

import numpy as np
import pytest
from bufr_files import TIME, message

from dambench_hub.building.sources.reports.bufr_messages import whole_messages
from dambench_hub.building.sources.reports.reading import Refusal

ONE = message([311005], TIME)
OTHER = message([301021], {"latitude": 1.0}, subsets=3)


def test_messages_come_whole_and_in_order_whatever_lies_between():
    refused: Counter[str] = Counter()
    content = b"GTS\r\r\n" + ONE + b"\r\r\n\3" + OTHER + ONE + b"NNNN"
    assert list(whole_messages(content, refused)) == [ONE, OTHER, ONE]
    assert not refused


@pytest.mark.parametrize("length", range(4, len(ONE), 9))
def test_a_truncated_message_is_damaged(length):
    refused: Counter[str] = Counter()
    assert list(whole_messages(OTHER + ONE[:length], refused)) == [OTHER]
    assert refused == {Refusal.DAMAGED: 1}


@pytest.mark.parametrize(
    "place",
    [
        5,  # length of the message
        7,  # edition
        9,  # length of section 1
        31,  # of section 3
        -1,  # end
    ],
)
def test_a_message_whose_sections_do_not_fill_it_is_damaged(place):
    damaged = bytearray(ONE)
    damaged[place] = damaged[place] + 100
    refused: Counter[str] = Counter()
    assert list(whole_messages(bytes(damaged) + OTHER, refused)) == [OTHER]
    assert refused == {Refusal.DAMAGED: 1}


def test_no_damage_to_one_message_costs_another():
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(ONE)
        for place in rng.integers(8, len(ONE), rng.integers(1, 5)):
            damaged[place] = rng.integers(256)
        found = list(whole_messages(OTHER + bytes(damaged) + OTHER, Counter()))
        assert found[0] == found[-1] == OTHER and len(found) in (2, 3)


def test_an_empty_file_has_none():
    assert list(whole_messages(b"", Counter())) == []
