"""Backgrounds from FengWu, a forecast model in ONNX that starts from two states.

The input is one tensor of two normalised states, x(t − 6 h) before x(t), 69 channels each; the
first 69 channels of the output are x(t + 6 h). A longer forecast feeds it back,

    x(t + 6 h) = F(x(t − 6 h), x(t)),   x(t + 12 h) = F(x(t), x(t + 6 h)),   …

so the 24-hour background valid at T needs the states at T − 30 h and at T − 24 h, and four steps.
The state at T − 24 h given twice would run as well, and be wrong; so would channels in another
order. The order is that of `coordinates.variables.STANDARD_CHANNELS`: u10, v10, t2m, msl, then
z, q, u, v, t.

The model runs at 0.25 degrees and is regridded afterwards, by the operator of the reference.

References:
    Chen et al. (2023), arXiv:2304.02948. Input, recurrence and channel order: README and
    `inference.py` of https://github.com/OpenEarthLab/FengWu, with which ECMWF's plug-in for
    `ai-models` and NVIDIA's earth2studio agree. The latter asks for a GPU with 40 GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dambench_hub.building.sources.fengwu.statistics import WHERE, read_statistics
from dambench_hub.building.sources.states import MissingData, Regrid, read_states, require_channels
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channels
from dambench_hub.errors import BuildError, did_you_mean
from dambench_hub.runtime.files import sha256

STEP_HOURS = 6
CHANNELS = len(STANDARD_CHANNELS)

PUBLISHED_INPUT = (1, 2 * CHANNELS, 721, 1440)
"""Two states at 0.25 degrees. A size that the file leaves open is taken from here."""

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

ATTRIBUTES = {
    "title": "FengWu forecasts from ERA5",
    "source": (
        "FengWu (Shanghai AI Laboratory), 13 levels at 0.25 degrees, steps of 6 hours, started "
        f"from two ERA5 states 6 hours apart. {WHERE}"
    ),
    "licence": (
        "CC BY-NC-SA 4.0, no commercial use, as ECMWF's plug-in ai-models-fengwu states for the "
        "weights; FengWu's own repository has no LICENSE file. Treat the forecasts alike, and keep "
        "them apart from data under open terms."
    ),
    "attribution": "Backgrounds made with FengWu, released by Shanghai AI Laboratory.",
    "citation": (
        "Chen et al. (2023): FengWu: Pushing the Skillful Global Medium-range Weather Forecast "
        "beyond 10 Days Lead, arXiv:2304.02948."
    ),
    "commercial": False,
}
"""Sentences for the card of a data set that has these backgrounds."""


class FengWu:
    """The forecast model, physical units in and out.

    Attributes:
        path: The ONNX file.
        device: `cpu` or `cuda`.
        grid: The model's grid, 721x1440 as published.
        mean: Of each channel, (69, 1, 1), float64, units of `coordinates/variables.py`.
        std: Standard deviation of each channel, likewise.
    """

    def __init__(self, folder: Path, device: str = "cpu", file: str = "fengwu_v1.onnx") -> None:
        """Load and check a model and its statistics; some seconds for the published one.

        Args:
            folder: Has the ONNX file, and `data_mean.npy` and `data_std.npy`, or the same as
                `global_means.npy` and `global_stds.npy`.
            device: `cpu`, or `cuda` for a GPU with about 40 GB of memory.
            file: Name of the ONNX file.

        Raises:
            BuildError: When a file is absent or damaged, the model takes or gives something else,
                the statistics are not FengWu's, or ONNX Runtime cannot use the device.
        """
        self.path, self.device = Path(folder) / file, device
        self.mean, self.std = read_statistics(Path(folder))
        self._session = _open_session(self.path, device)
        self.grid = _require_signature(self._session, self.path)

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """`ATTRIBUTES`, and which file made the forecasts: `model` and `model_sha256`."""
        return {**ATTRIBUTES, "model": self.path.name, "model_sha256": sha256(self.path)}

    def forecast(self, previous: np.ndarray, current: np.ndarray, hours: int) -> np.ndarray:
        """The state at t + `hours`, from those at t − 6 h and t.

        Args:
            previous: x(t − 6 h), the standard channels in order, (69, Y, X), no NaN.
            current: x(t), likewise.
            hours: A positive multiple of 6.

        Returns:
            (69, Y, X), float32.

        Raises:
            BuildError: When `hours` or a shape is another, a forecast value is not finite, or the
                device fails, for instance for want of memory.
        """
        steps = _steps(hours)
        shape = (CHANNELS, *self.grid.shape)
        for name, state in (("previous", previous), ("current", current)):
            if state.shape != shape:
                raise BuildError(f"The {name} state has shape {state.shape}, FengWu takes {shape}.")
        states = np.concatenate([self._normalised(previous), self._normalised(current)])[None]
        for step in range(1, steps + 1):
            output = self._run(states, step * STEP_HOURS)
            states = np.concatenate([states[:, CHANNELS:], output[:, :CHANNELS]], axis=1)
        return self._physical(states[0, CHANNELS:])

    def _run(self, states: np.ndarray, hours: int) -> np.ndarray:
        """F, (1, 138, Y, X) to the same; `hours` is the lead of what it forecasts."""
        at = f"FengWu's forecast of {hours} hours"
        try:
            (output,) = self._session.run(None, {self._session.get_inputs()[0].name: states})
        except Exception as error:  # ONNX Runtime's errors share no narrower class
            raise BuildError(
                f"{at} failed on {self.device} ({_first_line(error)}). On a GPU the published "
                "model needs about 40 GB of free memory; on the device 'cpu' it is slow."
            ) from error
        if output.shape != states.shape:
            raise BuildError(f"{at} has shape {output.shape}, wanted is {states.shape}. {WHERE}")
        finite = np.isfinite(output[0, :CHANNELS]).all(axis=(1, 2))
        if not finite.all():
            bad = [name for name, good in zip(STANDARD_CHANNELS, finite, strict=True) if not good]
            raise BuildError(
                f"{at} has values that are not finite in {', '.join(bad[:5])}. Check the states it "
                "started from, and download the model again if they are right."
            )
        return output

    def _normalised(self, state: np.ndarray) -> np.ndarray:
        """(x − mean) / std in float64, kept as float32; a field at a time, which stays in cache."""
        normalised = np.empty(state.shape, np.float32)
        for out, field, mean, std in zip(normalised, state, self.mean, self.std, strict=True):
            out[:] = (field - mean) / std
        return normalised

    def _physical(self, normalised: np.ndarray) -> np.ndarray:
        """The inverse of `_normalised`."""
        state = np.empty(normalised.shape, np.float32)
        for out, field, mean, std in zip(state, normalised, self.mean, self.std, strict=True):
            out[:] = field * std + mean
        return state


def read_forecasts(
    dataset: xr.Dataset,
    model: FengWu,
    channels: Sequence[str],
    times: np.ndarray,
    regrid: Regrid,
    lead_hours: int = 24,
) -> Iterator[tuple[np.datetime64, np.ndarray | MissingData]]:
    """Forecasts valid at the given times, started from an archive's states and regridded.

    A state that serves two forecasts is read once. Memory is that of four states at full
    resolution (1.2 GB at 0.25 degrees), of those in one chunk of the store, and of the model.

    Args:
        dataset: A harmonized archive on the model's grid that has all standard channels.
        model: The forecast model.
        channels: C channel names, those wanted of the forecast.
        times: Valid times, whole hours, datetime64, ascending.
        regrid: From the model's grid to the data set's.
        lead_hours: A positive multiple of 6.

    Returns:
        Pairs of the valid time and the background (C, Y, X), float32; or `MissingData`, which
        names the state that is missing.

    Raises:
        BuildError: At once, when the archive is on another grid or lacks channels, or the lead or
            the order of times is wrong; while iterating, when a state or forecast is damaged.
    """
    place = dataset.attrs.get("title", "The archive")
    _steps(lead_hours)
    _require_grid(dataset, model, place)
    require_channels(dataset, STANDARD_CHANNELS, place)
    wanted = [channel.name for channel in parse_channels(list(channels))]
    rows = [STANDARD_CHANNELS.index(name) for name in wanted]
    if np.any(np.diff(times) <= np.timedelta64(0)):
        raise BuildError("Valid times must ascend, each once; sort them before forecasting.")
    return _forecasts(dataset, model, rows, times.astype("datetime64[h]"), regrid, lead_hours)


def _forecasts(
    dataset: xr.Dataset,
    model: FengWu,
    rows: Sequence[int],
    times: np.ndarray,
    regrid: Regrid,
    lead_hours: int,
) -> Iterator[tuple[np.datetime64, np.ndarray | MissingData]]:
    """The generator behind `read_forecasts`, after its checks."""
    currents = times - np.timedelta64(lead_hours, "h")
    previouses = currents - np.timedelta64(STEP_HOURS, "h")
    needed = np.unique(np.concatenate([previouses, currents]))
    states = read_states(dataset, STANDARD_CHANNELS, needed, _at_full_resolution)
    held: dict[np.datetime64, np.ndarray | MissingData] = {}
    for time, previous, current in zip(times, previouses, currents, strict=True):
        held = {moment: state for moment, state in held.items() if moment >= previous}
        while not {previous, current} <= held.keys():
            moment, state = next(states)
            held[moment] = state
        before, now = held[previous], held[current]
        if isinstance(before, MissingData) or isinstance(now, MissingData):
            missing = [str(state) for state in (before, now) if isinstance(state, MissingData)]
            yield (
                time,
                MissingData(
                    f"the forecast of {lead_hours} hours to {time} starts from {previous} and "
                    f"{current}, and {'; '.join(missing)}"
                ),
            )
        else:
            yield time, regrid(model.forecast(before, now, lead_hours)[rows])


def _at_full_resolution(fields: np.ndarray) -> np.ndarray:
    """No regridding: the model takes the archive's own grid."""
    return fields


