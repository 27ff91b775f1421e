"""One file from the Climate Data Store: told by its first bytes, opened lazily, its parts listed.

Files before September 2024 are netCDF-3 with packed integers and `time`, and where final and
preliminary fields meet they have a dimension `expver`, each half of which is NaN. Newer ones are
netCDF-4 with `valid_time` and `pressure_level`, and `expver` is a text for each time. GRIB is read
through cfgrib. A ZIP archive of these may come under a name that ends in `.nc`.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building.sources.analyses import MEMBERS, require_analyses
from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.cds.grib import check_messages, open_grib
from dambench_hub.building.sources.cds.names import renamed
from dambench_hub.building.sources.cds.parts import DIMENSIONS, EXPVER, NO_LEVEL, UNSAID, Part
from dambench_hub.building.sources.declarations import require_variable
from dambench_hub.coordinates.variables import VARIABLES, Variable
from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.runtime.files import atomic_path

ZIP, GRIB = "zip", "cfgrib"
KINDS = {
    b"\x89HDF": "h5netcdf",
    b"CDF\x01": "scipy",
    b"CDF\x02": "scipy",
    b"GRIB": GRIB,
    b"PK\x03\x04": ZIP,
}
"""First bytes of a file, and what xarray opens it with."""

UNPACKED = ".unpacked"
"""What the folder of an archive's files is called after the archive's name."""

GRIDS = {
    "reduced_gg": (
        "a reduced Gaussian grid, whose rows have fewer points towards the poles",
        "cdo -setgridtype,regular",
    ),
    "sh": ("no grid, but holds coefficients of spherical harmonics", "cdo -sp2gp"),
}
"""Grids of GRIB (`gridType`) as ECMWF archives them, and what makes regular ones of them."""

MOST_NAMES = 12
"""Of variables in a message."""

OPEN_FILES = 32


def file_kind(path: Path) -> str:
    """What opens a file: one of the values of `KINDS`, by its first bytes.

    Raises:
        BuildError: When it is absent or of no known kind.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror}.") from error
    for signature, kind in KINDS.items():
        if start.startswith(signature):
            return kind
    advice = (
        "Convert it with `nccopy -k nc4`."
        if start.startswith(b"CDF\x05")
        else "It may be an error page or a broken download: move it elsewhere, or fetch it again."
    )
    raise BuildError(
        f"{path} begins with {start!r}; wanted netCDF-4, netCDF-3, GRIB or ZIP. {advice}"
    )


def unpacked(path: Path) -> list[Path]:
    """The file itself, or the files of an archive, unpacked into a folder beside it if need be.

    Raises:
        BuildError: When the archive is damaged or holds two files of one name.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    if file_kind(path) != ZIP:
        return [path]
    folder = path.with_name(path.name + UNPACKED)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            # Only the last part of a name counts, so nothing is written outside the folder.
            targets = [folder / Path(member.filename).name for member in members]
            if len(set(targets)) < len(targets):
                raise BuildError(f"{path} holds two files of one name; unpack it yourself.")
            for member, target in zip(members, targets, strict=True):
                if not _is_unpacked(target, path, member.file_size):
                    _unpack(archive, member, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BuildError(f"{path} is a damaged ZIP archive ({error}). Fetch it again.") from error
    return sorted(targets)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with (
        atomic_path(target) as partial,
        archive.open(member) as content,
        partial.open("wb") as file,
    ):
        shutil.copyfileobj(content, file)


def open_file(path: Path) -> tuple[xr.Dataset, ...]:
    """A file as harmonized data sets, lazily; the last ones that were opened stay so.

    It is one data set, but for a GRIB file whose variables lie on different levels or times.

    Raises:
        BuildError: When the file is damaged or its axes are wrong, or cfgrib is needed and absent.
    """
    return _opened(path, path.stat().st_mtime_ns)


def file_parts(path: Path) -> list[Part]:
    """What a file holds of our variables; others are passed over.

    An upper-air variable without a level is one of those: `z` without level is the orography.

    Raises:
        BuildError: When the file is damaged, has a wrong axis, unit or `expver`, or one of our
            variables in it is no analysis.
    """
    if file_kind(path) == GRIB:
        with _explained(path):
            check_messages(path)
    return [
        part
        for number, dataset in enumerate(open_file(path))
        for variable in _ours(dataset)
        if not _why_left_out(dataset, variable)
        for part in _variable_parts(path, number, dataset, variable)
    ]


def contents(path: Path) -> str:
    """For a message: the names of all that a file holds, and why those of ours were left out."""
    datasets = open_file(path)
    names = list(dict.fromkeys(str(name) for dataset in datasets for name in dataset.data_vars))
    reasons = [_why_left_out(dataset, ours) for dataset in datasets for ours in _ours(dataset)]
    listed = ", ".join(names[:MOST_NAMES]) + (" …" if names[MOST_NAMES:] else "")
    return "; ".join([f"{path.name} holds {listed or 'nothing'}", *filter(None, reasons)])


def _ours(dataset: xr.Dataset) -> list[Variable]:
    return [variable for name, variable in VARIABLES.items() if name in dataset.data_vars]


def _why_left_out(dataset: xr.Dataset, variable: Variable) -> str | None:
    """Why a variable of a file is passed over; None if it is not."""
    array = dataset[variable.name]
    if "time" not in dataset.coords:
        return f"{variable.name} has no time"
    if variable.on_levels and "level" not in array.coords and not _further(array):
        return f"{variable.name} has no pressure level"
    return None


def _further(array: xr.DataArray) -> dict[str, int]:
    """Dimensions that no field of ERA5 has, and their sizes."""
    known = (*DIMENSIONS, "expver", *MEMBERS)
    return {str(name): size for name, size in array.sizes.items() if name not in known}


@lru_cache(maxsize=OPEN_FILES)
def _opened(path: Path, _modified: int) -> tuple[xr.Dataset, ...]:
    kind = file_kind(path)
    with _explained(path):
        if kind == GRIB:
            datasets = open_grib(path)
        else:
            datasets = (xr.open_dataset(path, engine=kind, cache=False, decode_timedelta=False),)
        return tuple(_conventional(dataset, path) for dataset in datasets)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What the libraries say of a file that they cannot read, as a `BuildError`."""
    try:
        yield
    except DambenchError:
        raise
    except Exception as error:  # each of the libraries has its own for a damaged file
        raise BuildError(
            f"{path} cannot be opened: {error or type(error).__name__}. If it is damaged or "
            "truncated, delete it and fetch it again."
        ) from error


