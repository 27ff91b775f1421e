from dataclasses import replace

import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.data.revision_advice import board_advice, revision_advice

CANONICAL = {"kind": "osse", "canonical": {"index_sha256": "0", "expansion": 1}}


@pytest.fixture
def of_kind(tiny_folder):
    def make(source, **changes):
        manifest = load_data(tiny_folder).manifest
        source = {**manifest.source, "command": "build it", **source}
        return replace(manifest, source=source, **changes)

    return make


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (CANONICAL, "version that is installed: `build it`"),
        ({"kind": "osse"}, "a board of its own"),
        ({"kind": "era5"}, "which is made by `build it`"),
    ],
)
def test_each_kind_of_world_has_its_advice(of_kind, source, wanted):
    assert wanted in revision_advice(of_kind(source))
    assert "--data" in revision_advice(of_kind(source))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (CANONICAL, "build it with this version: `build it`; then predict"),
        ({"kind": "osse"}, "Results of other worlds are ranked on theirs"),
        ({"kind": "era5"}, "predict and submit again with this data set"),
    ],
)
def test_each_kind_of_board_says_why_it_is_alone(of_kind, source, wanted):
    assert wanted in board_advice(of_kind(source))


def test_a_world_of_an_earlier_version_is_called_so(of_kind):
    for advice in (revision_advice, board_advice):
        assert "earlier version" in advice(of_kind({"kind": "osse"}, format_version=2))
        assert "earlier version" not in advice(of_kind({"kind": "osse"}))
