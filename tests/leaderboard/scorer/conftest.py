"""A public data set whose test references are hidden, and the private one that has them."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.data.dataset import load_data
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.testing import TinyAtmosphere, tiny_plan, tiny_reports, write_tiny_dataset


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


STATIONS = {
    "channels": ("t2m",),
    "modalities": (),
    "times": {"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3)},
    "observations": ObservationSettings(),
    "reports_window": Window(-3, 0),
    "reference_is_reports": True,
}


class WithoutWithheldValues(TinyAtmosphere):
    """The same world; what is withheld is 0 K."""

    def source(self):
        def read_reports(split):
            table = tiny_reports(self.plan.times[split])
            return table.replace(value=np.where(table.withheld, 0, table.value))

        return replace(super().source(), read_reports=read_reports)


@pytest.fixture(scope="session")
def hidden_stations(tmp_path_factory):
    """A data set of reports without the withheld values, and the private one that has them."""
    folder = tmp_path_factory.mktemp("hidden_stations")
    plan = tiny_plan(**STATIONS)
    build_dataset(folder / "public", plan, lambda _: WithoutWithheldValues(plan).source())
    public = load_data(folder / "public")
    source = {**plan.source, "public_revision": public.revision}
    write_tiny_dataset(folder / "private", **STATIONS, source=source)
    return public, load_data(folder / "private")
