"""What all streaming scores share: a batch counts whole or not at all, and wrong ones are named."""

import pickle

import numpy as np
import pytest
import xarray as xr

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ChannelError, ScoreError
from dambench_hub.metrics.distance_errors import DistanceErrors
from dambench_hub.metrics.gaussian import GaussianCrps
from dambench_hub.metrics.harmonic_spectra import HarmonicSpectra
from dambench_hub.metrics.increment_balance import IncrementBalance
from dambench_hub.metrics.negative_humidity import NegativeHumidity
from dambench_hub.metrics.regions import RegionErrors
from dambench_hub.metrics.rmse_skill import RmseSkill

GRID = Grid(17, 32)
CHANNELS = ("z500", "u500", "v500", "q700")
SCORES = {
    RmseSkill: ("analysis", "reference", "background"),
    HarmonicSpectra: ("analysis", "reference"),
    RegionErrors: ("analysis", "reference"),
    DistanceErrors: ("analysis", "reference", "observed"),
    GaussianCrps: ("mean", "deviation", "reference"),
    IncrementBalance: ("analysis", "background"),
    NegativeHumidity: ("analysis",),
}

every_score = pytest.mark.parametrize("kind", SCORES, ids=lambda kind: kind.__name__)


def score_of(kind, channels=CHANNELS, grid=GRID):
    settings = {"std": np.ones(len(channels))} if kind is RmseSkill else {}
    return kind(channels, grid, **settings)


def batch_of(kind, rng, samples=4):
    batch = {}
    for name in SCORES[kind]:
        values = rng.normal(size=(samples, len(CHANNELS), *GRID.shape)).astype("float32")
        batch[name] = {"observed": values > 1.5, "deviation": np.abs(values)}.get(name, values)
    return batch


def flat(scores):
    """All numbers of a score, None as NaN."""
    if isinstance(scores, dict):
        return [x for value in scores.values() for x in flat(value)]
    if isinstance(scores, list):
        return [x for value in scores for x in flat(value)]
    return [np.nan if scores is None else scores]


@every_score
def test_batches_order_and_processes_do_not_matter(kind, rng):
    batch = batch_of(kind, rng)
    whole, first, second = (score_of(kind) for _ in range(3))
    whole.update(**batch)
    for n, score in (3, first), (0, second), (2, second), (1, first):
        score.update(**{name: values[n : n + 1] for name, values in batch.items()})
    both = first + pickle.loads(pickle.dumps(second))
    assert (len(both), len(first), len(whole)) == (4, 2, 4)
    expected = flat(whole.compute())
    assert len(expected) > 1 and not np.isnan(expected).all()
    np.testing.assert_allclose(flat(both.compute()), expected, rtol=1e-6)


@every_score
def test_precision_of_the_input_does_not_matter(kind, rng):
    batch = batch_of(kind, rng, 1)
    single, double = score_of(kind), score_of(kind)
    single.update(**batch)
    double.update(
        **{
            name: values if values.dtype == bool else values.astype("float64")
            for name, values in batch.items()
        }
    )
    np.testing.assert_allclose(flat(single.compute()), flat(double.compute()), rtol=1e-12)


@every_score
def test_a_bad_value_is_named_and_nothing_is_added(kind, rng):
    for bad in np.nan, np.inf, 1e20:
        batch = batch_of(kind, rng)
        first = SCORES[kind][0]
        batch[first][2, 3, 5, 7] = bad
        score = score_of(kind)
        message = rf"The {first} has 1 .* sample 2 .* 'q700', latitude row 5, longitude column 7"
        with pytest.raises(ScoreError, match=message):
            score.update(**batch)
        assert len(score) == 0
        with pytest.raises(ScoreError, match="no sample was added"):
            score.compute()


@every_score
def test_a_wrong_shape_is_named(kind, rng):
    batch, first = batch_of(kind, rng), SCORES[kind][0]
    for wrong in batch[first][:, 1:], batch[first][:, :, 1:], batch[first][:, None]:
        with pytest.raises(ScoreError, match=f"The {first} has shape .* on the 17x32 grid"):
            score_of(kind).update(**batch | {first: wrong})


@every_score
def test_channels_are_known_ones(kind):
    with pytest.raises(ChannelError, match="Unknown channel 'c3'"):
        score_of(kind, (*CHANNELS[:3], "c3"))


def test_numbers_of_samples_must_agree(rng):
    batch = batch_of(RegionErrors, rng)
    with pytest.raises(ScoreError, match="4 of analysis, 3 of reference"):
        RegionErrors(CHANNELS, GRID).update(batch["analysis"], batch["reference"][1:])


def test_only_the_same_scores_add():
    score = RegionErrors(CHANNELS, GRID)
    for other in (
        RegionErrors(CHANNELS[::-1], GRID),
        RegionErrors(CHANNELS, Grid(17, 30)),
        NegativeHumidity(CHANNELS, GRID),
    ):
        with pytest.raises(ScoreError, match="add only with the same"):
            score + other
    assert len(score + RegionErrors(CHANNELS, GRID)) == 0


def test_labels_that_say_otherwise_are_refused(rng):
    coordinates = {"channel": list(CHANNELS), "latitude": GRID.latitude}
    batch = {
        name: xr.DataArray(values, coordinates, ("time", "channel", "latitude", "longitude"))
        for name, values in batch_of(RegionErrors, rng).items()
    }
    score = RegionErrors(CHANNELS, GRID)
    score.update(**batch)
    for flipped in {"latitude": slice(None, None, -1)}, {"channel": [1, 0, 2, 3]}:
        with pytest.raises(ScoreError, match="The reference .* wanted"):
            score.update(batch["analysis"], batch["reference"].isel(flipped))
    assert len(score) == 4


def test_masked_values_are_refused(rng):
    batch = batch_of(NegativeHumidity, rng)["analysis"]
    with pytest.raises(ScoreError, match="masked values"):
        NegativeHumidity(CHANNELS, GRID).update(np.ma.masked_less(batch, 0))
