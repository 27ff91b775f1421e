"""The spectral convolution is that of full fast Fourier transforms."""

import pytest
import torch

from dambench_hub.errors import TaskError
from dambench_hub.models.layers.spectral import SpectralConvolution


def with_fast_transforms(layer, x):
    m, spectrum = layer.modes, torch.fft.rfft2(x)
    weights = torch.complex(layer.real, layer.imaginary)
    result = torch.zeros_like(spectrum)
    for rows, part in ((slice(None, m), weights[:m]), (slice(-m, None), weights[m:])):
        result[:, :, rows, :m] = torch.einsum("biyx,yxio->boyx", spectrum[:, :, rows, :m], part)
    return torch.fft.irfft2(result, s=x.shape[-2:])


@pytest.mark.parametrize(
    ("grid", "modes"), [((9, 16), 4), ((8, 15), 3), ((24, 8), 5), ((33, 64), 12)]
)
def test_it_is_the_truncated_product_of_spectra(grid, modes):
    layer = SpectralConvolution(3, modes)
    x = torch.randn(2, 3, *grid, requires_grad=True)
    results = layer(x), with_fast_transforms(layer, x)
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-4)
    weight = torch.randn_like(x)
    ours, theirs = (
        torch.autograd.grad((result * weight).sum(), (x, *layer.parameters())) for result in results
    )
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, atol=1e-4, rtol=1e-3)


def test_unit_matrices_keep_the_long_waves():
    layer = SpectralConvolution(2, 4)
    with torch.no_grad():
        layer.real.copy_(torch.eye(2).expand_as(layer.real))
        layer.imaginary.zero_()
    longitude = torch.arange(16) * 2 * torch.pi / 16
    latitude = torch.arange(9) * 2 * torch.pi / 9
    long = torch.cos(3 * longitude) + torch.sin(2 * latitude)[:, None]
    short = torch.cos(6 * longitude + 0 * latitude[:, None])
    result = layer((long + short).expand(1, 2, 9, 16))
    torch.testing.assert_close(result, long.expand(1, 2, 9, 16), atol=1e-5, rtol=0)


def test_the_cache_of_matrices_survives_inference_mode():
    layer = SpectralConvolution(2, 3)
    x = torch.randn(1, 2, 10, 14)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()


def test_it_stays_in_single_precision():
    with torch.autocast("cpu", torch.bfloat16):
        assert SpectralConvolution(2, 2)(torch.randn(1, 2, 9, 16).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(("grid", "modes"), [((9, 16), 5), ((32, 8), 6), ((9, 16), 0)])
def test_unresolved_waves_are_refused(grid, modes):
    with pytest.raises(TaskError, match="modes must be from 1 to"):
        SpectralConvolution(1, modes)(torch.randn(1, 1, *grid))
