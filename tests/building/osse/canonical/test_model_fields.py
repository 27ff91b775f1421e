import numpy as np
import pytest

from dambench_hub.building.osse.canonical.model_fields import NAMES, from_numbers, to_numbers
from dambench_hub.building.osse.instruments import GAUGE_FLOOR, GAUGE_SHARE, OLR_SHARE
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name, simulated):
    fields = simulated.states["mini"].fields("train", 1)
    field = np.stack([fields[f"{owner}/{name}"] for owner in ("reference", "background")])
    numbers = to_numbers(name, field)
    assert numbers.ndim == 3
    again = from_numbers(name, numbers, field.shape[1:])
    scale = np.abs(field).max()
    np.testing.assert_allclose(again, field, rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.parametrize("name", ["vorticity", "divergence"])
def test_equal_steps_of_any_degree_do_equal_harm_to_the_wind(name):
    """Kinetic energy of one coefficient: the square of its number over 4π."""
    synthesis = Synthesis(Grid(61, 120), 21, 11, np.float64)
    area = np.cos(np.deg2rad(Grid(61, 120).latitude))[:, None]
    for position in (1, 30, 50):
        numbers = np.zeros((1, 121))
        numbers[0, position] = 1.0
        fields = dict.fromkeys(("vorticity", "divergence"), np.zeros((1, 21, 11)))
        fields[name] = from_numbers(name, numbers, (1, 21, 11))
        u, v = synthesis.wind(fields["vorticity"], fields["divergence"])
        energy = np.average(u[0] ** 2 + v[0] ** 2, weights=np.broadcast_to(area, u[0].shape))
        assert energy == pytest.approx(1 / (4 * np.pi), rel=0.02)


def test_the_error_of_an_instrument_is_one_step_everywhere():
    rain = np.array([[0.0, 0.3, 5.0, 80.0]])
    error = np.hypot(GAUGE_SHARE * rain, GAUGE_FLOOR)
    one = to_numbers("precipitation", rain + 1e-6 * error) - to_numbers("precipitation", rain)
    np.testing.assert_allclose(one, 1e-6, rtol=1e-3)
    olr = np.array([[100.0, 300.0]])
    one = to_numbers("olr", olr * (1 + 1e-6 * OLR_SHARE)) - to_numbers("olr", olr)
    np.testing.assert_allclose(one, 1e-6, rtol=1e-3)
    assert np.all(to_numbers("precipitation", np.zeros((1, 3))) == 0)
