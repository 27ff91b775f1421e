"""ERA5 from the Copernicus Climate Data Store: what to ask it for, and what it sent, opened.

A key of one's own is needed, and the terms of both data sets must be accepted once. The store
interpolates to any regular grid, linearly. A month of one variable is asked for at a time, which
stays far below its limits; a download can be interrupted at any time and gone on with later.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import xarray as xr
from filelock import AcquireReturnProxy, FileLock, Timeout

from dambench_hub.building.sources import attribution as copernicus
from dambench_hub.building.sources.cds.files import (
    UNPACKED,
    ZIP,
    contents,
    file_kind,
    file_parts,
    unpacked,
)
from dambench_hub.building.sources.cds.parts import Part, joined
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES, Channel, parse_channels
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import atomic_path, local_path, remove_partial, writing
from dambench_hub.runtime.progress import track

PRESSURE_LEVELS = "reanalysis-era5-pressure-levels"
SINGLE_LEVELS = "reanalysis-era5-single-levels"
DATASETS = (
    f"{PRESSURE_LEVELS}, doi:10.24381/cds.bd0915c6, and {SINGLE_LEVELS}, doi:10.24381/cds.adbb2d47"
)
MOST_FIELDS = 5000
"""Fields in one request. NetCDF of about 6000 was granted and of 9000 refused in 2025."""

RETRIES = 10
"""Without an answer, two minutes apart; cdsapi would otherwise try for 17 hours."""

FIRST = np.datetime64("1940-01-01T00")
STORE = "https://cds.climate.copernicus.eu"
KEY_ADVICE = (
    f"Get a key at {STORE}/profile and write these two lines into ~/.cdsapirc:\n"
    f"url: {STORE}/api\nkey: <your personal access token, without user number and colon>"
)

TERMS_ADVICE = (
    "Log in and accept the terms at the bottom of "
    f"{STORE}/datasets/{{dataset}}?tab=download#manage-licences, once; then run this again."
)
ADVICE = {
    # It is a 403 too, so it goes before those of the terms.
    ("cost limit", "too large"): (
        "The request is too large for the store: ask for fewer hours, levels or days at a time."
    ),
    ("licence", "license", "terms", "forbidden"): TERMS_ADVICE,
    ("unauthorized", "authentication", "/api/v2"): KEY_ADVICE,
    ("too many requests", "rate limit"): (
        "Too many requests came from this key: wait some minutes, then run this again."
    ),
    ("available yet", "no data"): (
        "ERA5 comes about five days late: leave out the times that are not there yet."
    ),
}
"""What to do, by words in what the store says; the first that fits counts."""


@dataclass(frozen=True)
class Request:
    """One file to ask the store for.

    Attributes:
        dataset: What the store calls the data set.
        body: The request, as the store's interface wants it.
        file: Name for the file; another request has another name.
        channels: Names of the channels that the file is to hold.
    """

    dataset: str
    body: Mapping[str, Any]
    file: str
    channels: tuple[str, ...]

    @property
    def times(self) -> np.ndarray:
        """All times asked for, days times hours, datetime64[h], ascending."""
        month = f"{self.body['year'][0]}-{self.body['month'][0]}"
        clocks = itertools.product(self.body["day"], self.body["time"])
        return np.array([f"{month}-{day}T{hour}" for day, hour in clocks], "datetime64[h]")


def requests(channels: Sequence[str], times: np.ndarray, grid: Grid) -> list[Request]:
    """What to ask the store for: a file for each month and upper-air variable, one for the others.

    The store takes days and hours, so where some days lack hours that others have, it sends more
    than was asked for. A variable at very many levels and hours comes in several files.

    Args:
        channels: Channel names.
        times: datetime64, whole hours, in any order.
        grid: To which the store interpolates, linearly; ERA5 has 721x1440 (0.25 degrees).

    Raises:
        BuildError: When a time lies before ERA5 or between two hours, or the step of the grid is
            no whole number of thousandths of a degree.
        ChannelError: When a channel is unknown.
    """
    parsed = parse_channels(list(channels))
    hours = np.unique(np.asarray(times).astype("datetime64[h]"))
    if not np.isin(times, hours).all() or (len(hours) and hours[0] < FIRST):
        raise BuildError(f"ERA5 has every whole hour from {FIRST} on (UTC); other times are asked.")
    months, steps = hours.astype("datetime64[M]"), _steps(grid)
    return [
        _request(group, hours[months == month], steps)
        for month in np.unique(months)
        for group in _groups(parsed, hours[months == month])
    ]


def download(folder: Path, requests: Sequence[Request], client: Any = None) -> list[Path]:
    """Fetch the files that are not yet there and whole; the others are left as they are.

    A file is whole if it can be opened and holds all that was asked for. One that lacks times, for
    the store did not have them yet, is kept and fetched again the next time.

    Args:
        folder: For the files; made if absent.
        requests: From `requests`.
        client: With `retrieve(dataset, request, path)`; that of cdsapi if none is given.

    Returns:
        The files, one for each request.

    Raises:
        BuildError: When there is no key, the terms are not accepted, or the store refuses or sends
            something that cannot be opened; what was fetched before is kept.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        remove_partial(folder)
        left = [request for request in requests if not _is_whole(folder / request.file, request)]
        if left and client is None:
            client = _client()
        for request in track(left, len(left), "ERA5 from the Climate Data Store"):
            with atomic_path(folder / request.file) as partial:
                _retrieve(client, request, partial)
                _require_readable(partial)
    return [folder / request.file for request in requests]


