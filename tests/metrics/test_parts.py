"""All scores in one pass equal those computed apart, and what is not known is left out."""

import pickle

import numpy as np
import pytest
import xarray as xr

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ScoreError
from dambench_hub.metrics import (
    DistanceErrors,
    GaussianCrps,
    HarmonicSpectra,
    IncrementBalance,
    NegativeHumidity,
    RegionErrors,
    RmseSkill,
    Scorer,
)

GRID = Grid(17, 32)
CHANNELS = ["t2m", "z500", "u500", "q700", "v500", "u850"]
SIGMA = np.array([10.0, 1e3, 8.0, 1e-3, 8.0, 6.0])
OPTIONAL = ("background", "observed", "std")


@pytest.fixture
def batch(rng):
    """Five samples of all that a scorer takes."""
    shape, scale = (5, len(CHANNELS), *GRID.shape), SIGMA[:, None, None]
    reference = scale * (1 + rng.normal(size=shape))
    fields = {
        "analysis": reference + 0.3 * scale * rng.normal(size=shape),
        "reference": reference,
        "background": reference + 0.5 * scale * rng.normal(size=shape),
        "std": 0.1 * scale * rng.uniform(1, 2, size=shape),
    }
    fields = {name: values.astype("float32") for name, values in fields.items()}
    return fields | {"observed": rng.random((5, *GRID.shape)) < 0.03}


def scored(batch, *, order=(slice(None),), **settings):
    scorer = Scorer(**{"channels": CHANNELS, "std": SIGMA} | settings)
    for part in order:
        scorer.update(**{name: values[part] for name, values in batch.items()})
    return scorer


def flat(scores):
    if isinstance(scores, dict):
        return [x for value in scores.values() for x in flat(value)]
    if isinstance(scores, list):
        return [x for value in scores for x in flat(value)]
    return [] if isinstance(scores, str) else [np.nan if scores is None else scores]


def apart(kind, batch, *names, **settings):
    score = kind(CHANNELS, GRID, **settings)
    score.update(*(batch[name] for name in names))
    return score.compute()


def test_scores_are_those_computed_apart(batch):
    found = scored(batch).compute()
    both = "analysis", "reference"
    expected = {
        **apart(RmseSkill, batch, "analysis", "reference", "background", std=SIGMA),
        **apart(HarmonicSpectra, batch, *both),
        **apart(NegativeHumidity, batch, "analysis"),
        **apart(GaussianCrps, batch, "analysis", "std", "reference"),
        "rmse_by_region": apart(RegionErrors, batch, *both),
        "rmse_by_distance": apart(DistanceErrors, batch, *both, "observed"),
        "increment_balance": apart(IncrementBalance, batch, "analysis", "background"),
    }
    for name, values in expected.items():
        assert len(flat(found[name])) == len(flat(values))
        np.testing.assert_allclose(flat(found[name]), flat(values), rtol=1e-9, err_msg=name)


def test_batches_order_and_processes_do_not_matter(batch):
    whole = flat(scored(batch).compute())
    order = scored(batch, order=[[3], [4, 0], [2, 1]]).compute()
    first, second = scored(batch, order=[[4, 1]]), scored(batch, order=[[0], [2, 3]])
    both = first + pickle.loads(pickle.dumps(second))
    assert len(both) == 5
    for other in order, both.compute():
        np.testing.assert_allclose(flat(other), whole, rtol=1e-9)


@pytest.mark.parametrize("left_out", OPTIONAL)
def test_what_is_not_given_leaves_its_scores_out(batch, left_out):
    every = scored(batch)
    few = scored({name: values for name, values in batch.items() if name != left_out})
    found, expected = few.compute(), every.compute()
    missing = expected.keys() - found.keys()
    assert (
        missing
        == {
            "background": {
                *("skill", "skill_without_10m_wind", "skill_by_variable", "skill_left_out"),
                "increment_balance",
            },
            "observed": {"rmse_by_distance"},
            "std": {"crps"},
        }[left_out]
    )
    for name in found:
        assert found[name] == expected[name]
    with pytest.raises(ScoreError, match=f"Some samples have {left_out} and others do not"):
        every + few
    with pytest.raises(ScoreError, match="with every sample, or with none"):
        few.update(**batch)
    assert len(few) == 5


