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
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building.sources.axes import harmonized
from dambench_hub.building.sources.cds.parts import DIMENSIONS, EXPVER, NO_LEVEL, UNSAID, Part
from dambench_hub.coordinates.variables import VARIABLES, Variable
from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.runtime.files import atomic_path

ZIP = "zip"
KINDS = {
    b"\x89HDF": "h5netcdf",
    b"CDF\x01": "scipy",
    b"CDF\x02": "scipy",
    b"GRIB": "cfgrib",
    b"PK\x03\x04": ZIP,
}
"""First bytes of a file, and what xarray opens it with."""

UNPACKED = ".unpacked"
"""What the folder of an archive's files is called after the archive's name."""

OPEN_FILES = 32
GRIB_OPTIONS = {
    "indexpath": "",  # the index would be a pickle beside the data, and pickles run code
    "time_dims": ["valid_time"],
    "extra_coords": {"expver": "valid_time"},
    "errors": "raise",
}


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
        BuildError: When the file is damaged or has a wrong axis, unit or `expver`.
    """
    return [
        part
        for number, dataset in enumerate(open_file(path))
        for variable in VARIABLES.values()
        if variable.name in dataset.data_vars
        and "time" in dataset.coords
        and ("level" in dataset[variable.name].coords or not variable.on_levels)
        for part in _variable_parts(path, number, dataset, variable)
    ]


@lru_cache(maxsize=OPEN_FILES)
def _opened(path: Path, _modified: int) -> tuple[xr.Dataset, ...]:
    kind = file_kind(path)
    try:
        if kind == "cfgrib":
            datasets = _open_grib(path)
        else:
            datasets = (xr.open_dataset(path, engine=kind, cache=False, decode_timedelta=False),)
        return tuple(harmonized(_one_time(dataset, path), str(path)) for dataset in datasets)
    except DambenchError:
        raise
    except Exception as error:  # each of the libraries has its own for a damaged file
        raise BuildError(
            f"{path} cannot be opened: {error or type(error).__name__}. If it is damaged or "
            "truncated, delete it and fetch it again."
        ) from error


def _open_grib(path: Path) -> tuple[xr.Dataset, ...]:
    try:
        from cfgrib import DatasetBuildError
        from cfgrib.xarray_store import open_variable_datasets
    except (ImportError, RuntimeError) as error:  # RuntimeError: the library of eccodes is absent
        raise BuildError(
            f"{path} is GRIB, which needs cfgrib and eccodes: pip install 'dambench-hub[era5]'. "
            "Or ask the Climate Data Store for data_format netcdf."
        ) from error
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 256))
        if not file.read().rstrip(b"\0").endswith(b"7777"):
            raise BuildError(f"{path} is truncated: GRIB ends with 7777. Fetch it again.")
    try:
        return (xr.open_dataset(path, engine="cfgrib", cache=False, backend_kwargs=GRIB_OPTIONS),)
    except DatasetBuildError:
        return tuple(open_variable_datasets(str(path), backend_kwargs=GRIB_OPTIONS, cache=False))


def _one_time(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Without the second of `time` and `valid_time`, which are the same for an analysis."""
    if not {"time", "valid_time"} <= set(dataset.variables):
        return dataset
    if not np.array_equal(dataset.time.values.ravel(), dataset.valid_time.values.ravel()):
        raise BuildError(f"{path}: time is not valid_time, so it holds forecasts, not analyses.")
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
    units = str(array.attrs.get("units", variable.units)).replace("**", "")
    if units != variable.units:
        raise BuildError(
            f"{path}: {variable.name} is in {units!r}; wanted {variable.units!r}, as ERA5 has it."
        )
    known = (*DIMENSIONS, "expver")
    further = {str(name): size for name, size in array.sizes.items() if name not in known}
    if several := [f"{size} along {name}" for name, size in further.items() if size > 1]:
        raise BuildError(
            f"{path}: {variable.name} has {', '.join(several)}; wanted one field for each time "
            "and level. Ask for the product type reanalysis, not for ensemble members."
        )
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
            dict.fromkeys(further, 0) | at,
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
    try:
        return np.array([known[text.strip().zfill(4)] for text in texts], np.int8)
    except KeyError as error:
        raise BuildError(f"{path}: expver is {error}; ERA5 has 0001, or 0005 for ERA5T.") from None
