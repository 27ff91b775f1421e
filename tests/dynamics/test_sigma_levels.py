import numpy as np
import pytest

from dambench_hub.coordinates.constants import GAS_CONSTANT, GRAVITY
from dambench_hub.dynamics.sigma_levels import EXPONENT, LAPSE_RATE, SigmaColumns

SIGMA = np.array([0.025, 0.095, 0.2, 0.34, 0.51, 0.685, 0.835, 0.95])
LEVELS = 100.0 * np.array([10, 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000])


def columns(temperature, humidity=0.0, surface_pressure=97_000.0, height=300.0, shape=(3, 4)):
    levels = (len(SIGMA), *shape)
    profile = np.asarray(temperature, np.float64).reshape(-1, *[1] * len(shape))
    return SigmaColumns(
        sigma=SIGMA,
        surface_pressure=np.full(shape, surface_pressure),
        surface_geopotential=np.full(shape, GRAVITY * height),
        temperature=np.broadcast_to(profile, levels),
        specific_humidity=np.full(levels, humidity),
    )


def realistic(rng, shape=(3, 4)):
    """Columns over plains and mountains, unstable and with inversions, moist below."""
    t = 215 + 75 * SIGMA[:, None, None] ** 1.2 + 3 * rng.standard_normal((len(SIGMA), *shape))
    height = rng.uniform(-50, 5000, shape)
    return SigmaColumns(
        sigma=SIGMA,
        surface_pressure=101_000 * np.exp(-height / 8000),
        surface_geopotential=GRAVITY * height,
        temperature=t,
        specific_humidity=0.01 * SIGMA[:, None, None] ** 3 * rng.uniform(0.2, 1, (8, *shape)),
    )


def test_isothermal_atmosphere_above_the_lowest_level_is_hypsometric():
    t = columns(np.full(8, 250.0))
    lowest = t.sigma[-1] * t.surface_pressure
    levels = LEVELS[lowest.min() > LEVELS]
    expected = t.geopotential[-1] + GAS_CONSTANT * 250 * np.log(lowest / levels[:, None, None])
    np.testing.assert_allclose(t.on_pressure(levels).geopotential(), expected, rtol=1e-12)


def test_standard_lapse_rate_below_the_lowest_level():
    t = columns(np.full(8, 270.0), surface_pressure=70_000.0, height=3000.0)
    below = t.on_pressure(LEVELS[-4:])
    height = below.geopotential() / GRAVITY
    gradient = np.diff(below.temperature(), axis=0) / np.diff(height, axis=0)
    np.testing.assert_allclose(gradient, -LAPSE_RATE, rtol=1e-10)
    surface = t.on_pressure(t.surface_pressure[0, :1]).geopotential()[0]
    np.testing.assert_allclose(surface, t.surface_geopotential, rtol=1e-12)


@pytest.mark.parametrize("humidity", [0.0, 0.01])
def test_profiles_linear_in_log_pressure_are_exact(humidity):
    t = columns(300 + 30 * np.log(SIGMA), humidity)
    inside = LEVELS[(LEVELS > 2500) & (LEVELS < 92_000)]
    log_sigma = np.log(inside / 97_000.0)[:, None, None]
    seen = t.on_pressure(inside)
    expected = np.broadcast_to(300 + 30 * log_sigma, seen.temperature().shape)
    np.testing.assert_allclose(seen.temperature(), expected, rtol=1e-12)
    wind = np.broadcast_to(5 - 7 * np.log(SIGMA)[:, None, None], t.temperature.shape)
    np.testing.assert_allclose(
        seen.constant_beyond(wind), np.broadcast_to(5 - 7 * log_sigma, expected.shape), rtol=1e-11
    )
    # Φ(p) = Φ_K + R (1 + 0.608 q) ∫ (300 + 30 s) ds from s to s_K
    bottom = np.log(SIGMA[-1])
    integral = 300 * (bottom - log_sigma) + 15 * (bottom**2 - log_sigma**2)
    expected = t.geopotential[-1] + GAS_CONSTANT * (1 + 0.608 * humidity) * integral
    np.testing.assert_allclose(seen.geopotential(), expected, rtol=1e-12)