def open_cds(source: str | Path | Iterable[str | Path]) -> xr.Dataset:
    """All that lies in a folder, or in some files, of any kind and age, as one lazy archive.

    Files of different variables, levels and months are joined. A field that no file has is NaN. A
    final field replaces a preliminary one; any other two values for one field are refused. The
    coordinate `expver` (time) is 0005 where any field is preliminary, else empty where a file does
    not say, as many old ones, and 0001 where all are final. ZIP archives are unpacked beside
    themselves.

    Args:
        source: A folder, searched to the bottom but for hidden files, or files.

    Returns:
        The archive in the convention of `dambench_hub.building.sources`. Only coordinates are read,
        and one value for each time of old files that mix final and preliminary fields.

    Raises:
        BuildError: When there is nothing, or a file is damaged, of an unknown kind, of another
            grid, in other units, or holds what another one holds.
        DambenchError: When an archive cannot be unpacked for want of space or permission.
    """
    paths = [local_path(path) for path in ([source] if isinstance(source, str | Path) else source)]
    place = ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if paths[3:] else "")
    files = [file for path in paths for file in _files(path)]
    members = [member for file in files for member in unpacked(file)]
    parts = [part for member in members for part in file_parts(member)]
    if not parts:
        held = "".join(f" {contents(member)}." for member in members[:3])
        raise BuildError(
            f"There is none of {', '.join(VARIABLES)} in {place or 'an empty list'} "
            f"({len(files)} file{'' if len(files) == 1 else 's'}).{held} "
            "Fetch ERA5 from the Climate Data Store first."
        )
    archive = joined(parts)
    return archive.assign_attrs(_attributes(archive.time.values, place))


def _steps(grid: Grid) -> list[str]:
    """The steps of a grid as the store wants them: eastward, then southward, degrees."""
    steps = [360 / grid.longitudes, 180 / (grid.latitudes - 1)]
    if any(abs(step * 1000 - round(step * 1000)) > 1e-9 for step in steps):
        raise BuildError(
            f"The Climate Data Store has no grid {grid}: its steps are thousandths of a degree. "
            "Ask for 721x1440, and regrid."
        )
    return [f"{step:g}" for step in steps]


