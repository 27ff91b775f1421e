"""How long learned methods take on the CPU: ours, and the same equations written plainly.

    python benchmarks/models.py [--quick] [--grid 121x240] [--only fnp] [--threads 2]
                                [--checkpointing] [--repeats 2] [--top 5]

A training step is forward, backward and AdamW; batch 1, float32, random fields, 5 % observed. The
plain version has the same parameters, but eager convolutions with channels first, full fast Fourier
transforms with one einsum for each corner, and convolves the mask of the background at each step.
With less than 20 GB, ConvCNP and Adas on 121x240 need --checkpointing: activations are computed
twice then, in both versions, but for the cases compared with published code.

Each case runs in a process of its own; peak memory is its resident size. Rounding errors are those
of small models against the plain one in double precision: batch normalisation and ReLU enlarge
them in gradients, in either version.

"Published code" is what OpenEarthLab/FNP took, once, on 2 cores of an AMD EPYC with AVX2; the FNP
there has width 128.
"""

import argparse
import copy
import multiprocessing
import resource
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.models import method_class
from dambench_hub.models.layers.convolution import PointwiseConvolution, SphereConvolution
from dambench_hub.models.layers.noise import Noise
from dambench_hub.models.layers.set_convolution import SMALLEST_DENSITY, SetConvolution
from dambench_hub.models.layers.spectral import SpectralConvolution
from dambench_hub.models.learned import Inputs

SIZES = {"conv_cnp": {"width": 512}, "fnp": {"width": 64}, "adas": {}}
SMALL = {"conv_cnp": {"width": 64}, "fnp": {"width": 16}}
PUBLISHED = {
    ("conv_cnp", "64x128", "analysis"): 9.3,
    ("conv_cnp", "32x64", "training step"): 3.65,
    ("fnp", "64x128", "analysis"): 7.0,
    ("fnp", "32x64", "training step"): 20.9,
    ("adas", "64x128", "analysis"): 8.0,
    ("adas", "32x64", "training step"): 6.3,
}
"""Seconds that the published code took."""


def make_model(name, grid, sizes):
    """A method of the official size with random weights."""
    torch.manual_seed(0)
    return method_class(name)(channels=list(STANDARD_CHANNELS), grid=grid, **sizes)


def make_inputs(grid):
    """One sample with all standard channels."""
    random = torch.Generator().manual_seed(1)
    count = len(STANDARD_CHANNELS)
    shape = (1, count, *Grid.parse(grid).shape)
    background = torch.randn(shape, generator=random)
    reference = background + 0.1 * torch.randn(shape, generator=random)
    observed = (torch.rand(shape[-2:], generator=random) < 0.05).float().expand(shape).contiguous()
    return Inputs(
        background=background,
        prior=background,
        observations=observed * reference,
        observed=observed,
        observation_error_std=torch.full((count,), 0.05),
        background_error_std=torch.full((count,), 0.1),
        noise=Noise(0, np.array(["2001-01-01"], "datetime64[h]")),
        reference=reference,
    )


class Plain:
    """The same layers, written plainly."""

    @staticmethod
    def convolve(layer, x, weight, bias=None):
        """A convolution of a padded field."""
        half = weight.shape[-1] // 2
        x = functional.pad(x, (half, half, 0, 0), mode="circular")
        return functional.conv2d(x, weight, bias, padding=(half, 0), groups=layer.groups)

    @staticmethod
    def sphere(layer, x):
        """`SphereConvolution`."""
        return Plain.convolve(layer, x, layer.weight, layer.bias)

    @staticmethod
    def gather(layer, values, observed=None):
        """`SetConvolution`."""
        observed = torch.ones_like(values) if observed is None else observed
        signal = Plain.convolve(layer, values * observed, layer.weight.abs())
        density = Plain.convolve(layer, observed, layer.weight.abs())
        return torch.cat([signal / density.clamp_min(SMALLEST_DENSITY), density], 1)

    @staticmethod
    def spectral(layer, x):
        """`SpectralConvolution`."""
        m, spectrum = layer.modes, torch.fft.rfft2(x)
        result = torch.zeros_like(spectrum)
        for rows, weights in ((slice(None, m), slice(None, m)), (slice(-m, None), slice(m, None))):
            waves = spectrum[:, :, rows, :m]
            a, b = layer.real[weights], layer.imaginary[weights]
            real, imaginary = (
                torch.einsum("biyx,yxio->boyx", waves.real, left)
                + sign * torch.einsum("biyx,yxio->boyx", waves.imag, right)
                for left, right, sign in ((a, b, -1), (b, a, 1))
            )
            result[:, :, rows, :m] = torch.complex(real, imaginary)
        return torch.fft.irfft2(result, s=x.shape[-2:])


