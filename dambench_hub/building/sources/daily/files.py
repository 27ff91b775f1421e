"""One netCDF file of a daily product: recognised by its content, read one day at a time.

The files come in several containers and with fill values that their attributes may not name, so
nothing is taken from a file's name or extension but what only the name tells, "preliminary".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.declarations import require_units
from dambench_hub.coordinates.grids import TOLERANCE_DEGREES
from dambench_hub.coordinates.missing import FILL
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import local_path

ENGINES = {b"\x89HDF": "h5netcdf", b"CDF\x01": "scipy", b"CDF\x02": "scipy"}
"""What opens a file that begins with these bytes."""

FILLS = (-999.0, -9999.0, 32766.0, 655.31)
"""Fill values that files hold without saying so; the last is 32766 after unpacking as OLR."""

IDENTITY = ("title", "dataset_title", "description", "id", "product_version")
"""Attributes of a file that say what it is."""

NOT_DAILY_VALUES = ("long term mean", "long-term mean", "anomal")


@dataclass(frozen=True)
class Layout:
    """What the files of one product look like, and what may stand in them.

    Attributes:
        product: Key of `era5.alignment.PRODUCTS`.
        title: Name for people.
        variable: Its name in the files.
        spacing: Of the global grid, degrees.
        centred: Whether cells lie between poles and meridian 0, or have their centres there.
        units: Of the values, however the files spell them.
        allowed: Lowest and highest value; beyond them there are only fill values.
        advice: Which unit is meant if values are beyond that.
        peak: Every day with values above 0 has one at least as large.
        required: Words of which the file's attributes must hold one; none if empty.
        excluded: Words that mark another product on the same grid.
    """

    product: str
    title: str
    variable: str
    spacing: float
    centred: bool
    units: tuple[str, ...]
    allowed: tuple[float, float]
    advice: str
    peak: float = 0.0
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def latitude(self) -> np.ndarray:
        """Degrees north, (Ys,), north to south."""
        first = 90 - self.spacing / 2 * self.centred
        return np.linspace(first, -first, round(2 * first / self.spacing) + 1)

    @property
    def longitude(self) -> np.ndarray:
        """Degrees east, (Xs,), from 0 on."""
        return self.spacing * (np.arange(round(360 / self.spacing)) + 0.5 * self.centred)

    def measured(self, values: np.ndarray, place: str) -> np.ndarray:
        """The values, float32, NaN where nothing was measured, whether or not the file says so.

        Raises:
            BuildError: When values lie outside what is possible and are no fill values.
        """
        values = np.array(values, np.float32)
        low, high = self.allowed
        outside = (values < low) | (values > high)
        values[outside & _is_fill(values)] = np.nan
        known = values[~np.isnan(values)]
        if known.size:
            least, most = known.min(), known.max()
            if not (low <= least and most <= high and (most == 0 or most >= self.peak)):
                raise BuildError(
                    f"{place}: {self.variable} runs from {least:.6g} to {most:.6g}, "
                    f"possible is {low:g} to {high:g}. {self.advice}"
                )
        return values


@dataclass(frozen=True, eq=False)
class DailyFile:
    """A file of a product.

    Attributes:
        path: The file.
        layout: Of the product.
        days: datetime64[D], (N,), ascending; UTC days, whatever hour of them the file names.
        rows: Where each day lies along the time axis of the file, (N,).
        identity: Its attributes that say what it is, lower case.
    """

    path: Path
    layout: Layout
    days: np.ndarray
    rows: np.ndarray
    identity: str

    @cached_property
    def words(self) -> str:
        """Its name and what its attributes say it is, lower case."""
        return f"{self.path.name} {self.identity}".lower()

    @property
    def preliminary(self) -> bool:
        """Whether a final file is to replace this one."""
        return "preliminary" in self.words

    def read(self, number: int) -> np.ndarray:
        """The field of `days[number]`, (Ys, Xs), float32, north to south, from 0° eastward.

        Raises:
            BuildError: When the file cannot be read, or holds impossible values.
        """
        name = self.layout.variable
        with opened(self.path, without=("time",)) as dataset:
            field = harmonized(dataset[[name]].isel(time=self.rows[number]), str(self.path))[
                name
            ].load()
        values = field.transpose("latitude", "longitude").values
        return self.layout.measured(values, f"{self.path.name}, {self.days[number]}")


def find_files(
    path: str | Path, layouts: Sequence[Layout]
) -> tuple[list[DailyFile], dict[str, str]]:
    """The files of a product, and why the others at this place are none.

    Args:
        path: A file, a folder (its `.nc` and `.nc4` files are meant), or a glob.
        layouts: Products that are meant.

    Returns:
        The files, at least one; and name → reason of those left out.

    Raises:
        BuildError: When there is no file of these products, or one that is damaged, no netCDF, or
            in another unit.
    """
    files, left_out = [], {}
    for file in _paths(path):
        found = _examine(file, layouts)
        if isinstance(found, str):
            left_out[file.name] = found
        else:
            files.append(found)
    if not files:
        wanted = " or ".join(layout.title for layout in layouts)
        reasons = "; ".join(f"{name} {reason}" for name, reason in list(left_out.items())[:5])
        raise BuildError(f"{path} has no file of {wanted}: {reasons}.")
    return files, left_out


@contextmanager
def opened(path: Path, without: Sequence[str] = ()) -> Iterator[xr.Dataset]:
    """A netCDF file, lazily, with its times as numbers; closed afterwards.

    Args:
        path: The file.
        without: Variables to leave out.

    Raises:
        BuildError: When it is absent, no netCDF file, or damaged, also where the block finds so.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror}.") from error
    if start not in ENGINES:
        raise BuildError(
            f"{path} begins with {start!r}: that is no netCDF-3 or netCDF-4 file. Perhaps an error "
            "page was downloaded instead; fetch it again. (`nccopy -k nc4` converts CDF-5.)"
        )
    try:
        with xr.open_dataset(
            path,
            engine=ENGINES[start],
            chunks=None,
            cache=False,
            decode_times=False,
            drop_variables=list(without),
        ) as dataset:
            yield dataset
    except (OSError, RuntimeError, TypeError, ValueError, LookupError) as error:
        raise BuildError(f"{path} is damaged ({error}). Fetch it again.") from error


