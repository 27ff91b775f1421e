"""Scores of files with a predicted standard deviation: the CRPS of a Gaussian, and nothing else."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError
from dambench_hub.metrics import Scorer
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score


def write(path, data, given):
    write_predictions(path, given, task="multimodal", data=data, model_name="m")
    return path


def sure(data, factor=1.0):
    """The background, which is as wrong as it says for a factor of 1, another way each day."""
    std = data.statistics.background_error_std.astype("f4")[:, None, None]
    for batch in data.batches("multimodal", batch_size=2):
        wave = 1 + 0.5 * np.sin(batch.background / std).astype("f4")
        yield Analysis(batch.background, np.float32(factor) * std * wave)


@pytest.fixture(scope="module")
def file(tiny_data, tmp_path_factory):
    return write(tmp_path_factory.mktemp("std") / "x.nc", tiny_data, sure(tiny_data))


@pytest.fixture(scope="module")
def plain(tiny_data, tmp_path_factory):
    given = (Analysis(analysis.mean) for analysis in sure(tiny_data))
    return write(tmp_path_factory.mktemp("plain") / "x.nc", tiny_data, given)


def test_the_scores_are_those_of_the_scorer(tiny_data, file, plain):
    scorer = Scorer(tiny_data.channels, tiny_data.grid.latitude, tiny_data.statistics.std)
    batches = tiny_data.batches("multimodal", batch_size=2)
    for batch, analysis in zip(batches, sure(tiny_data), strict=True):
        known = batch.reference, batch.background, batch.observed
        scorer.update(analysis.mean, *known, std=analysis.std)
    result, without = score(file, tiny_data), score(plain, tiny_data)
    assert result.scores == scorer.compute()
    assert set(result.scores) - set(without.scores) == {"crps"}
    assert {name: result.scores[name] for name in without.scores} == without.scores
    assert result.sample_mse == without.sample_mse


def test_crps_is_that_of_its_definition(tiny_data, file):
    """s (ω (2 Φ(ω) − 1) + 2 φ(ω) − 1/√π), weighted by area, from arrays alone."""
    wanted, weights = 0, tiny_data.grid.weights[:, None]
    batches = tiny_data.batches("multimodal", batch_size=2)
    for batch, analysis in zip(batches, sure(tiny_data), strict=True):
        s = analysis.std.astype("f8")
        omega = (batch.reference.astype("f8") - analysis.mean) / s
        crps = s * (omega * (2 * norm.cdf(omega) - 1) + 2 * norm.pdf(omega) - np.pi**-0.5)
        wanted = wanted + (crps * weights).mean(axis=(2, 3)).sum(axis=0) / 5
    found = score(file, tiny_data).scores["crps"]
    np.testing.assert_allclose(list(found.values()), wanted, rtol=1e-6)


def test_who_is_as_wrong_as_he_says_has_the_best_crps(tiny_data, tmp_path):
    means = []
    for factor in 0.1, 1.0, 10.0:
        path = write(tmp_path / f"{factor}.nc", tiny_data, sure(tiny_data, factor))
        means.append(np.mean(list(score(path, tiny_data).scores["crps"].values())))
    assert means[1] < means[0] and means[1] < means[2]


def test_the_hash_covers_std_whatever_file_it_came_in(tiny_data, file, plain, tmp_path):
    hashes = {score(path, tiny_data).value_hash for path in (file, plain)}
    other = write(tmp_path / "x.safetensors", tiny_data, sure(tiny_data))
    assert score(other, tiny_data).value_hash in hashes
    assert score(file, tiny_data, open=open_sandboxed).value_hash in hashes
    changed = write(tmp_path / "y.nc", tiny_data, sure(tiny_data, 1 + 1e-6))
    assert score(changed, tiny_data).value_hash not in hashes
    assert len(hashes) == 2


def test_what_cannot_be_scored_is_told(tiny_data, file, tmp_path):
    with xr.open_dataset(file, engine="h5netcdf") as dataset:
        copy = dataset.load().drop_encoding()
    copy["std"][3, 1, 2, 2] = -1
    copy.to_netcdf(tmp_path / "y.nc", engine="h5netcdf")
    with pytest.raises(PredictionError, match="of std are no finite numbers above 0 at 2024-03-01"):
        score(tmp_path / "y.nc", tiny_data)
    with_members = copy.assign(analysis=copy.analysis.expand_dims(member=2, axis=1))
    with_members.to_netcdf(tmp_path / "z.nc", engine="h5netcdf")
    with pytest.raises(PredictionError, match="has members and std"):
        score(tmp_path / "z.nc", tiny_data)