def plain(model):
    """A copy of a model with plain layers; None when it has no other ones."""
    model = copy.deepcopy(model)
    versions = (
        (SetConvolution, Plain.gather),
        (SphereConvolution, Plain.sphere),
        (PointwiseConvolution, nn.Conv2d.forward),
        (SpectralConvolution, Plain.spectral),
    )
    found = False
    for module in model.modules():
        forward = next((f for kind, f in versions if isinstance(module, kind)), None)
        if forward is not None:
            module.forward = forward.__get__(module)
            found = True
    return model if found else None


def training_step(model, inputs):
    """A function that takes one."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step():
        optimizer.zero_grad()
        model.loss(inputs).backward()
        optimizer.step()

    return step


def analysis(model, inputs):
    """A function that makes one."""
    model.eval()

    def analyse():
        with torch.no_grad():
            model.analyse(inputs)

    return analyse


LAYERS = {
    "depthwise 9x9, 512": (lambda: SphereConvolution(512, 512, 9, groups=512), 512),
    "depthwise 9x9, 64": (lambda: SphereConvolution(64, 64, 9, groups=64), 64),
    "pointwise, 512": (lambda: PointwiseConvolution(512, 512), 512),
    "spectral, 12 modes, 64": (lambda: SpectralConvolution(64, 12), 64),
    "set convolution of a full field, 69": (
        lambda: SetConvolution(69, 11, mix=False, periodic=True),
        69,
    ),
}
"""The layers that take most of the time, and their channels."""
LAYER_REPEATS = 20
"""The best counts: other work on the machine can double a single one."""

WHAT = {"training step": training_step, "analysis": analysis}


def measure(case, version, options):
    """Seconds, peak memory in GB and the operations that take most, of one case."""
    name, grid, sizes, what = case
    torch.set_num_threads(options.threads)
    model = make_model(name, grid, sizes)
    if version == "plain" and (model := plain(model)) is None:
        return None
    model.set_checkpointing(options.checkpointing and grid == options.grid)
    run = WHAT[what](model, make_inputs(grid))
    seconds = best(run, options.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return seconds, peak, busiest(run, options.top) if version == "ours" else ""


def measure_layer(label, grid, version, options):
    """Seconds of one layer forward, and forward and backward."""
    torch.set_num_threads(options.threads)
    make, width = LAYERS[label]
    plainly = version == "plain"
    layer = plain(make()) if plainly else make()
    memory = torch.contiguous_format if plainly else torch.channels_last
    x = torch.randn(1, width, *Grid.parse(grid).shape).to(memory_format=memory)
    x.requires_grad_(not isinstance(layer, SetConvolution))

    def forward():
        with torch.no_grad():
            return layer(x)

    upstream = torch.randn_like(forward())
    return best(forward, LAYER_REPEATS), best(lambda: layer(x).backward(upstream), LAYER_REPEATS)


def best(run, repeats):
    """Least seconds of a few runs, after one that does not count."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def busiest(run, count):
    """The operations that take most of the time, with their shares of it."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        run()
    events = sorted(recorded.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return ", ".join(
        f"{event.key.removeprefix('aten::')} {event.self_cpu_time_total / total:.0%}"
        for event in events[:count]
    )


def rounding(name, sizes):
    """Relative errors in float32 of the analysis and of the gradient: ours, and the plain one's."""
    exact, inputs = plain(make_model(name, "33x64", sizes)).double(), make_inputs("33x64")
    fields = ("background", "prior", "observations", "observed", "reference")
    doubled = replace(inputs, **{field: getattr(inputs, field).double() for field in fields})
    wanted = results(exact, doubled)
    ours = make_model(name, "33x64", sizes)
    return [
        [relative(got, want) for got, want in zip(results(model, inputs), wanted, strict=True)]
        for model in (plain(ours), ours)
    ]


