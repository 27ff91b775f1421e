"""`Emulator`, a forecast model that was learned from the references of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import Tensor, nn
from torch.func import functional_call

from dambench_hub.coordinates.grids import Grid, cell_edges
from dambench_hub.coordinates.times import HOURS_PER_YEAR
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.dynamics.forecast_model import ForecastModel, Pullback
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.errors import DataError, ForecastError
from dambench_hub.models.layers.forecast_network import ForecastNetwork
from dambench_hub.models.pretrained import read_model, resolve_folder, trained_folder

LONGEST_WINDOW_HOURS = 72.0
"""Longest window of emulators whose steps are shorter; others have one step."""


class Emulator(
    nn.Module,
    PyTorchModelHubMixin,
    ForecastModel,
    library_name="dambench",
    license="apache-2.0",
    pipeline_tag="other",
    tags=["data-assimilation", "weather", "forecast-model"],
):
    """x(t + h) = x + s·N((x − m) / σ, (x̄ − m) / σ, season(t)), with a step h and a network N.

    States are the channels themselves, (C, Y, X), in their units. m and σ are mean and standard
    deviation of each channel, s that of its change over a step, x̄ the mean of each grid point: all
    of them, like N, from training references. N computes in float32, and states are float64.

    N minimises a squared error, so where it cannot know it forecasts the mean of what may come: its
    fields grow smoother with each step, and an ensemble's spread grows more slowly than its error.
    Nothing keeps humidity positive or mass constant.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text: `33x64`.
        step_hours: h.
        width: Features of N.
        blocks: Its residual blocks.
        kernel: Points across its convolutions, odd.

    Raises:
        ChannelError: When a channel is unknown.
        GridError: When the grid is not one.
        ForecastError: When the step is not positive.
    """

    name: ClassVar[str] = "emulator"
    mean: Tensor
    std: Tensor
    change_std: Tensor
    mean_state: Tensor
    row_area: Tensor

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        step_hours: float,
        width: int = 128,
        blocks: int = 4,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        if not 0 < step_hours < np.inf:
            raise ForecastError(f"An emulator's step is a positive time, got {step_hours} h.")
        arguments: Any = self._hub_mixin_config or {}
        self._hub_mixin_config = {"method": self.name, **arguments}
        self.channels = tuple(channel.name for channel in parse_channels(tuple(channels)))
        self.grid, self.step_hours = Grid.parse(grid), float(step_hours)
        self.longest_window_hours = max(self.step_hours, LONGEST_WINDOW_HOURS)
        self.state_shape = (len(self.channels), *self.grid.shape)
        for name in ("mean", "std", "change_std"):
            self.register_buffer(name, torch.full((len(self.channels), 1, 1), torch.nan))
        self.register_buffer("mean_state", torch.full(self.state_shape, torch.nan))
        edges = np.sin(np.deg2rad(cell_edges(self.grid)[0]))
        area = torch.as_tensor((edges[:-1] - edges[1:]) * len(edges[:-1]) / 2).float()
        self.register_buffer("row_area", area[:, None], persistent=False)
        self.network = ForecastNetwork(
            2 * len(self.channels),
            len(self.channels),
            self.grid,
            width=width,
            blocks=blocks,
            kernel=kernel,
        )

    def set_statistics(
        self, mean: np.ndarray, std: np.ndarray, change_std: np.ndarray, mean_state: np.ndarray
    ) -> Self:
        """Take the scales of the training references into the model.

        Args:
            mean: m, (C,).
            std: σ, (C,); a channel that never changes has the scale 1.
            change_std: s, (C,); the same holds.
            mean_state: x̄, (C, Y, X).

        Raises:
            DataError: When they are those of other channels or of another grid.
        """
        values = {"mean": mean, "std": std, "change_std": change_std, "mean_state": mean_state}
        for name, value in values.items():
            buffer = getattr(self, name)
            if value.shape not in (buffer.shape, buffer.shape[:1]) or not np.isfinite(value).all():
                raise DataError(
                    f"The emulator's {name} is finite numbers of shape {tuple(buffer.shape)}, got "
                    f"{value.shape}."
                )
            tensor = torch.as_tensor(value).reshape(buffer.shape)
            if name in ("std", "change_std"):
                tensor = torch.where(tensor > 0, tensor, 1.0)
            buffer.copy_(tensor)
        return self

    def forward(self, states: Tensor, season: Tensor) -> Tensor:
        """One step.

        Args:
            states: x, (B, C, Y, X).
            season: As `season_of` has it, (B, 2).

        Returns:
            x(t + h), of the states' type.
        """
        z = ((states - self.mean) / self.std).to(season.dtype)
        place = ((self.mean_state - self.mean) / self.std).expand_as(z)
        change = self.network(torch.cat([z, z - place], 1), season)
        return states + self.change_std * change

    def loss(self, states: Tensor, later: Tensor, season: Tensor) -> Tensor:
        """What training makes small: the `squared_error` of one step, see `forward`."""
        return self.squared_error(self(states, season), later)

    def squared_error(self, forecast: Tensor, later: Tensor) -> Tensor:
        """Mean over b, c, y, x of a_y ((x̂ − x) / s)², with the area a of rows, mean 1.

        That of persistence is about 1. Poles count as what is around them, not as nothing.

        Args:
            forecast: x̂, (B, C, Y, X).
            later: x, (B, C, Y, X).
        """
        return (((forecast - later) / self.change_std).square() * self.row_area).mean()

    def advance(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> np.ndarray:
        """As `ForecastModel.advance`; the seasons need `start`.

        Members are advanced one by one, which on a CPU is as fast as all at once, and gives the
        same bits in any company.
        """
        states = self.require_states(states)
        count = self._ready_steps(hours)
        seasons = self._seasons(start, count)
        ends = []
        with torch.no_grad():
            for member in states.reshape(-1, 1, *self.state_shape):
                x = torch.as_tensor(member, device=self.mean.device)
                for season in seasons:
                    x = self(x, season)
                ends.append(x[0].cpu().numpy())
        return np.reshape(ends, states.shape)

    def linearise(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Pullback]:
        """As `ForecastModel.linearise`, by reverse mode; exact to the rounding of float32.

        The activations of all steps stay in memory as long as the pullback does.
        """
        state = self.require_states(state, most_axes=0)
        count = self._ready_steps(hours)
        seasons = self._seasons(start, count)
        frozen = {name: p.detach() for name, p in self.named_parameters()}
        begin = torch.tensor(state[None], device=self.mean.device, requires_grad=True)
        end: Tensor = begin
        with torch.enable_grad():
            for season in seasons:
                end = functional_call(self, frozen, (end, season))

        def pullback(sensitivity: np.ndarray) -> np.ndarray:
            v = self.require_states(sensitivity, most_axes=0)[None]
            given = torch.as_tensor(v, device=end.device)
            (gradient,) = torch.autograd.grad(end, begin, given, retain_graph=True)
            return gradient[0].cpu().numpy()

        return end[0].detach().cpu().numpy(), pullback

    def view(self) -> ChannelStates:
        """The emulator seen in the channels of its data set: as it is."""
        return ChannelStates(self, self.channels, self.grid)

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """A trained emulator, ready to forecast.

        Only JSON and safetensors are read, which cannot run code.

        Args:
            pretrained_model_name_or_path: The folder of an emulator or of its training, or the id
                of one on the Hub.
            revision: Commit, tag or branch of one on the Hub.
            device: Where the weights go.

        Raises:
            DataError: When there is no such emulator, it is something else, or a file is missing,
                damaged or a pickle.
        """
        folder = trained_folder(resolve_folder(pretrained_model_name_or_path, revision))
        return read_model(folder, cls, device)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The README.md that `save_pretrained` writes."""
        return ModelCard(
            CARD.format(channels=len(self.channels), grid=self.grid, hours=f"{self.step_hours:g}")
        )

    def season_of(self, time: np.ndarray) -> Tensor:
        """Sine and cosine of the angle of the year, (N, 2), in the network's type.

        Args:
            time: datetime64, (N,).
        """
        hours = (time - np.datetime64("1970-01-01", "s")) / np.timedelta64(1, "h")
        angle = torch.as_tensor(2 * np.pi * hours / HOURS_PER_YEAR, device=self.mean.device)
        return torch.stack([angle.sin(), angle.cos()], -1).to(self.mean.dtype)

    def _seasons(self, start: np.datetime64 | None, count: int) -> list[Tensor]:
        """Those at the start of each step, (1, 2)."""
        if start is None:
            raise ForecastError(
                f"The model {self.name} has seasons: it needs the valid time of its states; "
                "give start=."
            )
        seconds = np.round(3600 * self.step_hours * np.arange(count)).astype("timedelta64[s]")
        return list(self.season_of(start + seconds)[:, None])

    def _ready_steps(self, hours: float) -> int:
        if torch.isnan(self.std).any():
            raise ForecastError(
                "The emulator has no statistics: train it with baselines/train_emulator.py, or "
                "call set_statistics."
            )
        return self.steps(hours)


CARD = """\
---
library_name: dambench
license: apache-2.0
tags: [data-assimilation, weather, forecast-model]
---
# A learned forecast model

{channels} channels on {grid}, in steps of {hours} h:

```
from dambench_hub.models.emulator import Emulator

emulator = Emulator.from_pretrained("FOLDER or ORG/NAME")
later = emulator.advance(states, hours={hours}, start=time)
```
"""