def _steps(hours: int) -> int:
    """Steps of 6 hours in a lead."""
    steps, rest = divmod(hours, STEP_HOURS)
    if rest or steps < 1:
        raise BuildError(f"FengWu steps {STEP_HOURS} hours; {hours} is no positive multiple of it.")
    return int(steps)


def _require_grid(dataset: xr.Dataset, model: FengWu, place: str) -> None:
    """Refuse an archive on another grid than the model's."""
    latitude, longitude = dataset.latitude.values, dataset.longitude.values
    if problems := model.grid.coordinate_problems(latitude, longitude):
        raise BuildError(
            f"{place} is on a grid of {len(latitude)}x{len(longitude)}, {model.path.name} takes "
            f"{model.grid}: {' '.join(problems)} The published FengWu needs ERA5 at 0.25 degrees, "
            "as ARCO-ERA5 has it."
        )


def _open_session(path: Path, device: str) -> Any:
    """An ONNX Runtime session on the device asked for, never quietly on another."""
    try:
        import onnxruntime
    except ImportError:
        raise BuildError(
            "FengWu runs through ONNX Runtime: pip install 'dambench-hub[era5]', and for a GPU "
            "onnxruntime-gpu in place of onnxruntime."
        ) from None
    if device not in PROVIDERS:
        raise BuildError(f"Unknown device {device!r}. {did_you_mean(device, PROVIDERS)}")
    if not path.is_file():
        raise BuildError(f"There is no model {path}. {WHERE}")
    available = onnxruntime.get_available_providers()
    if PROVIDERS[device] not in available:
        raise BuildError(_no_provider(device, available))
    options = onnxruntime.SessionOptions()
    # As FengWu's own script has it: pools would keep gigabytes that are used once a step.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    settings: dict[str, str] = {}
    if device == "cuda":
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip puts them
        settings = {"arena_extend_strategy": "kSameAsRequested"}
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[(PROVIDERS[device], settings)]
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise BuildError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load {path} ({_first_line(error)}). "
            f"Was the download cut short? {WHERE}"
        ) from error
    if (used := session.get_providers())[0] != PROVIDERS[device]:
        raise BuildError(_no_provider(device, used))
    session.disable_fallback()
    return session