def _groups(channels: Sequence[Channel], hours: np.ndarray) -> Iterator[list[Channel]]:
    """The channels of each file of a month."""
    if single := [channel for channel in channels if channel.level is None]:
        yield single
    fields = len(np.unique(hours.astype("datetime64[D]"))) * len(np.unique(_clock(hours)))
    most = max(1, MOST_FIELDS // fields)
    for name in dict.fromkeys(c.variable.name for c in channels if c.level is not None):
        mine = [channel for channel in channels if channel.variable.name == name]
        mine.sort(key=lambda channel: channel.level or 0)
        for start in range(0, len(mine), most):
            yield mine[start : start + most]


def _clock(hours: np.ndarray) -> np.ndarray:
    """Hours of the day, 0 to 23."""
    return (hours - hours.astype("datetime64[D]")).astype(np.int64)


def _request(group: Sequence[Channel], hours: np.ndarray, steps: list[str]) -> Request:
    """For channels of one data set, and hours of one month."""
    year, month = str(hours[0].astype("datetime64[M]")).split("-")
    days = np.unique(hours.astype("datetime64[D]"))
    body: dict[str, Any] = {
        "product_type": ["reanalysis"],
        "variable": [ERA5_NAMES[name] for name in dict.fromkeys(c.variable.name for c in group)],
        "year": [year],
        "month": [month],
        "day": [str(day)[-2:] for day in days],
        "time": [f"{hour:02d}:00" for hour in np.unique(_clock(hours))],
        "grid": steps,
        "data_format": "netcdf",
        "download_format": "unarchived",
    }
    on_levels = group[0].level is not None
    if on_levels:
        body["pressure_level"] = [str(channel.level) for channel in group]
    dataset = PRESSURE_LEVELS if on_levels else SINGLE_LEVELS
    # The digest keeps requests for other hours, levels or grids from taking this one's file.
    digest = hashlib.sha256(json.dumps([dataset, body], sort_keys=True).encode()).hexdigest()[:8]
    what = group[0].variable.name if on_levels else "single"
    file = f"era5_{what}_{year}-{month}_{digest}.nc"
    return Request(dataset, body, file, tuple(channel.name for channel in group))


def _lock(folder: Path) -> AcquireReturnProxy:
    try:
        return FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout:
        raise BuildError(
            f"Another process is downloading into {folder}. Wait for it, or stop it first."
        ) from None


def _is_whole(path: Path, request: Request) -> bool:
    """Whether a file is there, can be opened and holds all that is asked for."""
    if not path.exists():
        return False
    try:
        parts = [part for member in unpacked(path) for part in file_parts(member)]
    except BuildError:
        return False
    return all(
        np.isin(request.times, _times(parts, channel)).all()
        for channel in parse_channels(request.channels)
    )


def _times(parts: Sequence[Part], channel: Channel) -> np.ndarray:
    """The times at which some files hold a channel."""
    own = [
        part.times
        for part in parts
        if part.name == channel.variable.name
        and (channel.level is None or channel.level in part.levels)
    ]
    return np.concatenate([np.empty(0, "datetime64[s]"), *own])


def _client() -> Any:
    """That of cdsapi, if there is a key for it."""
    try:
        import cdsapi
    except ImportError as error:
        raise BuildError(
            "The Climate Data Store is asked through cdsapi: pip install 'dambench-hub[era5]'."
        ) from error
    try:
        _, key, _ = cdsapi.api.get_url_key_verify(None, None, None)
    except Exception as error:  # cdsapi raises nothing more special
        raise BuildError(f"No key for the Climate Data Store: {error}. {KEY_ADVICE}") from error
    if ":" in key:
        raise BuildError(
            f"The key for the Climate Data Store is one of before September 2024. {KEY_ADVICE}"
        )
    try:
        return cdsapi.Client(quiet=True, progress=False, retry_max=RETRIES)
    except Exception as error:
        raise BuildError(
            f"The Climate Data Store cannot be reached: {error}. Run the same command again later."
        ) from error


def _retrieve(client: Any, request: Request, path: Path) -> None:
    """Have the store write one file."""
    try:
        client.retrieve(request.dataset, dict(request.body), str(path))
    except Exception as error:  # cdsapi, and what it is built on, raise many kinds
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        said = str(error).strip() or type(error).__name__
        raise BuildError(
            f"The Climate Data Store did not give {request.file}: {said}\n"
            f"{_advice(said.lower(), request.dataset)} What was fetched before is kept."
        ) from error


def _advice(said: str, dataset: str) -> str:
    for words, advice in ADVICE.items():
        if any(word in said for word in words):
            return advice.format(dataset=dataset)
    return "Run the same command again later."


def _require_readable(path: Path) -> None:
    """Refuse what was sent if it is not whole, or has nothing to do with the request."""
    if not path.exists():
        raise BuildError("The Climate Data Store sent nothing. Run the same command again later.")
    if file_kind(path) != ZIP:
        if not file_parts(path):
            raise BuildError(f"The Climate Data Store sent none of {', '.join(VARIABLES)}.")
        return
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
    except BadZipFile as error:
        damaged = str(error)
    if damaged:
        raise BuildError(
            f"The Climate Data Store sent a damaged ZIP archive ({damaged}). Run this again."
        )


def _files(path: Path) -> list[Path]:
    """The file, or those of a folder, without hidden ones and what was unpacked from archives."""
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.suffix != ".idx"  # left by cfgrib
        and not any(name.startswith(".") for name in file.relative_to(path).parts)
        and not (file.parent.suffix == UNPACKED and file.parent.with_suffix("").exists())
    )


def _attributes(times: np.ndarray, place: str) -> dict[str, Any]:
    """Sentences for the card, and for messages about what is not there."""
    return {
        "title": "ERA5 from the Copernicus Climate Data Store",
        "source": f"ERA5 hourly data from the Copernicus Climate Data Store: {DATASETS}",
        "licence": copernicus.LICENCE,
        "attribution": copernicus.attribution(times),
        "citation": f"{copernicus.CITATION}; {DATASETS}",
        "commercial": True,
        "elsewhere": "Fetch the other times from the Climate Data Store; it has 1940 on.",
        "address": place,
    }
