"""What a recipe needs from the archives, as streams to bring in, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
import xarray as xr

from dambench_hub.building.era5.alignment import product_day, usable_times
from dambench_hub.building.era5.ingestion import FieldStream, Found
from dambench_hub.building.era5.recipe import Recipe
from dambench_hub.building.sources.arco import open_arco
from dambench_hub.building.sources.attribution import attribution
from dambench_hub.building.sources.cds.download import open_cds
from dambench_hub.building.sources.daily.olr import open_olr
from dambench_hub.building.sources.daily.precipitation import open_precipitation
from dambench_hub.building.sources.daily.series import read_day, require_days
from dambench_hub.building.sources.fengwu.model import STEP_HOURS, FengWu, read_forecasts
from dambench_hub.building.sources.hosted_forecasts import open_forecasts
from dambench_hub.building.sources.states import read_states, require_channels, require_times
from dambench_hub.building.sources.weatherbench import open_weatherbench
from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import WINDS, Regridder, unify_poles
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.runtime.files import local_path

ANALYSES: Mapping[str, Callable[[Any], xr.Dataset]] = {
    "wb2": open_weatherbench,
    "arco": open_arco,
    "cds": open_cds,
}
PRODUCTS: Mapping[str, Callable[[str], xr.DataArray]] = {
    "precipitation": open_precipitation,
    "olr": open_olr,
}
STATES, BACKGROUNDS = "states", "backgrounds"
STATES_A_SEGMENT, DAYS_A_SEGMENT = 4, 64


@lru_cache
def open_analyses(source: str, path: str | None) -> xr.Dataset:
    """The archive of the reference, opened once a process."""
    return ANALYSES[source](path)


@lru_cache
def open_product(modality: str, path: str) -> xr.DataArray:
    """A daily product, opened once a process."""
    return PRODUCTS[modality](path)


@lru_cache
def _open_model(folder: str) -> FengWu:
    import onnxruntime

    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return FengWu(local_path(folder), device="cuda" if cuda else "cpu")


_open_hosted = lru_cache(open_forecasts)


def product_names(recipe: Recipe) -> dict[str, str]:
    """Keys of `alignment.PRODUCTS`, by modality of the recipe."""
    return {m: open_product(m, path).attrs["product"] for m, path in recipe.modalities.items()}


def usable(recipe: Recipe) -> dict[str, np.ndarray]:
    """Valid times of each split without those whose inputs reach into another split."""
    products, extra = tuple(product_names(recipe).values()), 0
    if recipe.background == "fengwu":
        extra = STEP_HOURS  # the first of the model's two states
    days, times = list(recipe.days().values()), recipe.times()
    starts = [None, *(np.datetime64(begin, "h") for begin, _ in days[1:])]
    stops = [*starts[1:], None]
    options = (recipe.lead_hours, products, recipe.alignment, extra)
    return {
        split: usable_times(times[split], start, stop, *options)
        for split, start, stop in zip(times, starts, stops, strict=True)
    }


def streams(recipe: Recipe, times: Mapping[str, np.ndarray]) -> dict[str, FieldStream]:
    """What to bring in for the examples at these times, by name.

    Args:
        recipe: What is built.
        times: Valid times of each split.

    Raises:
        BuildError: When an archive cannot be opened, or does not have the channels or times.
    """
    valid = np.unique(np.concatenate(list(times.values())))
    grid = Grid.parse(recipe.grid)
    state = (len(recipe.channels), *grid.shape)
    earlier = valid - np.timedelta64(recipe.lead_hours, "h")
    wanted = np.union1d(valid, earlier) if recipe.background == "persistence" else valid
    read = partial(_states, _analyses, recipe)
    found = {STATES: FieldStream(STATES, wanted, state, read, STATES_A_SEGMENT)}
    if recipe.background != "persistence":
        hosted = recipe.background == "forecast"
        read = partial(_states, _hosted, recipe) if hosted else partial(_fengwu, recipe)
        found[BACKGROUNDS] = FieldStream(BACKGROUNDS, valid, state, read, STATES_A_SEGMENT)
    for modality, product in product_names(recipe).items():
        days = np.unique(product_day(product, recipe.alignment, valid)).astype("datetime64[h]")
        read = partial(_days, recipe, modality)
        found[modality] = FieldStream(modality, days, grid.shape, read, DAYS_A_SEGMENT)
    _require(recipe, found)
    return found


def archives(recipe: Recipe, times: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Attributes of every archive of the recipe, by what it gives, for the years of the times."""
    reference = _analyses(recipe).attrs
    years = attribution(np.concatenate(list(times.values())))
    found = {"reference": {**reference, "attribution": years}}
    if recipe.background == "forecast":
        found["background"] = dict(_hosted(recipe).attrs)
    if recipe.background == "fengwu":
        found["background"] = dict(_open_model(str(recipe.background_path)).attributes)
    for modality, path in recipe.modalities.items():
        found[modality] = dict(open_product(modality, path).attrs)
    return found