def _no_provider(device: str, found: Sequence[str]) -> str:
    return (
        f"Asked to run FengWu on {device}, but ONNX Runtime offers {', '.join(found)}. For a GPU, "
        "replace the package: pip uninstall onnxruntime, then pip install "
        "'onnxruntime-gpu[cuda,cudnn]', and see that nvidia-smi finds the GPU."
    )


def _require_signature(session: Any, path: Path) -> Grid:
    """The grid of a model that takes two states and gives as much; any other is refused."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    full = [s if isinstance(s, int) else p for s, p in zip(shape, PUBLISHED_INPUT, strict=False)]
    fits = (
        len(inputs) == len(outputs) == 1
        and len(full) == len(PUBLISHED_INPUT)
        and full[:2] == list(PUBLISHED_INPUT[:2])
        and all(t.type == "tensor(float)" and _agrees(t.shape, full) for t in inputs + outputs)
    )
    if not fits:
        raise BuildError(
            f"{path} takes {_described(inputs)} and gives {_described(outputs)}; FengWu takes and "
            f"gives one tensor(float) of shape (1, {2 * CHANNELS}, latitudes, longitudes). {WHERE}"
        )
    return Grid(*full[2:])


def _agrees(shape: Sequence[int | str | None], wanted: Sequence[int]) -> bool:
    """Whether a shape is the wanted one, sizes apart that the file leaves open."""
    return len(shape) == len(wanted) and all(
        size == want or not isinstance(size, int) for size, want in zip(shape, wanted, strict=True)
    )


def _described(tensors: Sequence[Any]) -> str:
    return " and ".join(f"{t.type} {t.name} of shape {tuple(t.shape)}" for t in tensors)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
