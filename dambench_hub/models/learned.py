"""`LearnedAssimilator`, what every trained method is: a torch module with units and a folder.

Networks work on `Inputs`, a batch in units of each channel's variability; this module converts to
and from physical units, so that a method's own file holds only the method.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import Tensor, nn

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.data.superobserved import superobserved
from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.observation_covariance import SMALLEST_ERROR
from dambench_hub.models.base import Assimilator
from dambench_hub.models.card import About, model_card
from dambench_hub.models.departures import scaled_departures
from dambench_hub.models.layers.noise import Noise
from dambench_hub.models.pretrained import FORMAT, FORMAT_VERSION, read_model, resolve_folder
from dambench_hub.models.seen_table import SeenTable, see_table
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.storage.statistics import Statistics

STATISTICS = ("mean", "std", "background_error_std")
"""Of each channel; they are saved with the weights."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """A batch as networks see it: float32 tensors without units.

    The background is (x^b − mean) / std of each channel. All else is in the space of the analysis:
    the same for a method that analyses states, (x − x^b) / background_error_std for one that
    analyses increments. The observations are then innovations.

    Attributes:
        background: x^b as a state, (B, C, Y, X).
        prior: x^b in the space of the analysis: `background`, or 0; (B, C, Y, X).
        observations: y, (B, C, Y, X), 0 where nothing is observed.
        observed: 1 where there is an observation, else 0, (B, C, Y, X).
        observation_error_std: (C,), at least `SMALLEST_ERROR` of the background's.
        background_error_std: Of the training split, (C,); 1 for increments.
        noise: Random numbers of these samples.
        reference: x, (B, C, Y, X), or None at analysis time.
        departures: Of the modalities by name, (B, Y, X), NaN where missing; see `SCALES`.
        context: What an adapter makes of the departures, of the model's `context_shape`, or None.
        tables: Reports of each sample, (B,), in place of the observations on the grid for methods
            with an H; None where the batch has none, and in training.
    """

    background: Tensor
    prior: Tensor
    observations: Tensor
    observed: Tensor
    observation_error_std: Tensor
    background_error_std: Tensor
    noise: Noise
    reference: Tensor | None = None
    departures: Mapping[str, Tensor] = field(default_factory=dict)
    context: Tensor | None = None
    tables: tuple[SeenTable, ...] | None = None


class LearnedAssimilator(
    nn.Module,
    PyTorchModelHubMixin,
    Assimilator,
    library_name="dambench",
    license="apache-2.0",
    pipeline_tag="other",
    tags=["data-assimilation", "weather"],
):
    """A method with trained weights.

    A method defines `loss` and `analyse`. Its constructor takes plain values only, which become
    `config.json`; channels, grid and statistics travel with the weights.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text: `121x240`.
        increments: Analyse increments instead of states; see `Inputs`.

    Raises:
        ChannelError: When a channel is unknown.
        GridError: When the grid is not one.
    """

    name: ClassVar[str]
    needs_training: ClassVar[bool] = True
    mean: Tensor
    std: Tensor
    background_error_std: Tensor

    def __init__(self, *, channels: Sequence[str], grid: str, increments: bool = False) -> None:
        super().__init__()
        self.increments = increments
        arguments: Any = self._hub_mixin_config or {}
        self._hub_mixin_config = {"method": self.name, FORMAT: FORMAT_VERSION, **arguments}
        self.channels = tuple(channel.name for channel in parse_channels(tuple(channels)))
        self.grid = Grid.parse(grid)
        for name in STATISTICS:
            self.register_buffer(name, torch.full((len(self.channels),), torch.nan))

    @property
    def context_shape(self) -> tuple[int, int, int] | None:
        """(K, h, w) of the `Inputs.context` that the method can take in; None if it cannot."""
        return None

    @property
    def reads_modalities(self) -> bool:
        """Whether precipitation and outgoing longwave radiation change its analyses."""
        return False

    @abstractmethod
    def loss(self, inputs: Inputs) -> Tensor:
        """What training makes small: a number, the mean over the samples."""

    @abstractmethod
    def analyse(self, inputs: Inputs) -> Analysis:
        """The analysis in the units of `inputs`. Gradients are off; a method may enable them."""

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """The loss of a training batch; distributed wrappers synchronise what goes through here.

        Args:
            batch: With its reference; numpy arrays or tensors.
            generator: Only its seed is used: noise is keyed by it and the valid times.

        Raises:
            DataError: When the batch has no reference, or other channels or another grid.
        """
        if batch.reference is None:
            raise DataError("Training needs the reference, and the batch has none.")
        return self.loss(self.inputs(batch, generator))

    @torch.no_grad()
    def assimilate(self, batch: Batch, generator: torch.Generator | None = None) -> Analysis:
        """See `Assimilator.assimilate`; tensors on the model's device.

        Args:
            batch: Numpy arrays or tensors; its reference is not read.
            generator: Only its seed is used (0 for None): noise is keyed by it and the valid
                times, so a sample's analysis is the same in any batch.

        Raises:
            DataError: When the batch has other channels or another grid.
        """
        self._require_fitting(batch)
        if batch.reports is not None and not batch.observation_index.shape[-1]:
            batch = superobserved(batch)
        background, scale = self._tensor(batch.background), self._scale()
        inputs = self.inputs(batch.without_reference(), generator)
        inputs = replace(inputs, tables=self._tables(batch, background))
        with evaluating(self):
            analysis = self.analyse(inputs)

        def physical(state: Tensor) -> Tensor:
            # As an increment, so that no correction returns the background to the last bit.
            members = (slice(None), *[None] * (state.ndim - 4))
            return background[members] + scale * (state.float() - inputs.prior[members])

        return Analysis(
            mean=physical(analysis.mean),
            std=None if analysis.std is None else scale * analysis.std.float(),
            members=None if analysis.members is None else physical(analysis.members),
            time=batch.time,
        )

    def inputs(self, batch: Batch, generator: torch.Generator | None = None) -> Inputs:
        """The batch as the networks see it, on the model's device.

        Raises:
            DataError: When the batch has other channels or another grid, or the model has no
                statistics.
        """
        self._require_fitting(batch)
        batch = batch if isinstance(batch.background, Tensor) else batch.to_torch()
        observed = batch.observed.to(self.std.device)
        background, scale = self._tensor(batch.background), self._scale()
        origin = background if self.increments else self.mean[:, None, None]

        def scaled(state: Tensor) -> Tensor:
            return (self._tensor(state) - origin) / scale

        least = SMALLEST_ERROR * self.background_error_std
        return Inputs(
            background=(background - self.mean[:, None, None]) / self.std[:, None, None],
            prior=scaled(background),
            observations=torch.where(observed, scaled(batch.observations), 0.0),
            observed=observed.float(),
            observation_error_std=self._tensor(batch.observation_error_std).maximum(least)
            / scale.flatten(),
            background_error_std=self.background_error_std / scale.flatten(),
            noise=Noise(generator.initial_seed() if generator else 0, batch.time, self.std.device),
            reference=None if batch.reference is None else scaled(batch.reference),
            departures={n: self._tensor(d) for n, d in scaled_departures(batch).items()},
        )

    def set_statistics(self, statistics: Statistics) -> Self:
        """Take the scales of the channels, from the training split, into the model.

        Raises:
            DataError: When they are those of other channels.
        """
        for name in STATISTICS:
            values = torch.from_numpy(getattr(statistics, name)).float()
            if values.shape != self.mean.shape:
                raise DataError(
                    f"The model has {len(self.channels)} channels, the statistics {len(values)}."
                )
            getattr(self, name).copy_(values)
        return self

    def set_checkpointing(self, enabled: bool) -> None:
        """Recompute activations in the backward pass instead of keeping them; saves memory."""
        for module in self.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = enabled  # type: ignore[assignment]

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """Refused: one pass is not enough.

        Raises:
            TaskError: Always; it says how to train.
        """
        own = cls.__module__.startswith("dambench_hub.")
        run_file = f"baselines/{cls.name}/mini.yaml" if own else "RUN_FILE.yaml"
        raise TaskError(
            f"{cls.name} has to be trained first: accelerate launch baselines/train.py "
            f"--config {run_file} --data dambench --out runs/{cls.name}; then give "
            f"runs/{cls.name} instead of {cls.name}."
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The same as `from_pretrained`."""
        return cls.from_pretrained(folder)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """A trained model, ready to assimilate.

        Only JSON and safetensors are read, which cannot run code.

        Args:
            pretrained_model_name_or_path: A folder, or the id of a model on the Hub.
            revision: Commit, tag or branch of a model on the Hub.
            device: Where the weights go.

        Raises:
            DataError: When there is no such model, it is another method, or a file is missing,
                damaged or a pickle.
        """
        folder = resolve_folder(pretrained_model_name_or_path, revision)
        return read_model(folder, cls, device)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The README.md that `save_pretrained` writes; `write_model_card` makes it complete."""
        return model_card(self, About(model=f"ORG/{self.name}", name=self.name))

    def _require_fitting(self, batch: Batch) -> None:
        if batch.channels != self.channels or batch.grid != self.grid:
            raise DataError(
                f"{self.name} was made for {_described(self.channels, self.grid)}, the data have "
                f"{_described(batch.channels, batch.grid)}. Train it on this data set."
            )
        if torch.isnan(self.std).any():
            raise DataError(
                "The model has no statistics: call set_statistics(data.statistics) before training."
            )

    def _tables(self, batch: Batch, background: Tensor) -> tuple[SeenTable, ...] | None:
        if batch.reports is None:
            return None
        origins = background if self.increments else self.mean[:, None, None].expand_as(background)
        scale, least = self._scale(), SMALLEST_ERROR * self.background_error_std
        return tuple(
            see_table(
                PointInterpolation(self.channels, self.grid, table, batch.elevation),
                origin,
                scale,
                least,
            )
            for table, origin in zip(batch.reports, origins, strict=True)
        )

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values).to(self.std.device, torch.float32)

    def _scale(self) -> Tensor:
        """Unit of the space of the analysis, (C, 1, 1)."""
        return (self.background_error_std if self.increments else self.std)[:, None, None]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Batch statistics and dropout are off inside."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _described(channels: Sequence[str], grid: Grid) -> str:
    names = ", ".join(channels[:6]) + (" …" if len(channels) > 6 else "")
    return f"{len(channels)} channels ({names}) on {grid}"
