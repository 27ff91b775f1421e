"""Names say which rows are seeds of one method."""

import pytest

from dambench_hub.scoring.seed_names import method_and_seed


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("multi_fnp-2", ("multi_fnp", 2)),
        ("my net-0", ("my net", 0)),
        ("a-1-2", ("a-1", 2)),
        ("fnp", ("fnp", None)),
        ("resnet-50", ("resnet-50", None)),
        ("-1", ("-1", None)),
        ("fnp--1", ("fnp--1", None)),
        ("fnp-1 ", ("fnp-1 ", None)),
    ],
)
def test_the_seed_is_one_digit_at_the_end(name, parts):
    assert method_and_seed(name) == parts
