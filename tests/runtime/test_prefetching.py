"""Prefetching: the same items in the same order, and no item too early."""

import threading

import pytest

from dambench_hub.runtime.prefetching import prefetched


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_same_items(count, ahead):
    assert list(prefetched(iter(range(count)), ahead)) == list(range(count))


def test_at_most_so_many_are_made_ahead():
    made = []
    items = prefetched((made.append(n) or n for n in range(100)), 2)
    assert next(items) == 0
    items.close()
    assert len(made) <= 4


def test_what_goes_wrong_comes_in_its_place():
    def failing():
        yield 1
        raise OSError("torn")

    items = prefetched(failing(), 3)
    assert next(items) == 1
    with pytest.raises(OSError, match="torn"):
        next(items)


def test_no_thread_is_left():
    before = threading.active_count()
    items = prefetched(iter(range(10)), 2)
    next(items)
    items.close()
    assert threading.active_count() == before
