"""The scores of DAMBench as a module of Hugging Face `evaluate`; the work is in `Scorer`."""

from dataclasses import replace
from typing import Any

import datasets
import evaluate
import numpy as np

from dambench_hub.errors import ScoreError  # From: dambench-hub
from dambench_hub.metrics import SCORER_VERSION, Scorer, as_array  # From: dambench-hub

_DESCRIPTION = """
Scores of atmospheric analyses against a reference: skill against the background, latitude-weighted
RMSE and bias per channel, normalised MSE and MAE, spectra, errors by region and by distance from
observations, balance of increments; for ensembles also fair CRPS, spread-skill ratio and rank
histogram. Batches are summed at once and never stored.
"""

_INPUTS = """
Args:
    predictions: Analyses, (sample, channel, latitude, longitude), or ensembles of them, (sample,
        member, channel, latitude, longitude). Physical units, every value finite.
    references: (sample, channel, latitude, longitude), same units.
    backgrounds: The forecasts that analyses started from, like references; for `skill` and
        `increment_balance`.
    observed: True where there is an observation, (sample, latitude, longitude) or (sample, channel,
        latitude, longitude); for `rmse_by_distance`.
    ensembles: Members of the analysis, (sample, member, channel, latitude, longitude), in place of
        predictions, which are then their mean.
    stds: Standard deviation of the analysis's error as predicted, like references; for `crps` of an
        analysis without members.
    channels: Names of the channels; c0, c1 … if not given.
    latitude: Degrees, one per row; if not given, the grid with poles, 90 − 180·i/(Y−1). With
        `add_batch`, give it to `evaluate.load`, because every sample is weighted at once.
    std: Standard deviation of each channel, for `mse` and `mae`; 1 if not given. Like channels and
        latitude it may also be given once, to `evaluate.load`.

Returns:
    dict: `rmse`, `rmse_pooled`, `bias` by channel; `mse`, `mae`, `specdiv`, `specres` and each of
    these `…_by_channel`; of ensembles `crps`, `spread_skill`, `rank_histogram` by channel and
    `mse_infinite_ensemble`, with stds `crps` of a Gaussian; `scorer_version`. With known names of
    channels and a grid with poles also `power_ratio` and `coherence` by degree, `rmse_by_region`,
    `negative_humidity`, and those scores that backgrounds and observed are for.

Examples:
    >>> import numpy as np
    >>> metric = evaluate.load("dambench_metrics")
    >>> reference = np.zeros((2, 1, 33, 64), "float32")
    >>> scores = metric.compute(predictions=reference + 2, references=reference, channels=["t2m"])
    >>> scores["rmse"]["t2m"], scores["mse"]
    (2.0, 4.0)
"""

_CITATION = """
@misc{dambench,
  title = {DAMBench: a benchmark for deep-learning data assimilation of the atmosphere},
  author = {{The DAMBench maintainers}},
  year = {2026},
}
"""


class DambenchMetrics(evaluate.Metric):
    """`Scorer` behind the interface of `evaluate`; inputs and outputs are described by `_INPUTS`.

    Raises:
        ScoreError: From any method, when the input has no score; the message says how to mend it.
    """

    def __init__(
        self,
        *args: Any,
        channels: Any = None,
        latitude: Any = None,
        std: Any = None,
        num_process: int = 1,
        **kwargs: Any,
    ) -> None:
        if num_process != 1:
            raise ScoreError(
                "dambench_metrics keeps its sums in one process, so num_process must be 1. With "
                "several, give each a dambench_hub.metrics.Scorer, gather the scorers and add "
                "them: scorers add."
            )
        super().__init__(*args, num_process=num_process, **kwargs)
        self._empty = Scorer(channels, latitude, std)
        self._scorer = replace(self._empty)

    def _info(self) -> evaluate.MetricInfo:
        field = datasets.List(datasets.List(datasets.List(datasets.Value("float32"))))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": field, "references": field}),
            license="Apache-2.0",
        )

    def __len__(self) -> int:
        return len(self._scorer)

    def add(
        self,
        *,
        prediction: Any = None,
        reference: Any = None,
        background: Any = None,
        observed: Any = None,
        ensemble: Any = None,
        std: Any = None,
    ) -> None:
        """Add one sample, without the sample axis."""
        prediction = prediction if ensemble is None else ensemble
        if prediction is None or reference is None:
            raise ScoreError("add needs both prediction= (or ensemble=) and reference=.")
        optional = {"background": background, "std": std}
        given = {name: _batch_of(name, one) for name, one in optional.items() if one is not None}
        if observed is not None:
            given["observed"] = np.asarray(observed)[None]
        self._scorer.update(
            _batch_of("prediction", prediction), _batch_of("reference", reference), **given
        )

    def add_batch(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        backgrounds: Any = None,
        observed: Any = None,
        ensembles: Any = None,
        stds: Any = None,
    ) -> None:
        """Add a batch of samples to the sums; nothing of it is kept."""
        predictions = predictions if ensembles is None else ensembles
        if predictions is None or references is None:
            raise ScoreError("add_batch needs both predictions= (or ensembles=) and references=.")
        self._scorer.update(predictions, references, backgrounds, observed, stds)

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        backgrounds: Any = None,
        observed: Any = None,
        ensembles: Any = None,
        stds: Any = None,
        channels: Any = None,
        latitude: Any = None,
        std: Any = None,
    ) -> dict[str, Any]:
        """Scores of this batch, if one is given, and of all batches added before; starts anew."""
        given = {"channels": channels, "latitude": latitude, "std": std}
        given = {name: value for name, value in given.items() if value is not None}
        scorer = replace(self._scorer, **given)
        predictions = predictions if ensembles is None else ensembles
        if predictions is not None or references is not None:
            if predictions is None or references is None:
                raise ScoreError("compute needs both predictions= and references=, or neither.")
            batch = replace(scorer, sums=None)
            batch.update(predictions, references, backgrounds, observed, stds)
            scorer += batch
        scores = scorer.compute()
        self._scorer = replace(self._empty)
        return {**scores, "scorer_version": SCORER_VERSION}


def _batch_of(name: str, sample: Any) -> Any:
    """One sample with the sample axis, and with the labels it may have."""
    if hasattr(sample, "expand_dims"):
        return sample.expand_dims("sample")
    return as_array(name, sample)[None]