def orography(recipe: Recipe, time: np.datetime64) -> np.ndarray | None:
    """Height of the surface on the data set's grid, (Y, X), m; None if the archive has none."""
    archive = _analyses(recipe)
    if "geopotential_at_surface" not in archive:
        return None
    field = archive["geopotential_at_surface"]
    if "time" in field.dims:
        field = field.sel(time=time)
    values = field.load().transpose("latitude", "longitude").values
    if not np.isfinite(values).all():
        return None
    return unify_poles(_regridder(archive, recipe)(values).copy()) / GRAVITY


def regrid_methods(recipe: Recipe) -> dict[str, str]:
    """How each archive comes to the grid of the data set."""
    opened: dict[str, xr.Dataset | xr.DataArray] = {"reference": _analyses(recipe)}
    if recipe.background == "forecast":
        opened["background"] = _hosted(recipe)
    opened |= {m: open_product(m, path) for m, path in recipe.modalities.items()}
    return {name: _regridder(archive, recipe).method for name, archive in opened.items()}


def _require(recipe: Recipe, found: Mapping[str, FieldStream]) -> None:
    """Refuse what the archives do not have before anything is read."""
    analyses = _analyses(recipe)
    require_channels(analyses, recipe.channels, analyses.attrs["title"])
    _require_times(analyses, found[STATES].times)
    if recipe.background == "forecast":
        hosted = _hosted(recipe)
        require_channels(hosted, recipe.channels, hosted.attrs["title"])
        _require_times(hosted, found[BACKGROUNDS].times)
    if recipe.background == "fengwu":
        start = found[BACKGROUNDS].times - np.timedelta64(recipe.lead_hours + STEP_HOURS, "h")
        _require_times(analyses, start)
    for modality, path in recipe.modalities.items():
        require_days(open_product(modality, path), found[modality].times)


def _require_times(archive: xr.Dataset, times: np.ndarray) -> None:
    require_times(archive, times, archive.attrs["title"], archive.attrs.get("elsewhere", ""))


def _analyses(recipe: Recipe) -> xr.Dataset:
    return open_analyses(recipe.source, recipe.path)


def _hosted(recipe: Recipe) -> xr.Dataset:
    return _open_hosted(recipe.background_path, recipe.lead_hours)


def _regridder(archive: xr.Dataset | xr.DataArray, recipe: Recipe) -> Regridder:
    grid = Grid.parse(recipe.grid)
    return Regridder(archive.latitude.values, archive.longitude.values, grid)


def _states(
    open_archive: Callable[[Recipe], xr.Dataset], recipe: Recipe, times: np.ndarray
) -> Iterator[Found]:
    archive = open_archive(recipe)
    regrid = _regridder(archive, recipe)
    found = read_states(archive, recipe.channels, times, regrid)
    return _with_poles(found, recipe, regrid.method)


def _fengwu(recipe: Recipe, times: np.ndarray) -> Iterator[Found]:
    archive = _analyses(recipe)
    model, regrid = _open_model(str(recipe.background_path)), _regridder(archive, recipe)
    found = read_forecasts(archive, model, recipe.channels, times, regrid, recipe.lead_hours)
    return _with_poles(found, recipe, regrid.method)


def _with_poles(found: Iterator[Found], recipe: Recipe, method: str) -> Iterator[Found]:
    """States whose poles are one place; those that were not regridded are left as they came."""
    winds = [parse_channel(name).variable.name in WINDS for name in recipe.channels]
    for time, state in found:
        if isinstance(state, np.ndarray) and method != "none":
            for field, vector in zip(state, winds, strict=True):
                unify_poles(field, vector)
        yield time, state


def _days(recipe: Recipe, modality: str, days: np.ndarray) -> Iterator[Found]:
    product = open_product(modality, recipe.modalities[modality])
    regrid = _regridder(product, recipe)
    for day in days:
        field = read_day(product, day, regrid.masked)
        if isinstance(field, np.ndarray) and regrid.method != "none":
            unify_poles(field)
        yield day, field
