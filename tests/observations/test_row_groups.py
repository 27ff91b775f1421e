import numpy as np

from dambench_hub.observations.row_groups import repetitions, row_groups


def test_rows_of_a_group_agree_in_all_columns_and_no_others_do():
    rng = np.random.default_rng(3)
    number, letter = rng.integers(0, 4, 200), rng.choice(list("abc"), 200)
    pressure = rng.choice([np.nan, 50_000.0, 85_000.0], 200)
    keys = list(zip(number, letter, np.nan_to_num(pressure), strict=True))
    groups = row_groups(number, letter, pressure)
    for group, key in zip(groups, keys, strict=True):
        assert [k == key for k in keys] == (groups == group).tolist()


def test_no_rows_have_no_groups():
    assert row_groups(np.empty(0), np.empty(0)).tolist() == []


def test_repetitions_count_the_earlier_rows_of_a_group():
    groups = np.random.default_rng(0).integers(0, 5, 60)
    expected = [int(np.sum(groups[:row] == groups[row])) for row in range(60)]
    assert repetitions(groups).tolist() == expected
    assert repetitions(np.empty(0, int)).tolist() == []
