"""Columns from what is seen of them on pressure levels."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.dynamics import column_inversion
from dambench_hub.dynamics.column_inversion import PRESSURES, ColumnInversion
from dambench_hub.dynamics.sigma_levels import SigmaColumns

SIGMA = np.array([0.025, 0.095, 0.20, 0.34, 0.51, 0.685, 0.835, 0.95])
WIND10 = 0.95


@pytest.fixture
def inversion(rng):
    """About 30 columns over land and sea."""
    height = np.where(np.arange(30) % 3, 0.0, 1500.0 * rng.random(30))
    columns = SigmaColumns(
        sigma=SIGMA,
        surface_pressure=1.01e5 * np.exp(-height / 8000) * (1 + 0.02 * rng.standard_normal(30)),
        surface_geopotential=9.81 * height,
        temperature=np.maximum(288 * SIGMA**0.19, 210)[:, None] + 3 * rng.standard_normal((8, 30)),
        specific_humidity=8e-3 * SIGMA[:, None] ** 3 * (0.5 + rng.random((8, 30))),
    )
    u, v = 10 * rng.standard_normal((2, 8, 30))
    return ColumnInversion(columns, u, v, WIND10)


def channels(inversion, increment):
    """The 69 channels of the columns with an increment; nothing for t2m."""
    t, q, u, v = increment[:-1].reshape(4, 8, -1)
    b = inversion.columns
    columns = replace(
        b,
        temperature=b.temperature + t,
        specific_humidity=b.specific_humidity + q,
        surface_pressure=b.surface_pressure * np.exp(increment[-1]),
    )
    u, v = inversion.u + u, inversion.v + v
    at = columns.on_pressure(PRESSURES)
    wind = [WIND10 * u[-1], WIND10 * v[-1], np.zeros(u.shape[1]), columns.sea_level_pressure()]
    upper = [at.geopotential(), *map(at.constant_beyond, (columns.specific_humidity, u, v))]
    return np.concatenate([wind, *upper, at.temperature()])


def small_increment(rng):
    """Of 33 variables in 30 columns, as large as an analysis increment."""
    q = 1e-3 * SIGMA[:, None] ** 3 * rng.standard_normal((8, 30))
    t, u, v = rng.standard_normal((3, 8, 30))
    return np.concatenate([t, q, 2 * u, 2 * v, 0.003 * rng.standard_normal((1, 30))])


def test_what_is_seen_of_an_increment_gives_it_back(inversion, rng):
    wanted = small_increment(rng)
    seen = channels(inversion, wanted) - channels(inversion, 0 * wanted)
    found = inversion(seen)
    missed = ((found - wanted) ** 2).sum(axis=1) / (wanted**2).sum(axis=1)
    on_levels = missed[:-1].reshape(4, 8)
    assert on_levels[:, 1:].max() < 0.02, "but for the top level, which lies above the channels"
    assert missed[-1] < 0.02


def test_nothing_comes_of_nothing(inversion):
    np.testing.assert_array_equal(inversion(np.zeros((69, 30))), np.zeros((33, 30)))


def test_temperature_at_2_m_is_not_used(inversion):
    only_t2m = np.zeros((69, 30))
    only_t2m[2] = 5.0
    np.testing.assert_array_equal(inversion(only_t2m), np.zeros((33, 30)))


def test_jacobian_against_differences(inversion, rng):
    step = 1e-3 * small_increment(rng)
    numeric = (channels(inversion, step) - channels(inversion, -step)) / 2
    analytic = np.einsum("pcx,xp->cp", inversion.jacobian, step)
    size = np.abs(numeric).max(axis=1, keepdims=True)
    off = np.any(np.abs(analytic - numeric) > 1e-6 * size, axis=0)
    assert off.sum() <= 1, "where a pressure level lies on one of the model, there is no derivative"


def test_adjoint(inversion, rng):
    increment, sensitivity = rng.standard_normal((69, 30)), rng.standard_normal((33, 30))
    forward = np.vdot(inversion(increment), sensitivity)
    np.testing.assert_allclose(np.vdot(increment, inversion.adjoint(sensitivity)), forward)


def test_one_increment_is_solved_for_as_by_the_inverse(inversion, rng, monkeypatch):
    """In parts of 7 columns, the last of which has two."""
    monkeypatch.setattr(column_inversion, "COLUMNS_AT_ONCE", 7)
    increment = rng.standard_normal((69, 30))
    found, wanted = inversion.solve(increment), inversion(increment)
    size = np.abs(wanted).max(axis=1, keepdims=True)
    assert np.all(np.abs(found - wanted) < 1e-9 * size)