def test_names_that_are_no_variables_have_errors_only(batch):
    found = scored(batch, channels=None).compute()
    absent = scored(batch).compute().keys() - found.keys()
    assert {"skill", "power_ratio", "rmse_by_region", "negative_humidity"} <= absent
    assert "crps" in found and "mse" in found


def test_a_grid_without_poles_has_skill_and_no_spectra(batch):
    found = scored(batch, latitude=80.0 - 10 * np.arange(17)).compute()
    assert "skill" in found and "crps" in found
    assert not {"power_ratio", "rmse_by_region", "rmse_by_distance"} & found.keys()


def test_rows_from_south_to_north_are_turned(batch):
    """A hemisphere stays what it is, and so does the sign of the Coriolis force."""
    expected = scored(batch).compute()
    turned = {name: values[..., ::-1, :] for name, values in batch.items()}
    given = scored(turned, latitude=GRID.latitude[::-1]).compute()
    coordinates = {"channel": CHANNELS, "latitude": GRID.latitude[::-1]}
    axes = ("time", "channel", "latitude", "longitude")
    labelled = {
        name: values if values.dtype == bool else xr.DataArray(values, coordinates, axes)
        for name, values in turned.items()
    }
    for found in given, scored(labelled).compute():
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9, atol=1e-12)


def test_an_ensemble_gets_the_scores_of_its_mean(batch, rng):
    del batch["std"]
    mean = batch.pop("analysis")
    noise = 0.1 * SIGMA[:, None, None] * rng.normal(size=(4, *mean.shape)).astype("float32")
    members = np.moveaxis(mean + noise - noise.mean(axis=0), 0, 1)
    alone = scored(batch | {"analysis": members.mean(axis=1, dtype="float64")}).compute()
    found = scored(batch | {"analysis": members}).compute()
    for name in alone:
        np.testing.assert_allclose(flat(found[name]), flat(alone[name]), rtol=1e-6, err_msg=name)


def test_the_error_of_an_infinite_ensemble_is_that_of_pairs_of_members(batch, rng):
    """The mean of e_m e_n over pairs m ≠ n, by a plain loop."""
    del batch["std"]
    reference = batch["reference"].astype("float64")
    members = (
        reference[:, None] + rng.normal(size=(5, 3, *reference.shape[1:])) * SIGMA[:, None, None]
    )
    found = scored(batch | {"analysis": members}).compute()
    error = (members - reference[:, None]) / SIGMA[:, None, None]
    pairs = [(error[:, m] * error[:, n]).mean() for m in range(3) for n in range(3) if m != n]
    assert found["mse_infinite_ensemble"] == pytest.approx(np.mean(pairs), rel=1e-9)
    weights = GRID.weights[:, None]
    pooled = [
        (weights * error[:, m] * error[:, n]).mean(axis=(0, 2, 3))
        for m in range(3)
        for n in range(3)
        if m != n
    ]
    infinite = np.sqrt(np.maximum(np.mean(pooled, axis=0), 0))
    before = (batch["background"] - reference) / SIGMA[:, None, None]
    ratio = infinite / np.sqrt((weights * before**2).mean(axis=(0, 2, 3)))
    by_variable = [ratio[0], ratio[1], (ratio[2] + ratio[5]) / 2, ratio[3], ratio[4]]
    expected = 100 * (1 - np.mean(by_variable))
    assert found["skill_infinite_ensemble"] == pytest.approx(expected, rel=1e-6)
    one = scored(batch | {"analysis": members[:, :1]}).compute()
    assert "mse_infinite_ensemble" not in one, "a single member has no variance"


def test_wrong_companions_are_refused(batch):
    with pytest.raises(ScoreError, match="background .* and reference .* do not fit"):
        scored(batch | {"background": batch["background"][:, 1:]})
    with pytest.raises(ScoreError, match="is above 0, got 0"):
        scored(batch | {"std": np.zeros_like(batch["std"])})
    with pytest.raises(ScoreError, match="observed must be boolean"):
        scored(batch | {"observed": batch["observed"].astype(float)})
    with pytest.raises(ScoreError, match="members; give them, or a std"):
        scored(batch | {"analysis": batch["analysis"][:, None]})
    for name in "background", "std":
        bad = batch[name].copy()
        bad[2, 3, 5, 7] = np.nan
        place = f"The {name} has 1 .* sample 2 .*'q700', latitude row 5, longitude column 7"
        with pytest.raises(ScoreError, match=place):
            scored(batch | {name: bad})