def _paths(path: str | Path) -> list[Path]:
    place = local_path(path)
    if place.is_dir():
        found = [p for p in place.iterdir() if p.suffix in (".nc", ".nc4")]
    elif place.is_file():
        found = [place]
    else:
        found = [Path(name) for name in glob(str(place))]
    paths = sorted(p for p in found if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise BuildError(f"No netCDF file at {path}; give a file, a folder with .nc files, a glob.")
    return paths


def _examine(path: Path, layouts: Sequence[Layout]) -> DailyFile | str:
    """The file as one of a product, or why it is none."""
    reasons = []
    with opened(path) as dataset:
        for layout in layouts:
            if reason := _other_content(dataset, layout):
                reasons.append(reason)
                continue
            axes = dataset.drop_vars([str(name) for name in dataset.data_vars])
            axes = axes.assign(row=("time", np.arange(dataset.time.size)))
            try:
                axes = harmonized(xr.decode_cf(axes), str(path))
            except ValueError as error:
                raise BuildError(f"{path}: the times cannot be decoded ({error}).") from error
            if reason := _other_grid(axes, layout) or _other_cadence(axes.time.values):
                reasons.append(reason)
                continue
            _require_units(dataset[layout.variable], layout, path)
            days = _days(axes.time.values, path)
            return DailyFile(path, layout, days, axes.row.values, _identity(dataset))
    return " and ".join(dict.fromkeys(reasons))


def _other_content(dataset: xr.Dataset, layout: Layout) -> str | None:
    name = layout.variable
    if name not in dataset or dataset[name].ndim != 3:
        return f"has no variable {name}(time, lat, lon)"
    if "time" not in dataset[name].dims or not set(dataset[name].dims) <= set(dataset.coords):
        return f"has {name} on other axes than time, lat, lon"
    if dataset.time.size == 0:
        return "has no times"
    variable, identity = dataset[name].attrs, _identity(dataset)
    words = " ".join([identity, *(str(variable.get(k, "")) for k in ("long_name", "statistic"))])
    if "climatology" in dataset.time.attrs or "ltm_range" in dataset.time.attrs:
        return "is a long-term mean"
    if other := [word for word in NOT_DAILY_VALUES if word in words.lower()]:
        return f"does not hold the days' values, as it speaks of {other[0]!r}"
    if other := [word for word in layout.excluded if word in words.lower()]:
        return f"is another product, as it speaks of {other[0]!r}"
    if layout.required and not any(word in words.lower() for word in layout.required):
        return f"has not {' or '.join(layout.required)!r} in its attributes, as {layout.title} has"
    return None


def _other_grid(axes: xr.Dataset, layout: Layout) -> str | None:
    for came, wanted in (
        (axes.latitude.values, layout.latitude),
        (axes.longitude.values, layout.longitude),
    ):
        if len(came) != len(wanted) or not np.allclose(came, wanted, 0, TOLERANCE_DEGREES):
            return (
                f"is on a grid of {axes.latitude.size}x{axes.longitude.size} points from "
                f"{axes.latitude.values[0]:g} N, {axes.longitude.values[0]:g} E, {layout.title} on "
                f"{layout.latitude.size}x{layout.longitude.size} from {layout.latitude[0]:g} N, "
                f"{layout.longitude[0]:g} E"
            )
    return None


def _other_cadence(stamps: np.ndarray) -> str | None:
    if len(stamps) < 2:
        return None
    hours = np.median(np.diff(stamps) / np.timedelta64(1, "h")).round(2)
    return None if hours == 24 else f"is not daily: its times are {hours:g} hours apart"


def _days(stamps: np.ndarray, path: Path) -> np.ndarray:
    """UTC days of the stamps, whether at 00 or 12 UTC."""
    # Hours since 1800 as float64 may come out a little before midnight.
    days = (stamps + np.timedelta64(30, "s")).astype("datetime64[D]")
    if np.any(again := np.diff(days) == np.timedelta64(0)):
        day = days[int(np.argmax(again))]
        raise BuildError(f"{path} has {day} twice. It is damaged; fetch it again.")
    return days


def _require_units(variable: xr.DataArray, layout: Layout, path: Path) -> None:
    """A unit must be declared here: a total in m or inches is a possible one in mm."""
    if not variable.attrs.get("units"):
        raise BuildError(
            f"{path}: {layout.variable} declares no unit; wanted {layout.units[0]!r}. "
            f"{layout.advice}"
        )
    require_units(variable, layout.units, str(path), layout.advice)


def _identity(dataset: xr.Dataset) -> str:
    return " ".join(str(dataset.attrs.get(name, "")) for name in IDENTITY).lower()


def _is_fill(values: np.ndarray) -> np.ndarray:
    fill = np.isfinite(values) & (np.abs(values) >= FILL)
    for constant in FILLS:
        fill |= np.isclose(values, constant, rtol=1e-5, atol=0)
    return fill
