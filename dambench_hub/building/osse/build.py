"""From the name of a preset to a data set folder: `dambench build`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.osse.dataset import open_world, plan
from dambench_hub.building.osse.world import World
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import Manifest


def build_world(
    world: World,
    out: Path,
    observations: ObservationSettings | None = None,
    *,
    file_format: str = "parquet",
    configs: Sequence[str] = (),
    geography: bool = False,
    ensemble: bool = False,
    workers: int = 1,
    fresh: bool = False,
) -> Manifest:
    """Build the data set of a world in a folder, or what is missing of it.

    What comes with the package is expanded, which needs no model; the rest is simulated.

    Args:
        world: A preset and a seed.
        out: The folder; made if absent.
        observations: How the stored observations are drawn; None for the world's seed and the
            usual rest.
        file_format: `parquet`, `arrow` or `hdf5`.
        configs: With `arrow`, configs to write beside `multimodal`.
        geography: Whether to add land, heights and pictures of them.
        ensemble: Whether to add the members of the splits that have some.
        workers: Processes that simulate.
        fresh: Delete what another build left in the folder first.

    Returns:
        The manifest, as written.

    Raises:
        BuildError: When the folder holds something else, or the model is needed and not installed.
    """
    observations = observations or ObservationSettings(seed=world.seed)
    wanted = plan(world, observations, file_format, tuple(configs), geography, ensemble)
    return build_dataset(out, wanted, partial(open_world, world, workers), fresh)