def _conventional(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """An opened file with our names and axes, if it holds analyses on a regular grid."""
    dataset = renamed(dataset, str(path))
    require_analyses(dataset, str(path))
    _require_regular_grid(dataset, path)
    return harmonized(_one_time(dataset), str(path))


def _require_regular_grid(dataset: xr.Dataset, path: Path) -> None:
    """Refuse a grid whose latitudes and longitudes are no axes, and say how to get one."""
    axes = [name for name in ("latitude", "lat") if name in dataset.variables]
    kinds = {str(v.attrs["GRIB_gridType"]) for v in dataset.values() if "GRIB_gridType" in v.attrs}
    irregular = any(dataset[name].dims not in ((), (name,)) for name in axes)
    if not irregular and not kinds - {"regular_ll", "regular_gg"}:
        return
    kind = ", ".join(sorted(kinds)) or "a grid of its own"
    words, convert = GRIDS.get(kind, (kind, "cdo -remapbil,GRID"))
    raise BuildError(
        f"{path} is on {words}; wanted are values on axes of latitude and longitude. Name the grid "
        f"in the request (grid: ['1.5', '1.5']), or convert the file: `{convert} IN OUT`."
    )


def _one_time(dataset: xr.Dataset) -> xr.Dataset:
    """Without the second of `time` and `valid_time`, which are the same for an analysis."""
    if not {"time", "valid_time"} <= set(dataset.variables):
        return dataset
    return dataset.drop_vars("time" if "valid_time" in dataset.dims else "valid_time")


def _is_unpacked(path: Path, archive: Path, size: int) -> bool:
    if not path.exists():
        return False
    found = path.stat()
    return found.st_size == size and found.st_mtime_ns >= archive.stat().st_mtime_ns


def _variable_parts(
    path: Path, number: int, dataset: xr.Dataset, variable: Variable
) -> Iterator[Part]:
    """A variable of an opened file: one part, or one for each place along `expver`."""
    array = dataset[variable.name]
    require_variable(array, variable, str(path))
    further = _further(array)
    if further and variable.on_levels and "level" not in array.coords:
        raise BuildError(
            f"{path}: {variable.name} lies along {', '.join(further)}; wanted are pressure levels, "
            "in hPa along an axis called level. Model levels and heights cannot be used."
        )
    if several := [f"{size} along {axis}" for axis, size in further.items() if size > 1]:
        raise BuildError(
            f"{path}: {variable.name} has {', '.join(several)}; wanted one field for each time "
            "and level. Ask the Climate Data Store for the product type reanalysis."
        )
    single = [str(axis) for axis in array.dims if axis not in (*DIMENSIONS, "expver")]
    times = np.atleast_1d(dataset.time.values).astype("datetime64[s]")
    levels = np.atleast_1d(array.level.values).astype(int) if variable.on_levels else NO_LEVEL
    grid = (dataset.latitude.values.astype(np.float64), dataset.longitude.values)
    for at, versions, there in _halves(path, dataset, variable.name, len(times)):
        rows = np.flatnonzero(there)
        yield Part(
            path,
            open_file,
            number,
            variable.name,
            times[rows],
            rows,
            versions[rows],
            levels,
            dict.fromkeys(single, 0) | at,
            grid,
        )


def _halves(
    path: Path, dataset: xr.Dataset, name: str, count: int
) -> Iterator[tuple[dict[str, int], np.ndarray, np.ndarray]]:
    """Places along `expver`, if it is a dimension; the versions; and the times that are there.

    Where it is a dimension, the values of one place of the earth tell which times are there.
    """
    if "expver" not in dataset.variables:
        yield {}, np.full(count, UNSAID, np.int8), np.ones(count, bool)
        return
    versions = _versions(path, np.atleast_1d(dataset.variables["expver"].values))
    variable = dataset.variables[name]
    if "expver" not in variable.dims:
        yield {}, np.broadcast_to(versions, count), np.ones(count, bool)
        return
    for place, version in enumerate(versions):
        keys = {dim: 0 for dim in variable.dims if dim != "time"} | {"expver": place}
        there = ~np.isnan(np.atleast_1d(variable.isel(keys).values))
        yield {"expver": place}, np.full(count, version, np.int8), there


def _versions(path: Path, expver: np.ndarray) -> np.ndarray:
    """`expver` as places in `EXPVER`; it comes as text, bytes or number."""
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in expver]
    known = {name: place for place, name in enumerate(EXPVER)}
    known["undef"] = UNSAID  # from cfgrib, where GRIB has no section of ECMWF's own
    try:
        return np.array([known[text.strip().zfill(4)] for text in texts], np.int8)
    except KeyError as error:
        raise BuildError(f"{path}: expver is {error}; ERA5 has 0001, or 0005 for ERA5T.") from None