def test_fields_are_constant_beyond_the_levels(rng):
    t = realistic(rng)
    wind = rng.standard_normal(t.temperature.shape)
    seen = t.on_pressure(np.array([100.0, 110_000.0])).constant_beyond(wind)
    np.testing.assert_allclose(seen, wind[[0, -1]])


def test_sea_level_pressure():
    flat = columns(280 + 20 * np.log(SIGMA), height=0.0)
    np.testing.assert_array_equal(flat.sea_level_pressure(), flat.surface_pressure)
    # A standard atmosphere seen from a mountain has the sea-level pressure it was made with.
    height = 2500.0
    surface = 101_325 * (1 - LAPSE_RATE * height / 288.15) ** (1 / EXPONENT)
    lowest = (288.15 - LAPSE_RATE * height) * SIGMA[-1] ** EXPONENT
    standard = columns(np.full(8, lowest), surface_pressure=surface, height=height)
    np.testing.assert_allclose(standard.sea_level_pressure(), 101_325, rtol=1e-10)


def test_geopotential_vanishes_at_sea_level_pressure(rng):
    t = realistic(rng)
    for at in np.ndindex(t.surface_pressure.shape):
        phi = t.on_pressure(t.sea_level_pressure()[at][None]).geopotential()[0][at]
        assert abs(phi) < 1e-6


def test_geopotential_falls_with_pressure_and_is_continuous(rng):
    t = realistic(rng)
    fine = np.geomspace(1000, 110_000, 3000)
    phi = t.on_pressure(fine).geopotential()
    assert np.all(np.diff(phi, axis=0) < 0)
    step = GAS_CONSTANT * 400 * np.diff(np.log(fine))[:, None, None]
    assert np.all(-np.diff(phi, axis=0) < step)


def test_hydrostatic_consistency_of_temperature_and_geopotential(rng):
    """−∂Φ/∂ln p = R T everywhere, above the top and below the ground too."""
    moist = realistic(rng)
    t = SigmaColumns(
        SIGMA,
        moist.surface_pressure,
        moist.surface_geopotential,
        moist.temperature,
        np.zeros_like(moist.temperature),
    )
    fine = np.geomspace(1000, 110_000, 4001)
    seen = t.on_pressure(fine)
    thickness = -np.diff(seen.geopotential(), axis=0)
    mean = (seen.temperature()[1:] + seen.temperature()[:-1]) / 2
    expected = GAS_CONSTANT * mean * np.diff(np.log(fine))[:, None, None]
    np.testing.assert_allclose(thickness, expected, rtol=1e-4)


def test_single_precision_is_close(rng):
    t = realistic(rng)
    single = SigmaColumns(
        SIGMA,
        *(
            getattr(t, name).astype(np.float32)
            for name in (
                "surface_pressure",
                "surface_geopotential",
                "temperature",
                "specific_humidity",
            )
        ),
    )
    exact, close = t.on_pressure(LEVELS), single.on_pressure(LEVELS)
    np.testing.assert_allclose(close.geopotential(), exact.geopotential(), rtol=1e-6, atol=0.5)
    np.testing.assert_allclose(close.temperature(), exact.temperature(), rtol=1e-6)


@pytest.mark.parametrize("sigma", [SIGMA[::-1], SIGMA * 2, SIGMA - SIGMA[0]])
def test_bad_sigma_is_refused(sigma):
    t = columns(np.full(8, 250.0))
    with pytest.raises(ValueError, match="sigma must increase"):
        SigmaColumns(
            sigma,
            t.surface_pressure,
            t.surface_geopotential,
            t.temperature,
            t.specific_humidity,
        )


def test_wrong_shape_is_named():
    t = columns(np.full(8, 250.0))
    with pytest.raises(ValueError, match="temperature has shape"):
        SigmaColumns(
            SIGMA,
            t.surface_pressure,
            t.surface_geopotential,
            t.temperature[:-1],
            t.specific_humidity,
        )