def results(model, inputs):
    """The analysis before any training, and the gradient of the loss, one vector."""
    with torch.no_grad():
        mean = model.eval().analyse(inputs).mean
    model.train().loss(inputs).backward()
    return mean, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def relative(got, wanted):
    """Relative error, in the Euclidean norm."""
    return ((got - wanted).norm() / wanted.norm()).item()


def alone(function, *arguments):
    """What a function returns, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def cases(grid, quick):
    """Method, grid, sizes and what to time: on the grid asked for, then as published."""
    if quick:
        return [(name, "33x64", sizes, what) for name, sizes in SMALL.items() for what in WHAT]
    published = {"fnp": {"width": 128}}
    return [
        *((name, grid, sizes, what) for name, sizes in SIZES.items() for what in WHAT),
        *((name, there, published.get(name, SIZES[name]), what) for name, there, what in PUBLISHED),
    ]


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small models on 33x64 only")
    parser.add_argument("--grid", default="121x240")
    parser.add_argument("--only", choices=SIZES, help="one method")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpointing", action="store_true", help="keep no activations")
    parser.add_argument("--repeats", type=int, default=2, help="the best counts")
    parser.add_argument("--top", type=int, default=5, help="operations to name")
    options = parser.parse_args(argv)
    print_layers("33x64" if options.quick else options.grid, options)
    print(
        "\n| method | grid | what | plain s | ours s | ratio | plain GB | ours GB | published s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    wanted = [
        case for case in cases(options.grid, options.quick) if options.only in (None, case[0])
    ]
    profiles = {}
    for case in wanted:
        name, grid, sizes, what = case
        ours, other = (alone(measure, case, version, options) for version in ("ours", "plain"))
        label = " ".join([name, *(f"{key} {value}" for key, value in sizes.items())])
        print(row(label, grid, what, ours, other), flush=True)
        profiles[label, grid, what] = ours[2] if ours else "there is no such method yet"
    print()
    for (label, grid, what), operations in profiles.items():
        print(f"- {label}, {grid}, {what}: {operations}")
    print()
    for name, sizes in SMALL.items():
        if options.only in (None, name):
            there, here = alone(rounding, name, sizes)
            print(
                f"- {name} {sizes}, relative error of the analysis and of the gradient: "
                f"plain {there[0]:.0e}, {there[1]:.0e}; ours {here[0]:.0e}, {here[1]:.0e}"
            )


def print_layers(grid, options):
    """Print the table of layers."""
    print(
        f"| layer, channels, {grid} | plain ms | ours ms | ratio | plain with backward ms | ours |"
    )
    print("|---|---|---|---|---|---|")
    for label in LAYERS:
        (plain_forward, plain_both), (forward, both) = (
            alone(measure_layer, label, grid, version, options) for version in ("plain", "ours")
        )
        print(
            f"| {label} | {1e3 * plain_forward:.1f} | {1e3 * forward:.1f} | "
            f"{plain_forward / forward:.1f} | {1e3 * plain_both:.1f} | {1e3 * both:.1f} "
            f"({plain_both / both:.1f} times faster) |",
            flush=True,
        )


def row(label, grid, what, ours, other):
    """One line of the table."""
    name = label.split()[0]
    published = PUBLISHED.get((name, grid, what), "")
    plain_seconds, ratio, plain_peak = "", "", ""
    if other:
        plain_seconds, plain_peak = f"{other[0]:.3g}", f"{other[1]:.1f}"
        ratio = f"{other[0] / ours[0]:.1f}"
    cells = (label, grid, what, plain_seconds, f"{ours[0]:.3g}", ratio, plain_peak)
    return f"| {' | '.join(cells)} | {ours[1]:.1f} | {published} |"


if __name__ == "__main__":
    main()
