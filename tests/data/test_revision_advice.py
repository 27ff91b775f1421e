from dataclasses import replace

import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.data.revision_advice import revision_advice


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"kind": "osse", "canonical": {"index_sha256": "0", "expansion": 1}}, "same on every"),
        ({"kind": "osse"}, "a board of its own"),
        ({"kind": "era5"}, "which is made by `build it`"),
    ],
)
def test_each_kind_of_world_has_its_advice(tiny_folder, source, wanted):
    manifest = load_data(tiny_folder).manifest
    of_kind = replace(manifest, source={**manifest.source, "command": "build it", **source})
    assert wanted in revision_advice(of_kind)
    assert "--data" in revision_advice(of_kind)
