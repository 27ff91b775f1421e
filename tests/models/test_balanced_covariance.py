"""The form of B goes by the grid or by what is asked for, and both forms have the same uses."""

import numpy as np
import pytest
from drifting_world import CHANNELS, GRID, training

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.estimation.zonal_covariance import ZonalCovariance
from dambench_hub.models import balanced_covariance
from dambench_hub.models.balanced_covariance import (
    covariance_files,
    covariance_from_files,
    covariance_kinds,
    covariance_root,
    fit_balanced_covariance,
    fits_zonal,
)

FORMS = {"zonal": ZonalCovariance, "spectral": SpectralCovariance}


@pytest.fixture(scope="module", params=FORMS)
def fitted(request):
    _, B, *_ = fit_balanced_covariance(training(), "It", request.param)
    assert isinstance(B, FORMS[request.param])
    return B


def test_the_form_goes_by_the_grid(monkeypatch):
    assert fits_zonal(STANDARD_CHANNELS, Grid(33, 64))
    assert not fits_zonal(STANDARD_CHANNELS, Grid(121, 240))
    assert isinstance(fit_balanced_covariance(training(2), "It")[1], ZonalCovariance)
    monkeypatch.setattr(balanced_covariance, "LARGEST_ZONAL_BYTES", 1)
    assert isinstance(fit_balanced_covariance(training(2), "It")[1], SpectralCovariance)


def test_both_forms_have_the_same_mean_error():
    channels, _, zonal, _ = fit_balanced_covariance(training(), "It", "zonal")
    _, _, spectral, _ = fit_balanced_covariance(training(), "It", "spectral")
    assert channels == CHANNELS
    np.testing.assert_array_equal(zonal, spectral)


def test_no_other_form_is_taken():
    with pytest.raises(TaskError, match="zonal or spectral, .*, got 'spectrl'"):
        fit_balanced_covariance(training(), "It", "spectrl")


def test_from_its_files_it_is_the_same(fitted, rng):
    config, arrays = covariance_files(fitted)
    assert covariance_kinds(config).keys() == arrays.keys()
    again = covariance_from_files(config | {"channels": CHANNELS}, arrays)
    x = rng.normal(size=(1, 2, *GRID.shape))
    np.testing.assert_array_equal(again(x), fitted(x))


def test_its_root_is_one(fitted, rng):
    U, x = covariance_root(fitted), rng.normal(size=(2, *GRID.shape)) / fitted.scale[:, None, None]
    difference = (U(U.adjoint(x)) - fitted(x)) / fitted.scale[:, None, None]
    np.testing.assert_allclose(difference, 0, atol=1e-3)
