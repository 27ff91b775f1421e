"""A public data set whose test references are hidden, and the private one that has them."""

import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.data.dataset import load_data
from dambench_hub.testing import TinyAtmosphere, tiny_plan, write_tiny_dataset


class WithoutTestReference(TinyAtmosphere):
    """The same world; in the test split, `reference` says nothing that is not known anyway."""

    def read(self, split, index):
        fields = dict(super().read(split, index))
        if split == "test":
            fields["reference"] = fields["background"]
        return fields


@pytest.fixture(scope="session")
def hidden(tmp_path_factory):
    """A data set without test references, and the private one that has them."""
    folder = tmp_path_factory.mktemp("hidden")
    plan = tiny_plan()
    build_dataset(folder / "public", plan, lambda _: Source(WithoutTestReference(plan).read))
    public = load_data(folder / "public")
    source = {**plan.source, "public_revision": public.revision}
    write_tiny_dataset(folder / "private", source=source)
    return public, load_data(folder / "private")
