"""VAE-Var: the variational analysis is 3D-Var where it must be, and a short training pays."""

from dataclasses import replace

import pytest
import torch

from dambench_hub.errors import TaskError
from dambench_hub.models.layers.vae import kl_divergence
from dambench_hub.models.vae_var import VAEVar, minimise, wanted_increment

NETWORKS = {
    "conv": {"network": "conv", "latent_channels": 6, "width": 4, "blocks": 1},
    "swin": {
        "latent_channels": 6,
        "width": 4,
        "blocks": 1,
        "global_width": 8,
        "global_blocks": 1,
        "heads": (1, 2, 2),
    },
}


def make(world, network="conv", **changes):
    torch.manual_seed(0)
    settings = {**NETWORKS[network], "iterations": 3, "outer_calls": 2, **changes}
    model = VAEVar(channels=world.channels, grid=str(world.grid), **settings)
    # Away from the first weights, of which some are zero.
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape)
    return model.set_statistics(world.statistics)


@pytest.fixture(params=NETWORKS)
def model(request, small_world):
    return make(small_world, request.param)


@pytest.fixture(scope="module")
def trained(world):
    """Some steps on 8 samples, each rolled in longitude at random."""
    torch.manual_seed(0)
    model = VAEVar(
        channels=world.channels,
        grid="32x64",
        network="conv",
        latent_channels=16,
        width=12,
        blocks=1,
        observation_weight=0.3,
    ).set_statistics(world.statistics)
    batches = [world.batch(4, first) for first in (0, 4)]
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(80):
        inputs = model.inputs(batches[step % 2], torch.Generator().manual_seed(step))
        shift = 8 * int(torch.randint(8, ()))
        rolled = replace(
            inputs,
            prior=inputs.prior.roll(shift, -1),
            reference=inputs.reference.roll(shift, -1),
        )
        optimiser.zero_grad()
        model.loss(rolled).backward()
        optimiser.step()
    return model.eval()


def test_the_tiny_size(world):
    model = VAEVar(
        channels=world.channels,
        grid="32x64",
        latent_channels=12,
        width=12,
        blocks=1,
        global_width=48,
        global_blocks=2,
        heads=(1, 2, 2),
    )
    assert model.parameter_count == 501_051


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("grid", ["33x64", "9x16"])
def test_four_channels_on_any_grid(network, grid):
    channels = ("z500", "z850", "t500", "t850")
    model = VAEVar(channels=channels, grid=grid, **NETWORKS[network])
    assert model.context_shape[1:] == {"33x64": (9, 16), "9x16": (3, 4)}[grid]


def problem(seed=0, values=12, controls=7):
    """A linear decoder U, innovations at two of three places, and their precision."""
    rng = torch.Generator().manual_seed(seed)
    decoder = torch.randn(values, controls, generator=rng, dtype=torch.float64)
    innovation = torch.randn(1, values, generator=rng, dtype=torch.float64)
    precision = (torch.arange(values) % 3 > 0).double()[None] / 0.5**2
    return decoder, innovation, precision


def test_a_linear_decoder_gives_3dvar():
    """x^a − x^b = B Hᵀ (H B Hᵀ + R)⁻¹ d with B = U Uᵀ."""
    U, innovation, precision = problem()
    z = minimise(lambda z: z @ U.T, innovation, precision, (7,))
    B, observed = U @ U.T, precision[0] > 0
    R = torch.diag(1 / precision[0][observed])
    gain = B[:, observed] @ torch.linalg.inv(B[observed][:, observed] + R)
    torch.testing.assert_close((z @ U.T)[0], gain @ innovation[0][observed], atol=1e-4, rtol=0)


def test_no_observations_leave_the_control_at_zero():
    U, innovation, _ = problem()
    z = minimise(lambda z: z @ U.T, innovation, torch.zeros_like(innovation), (7,))
    assert z.eq(0).all()


def test_the_cost_never_rises_from_call_to_call():
    U, innovation, precision = problem(values=60, controls=40)

    def decode(z):
        return torch.tanh(z @ U.T)

    def cost(z):
        return (z.square().sum() + (precision * (innovation - decode(z)).square()).sum()) / 2

    costs = [
        float(cost(minimise(decode, innovation, precision, (40,), iterations=2, outer_calls=n)))
        for n in range(1, 7)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_no_observations_return_the_background(small_world):
    model = make(small_world, subtract_zero_decoding=True)
    batch = small_world.batch(2, density=0.0)
    assert torch.equal(model.assimilate(batch).mean, torch.from_numpy(batch.background))
    model.subtract_zero_decoding = False
    assert not torch.equal(model.assimilate(batch).mean, torch.from_numpy(batch.background))


@pytest.mark.parametrize("subtract", [False, True])
def test_what_a_context_says_needs_no_observations(small_world, subtract):
    """The mean error that it foretells is in the analysis, whatever is subtracted."""
    model = make(small_world, subtract_zero_decoding=subtract)
    inputs = model.inputs(small_world.batch(1, density=0.0))
    told = replace(inputs, context=torch.randn(1, *model.context_shape))
    plain, moved = (model.analyse(each).mean for each in (inputs, told))
    zero = torch.zeros(1, *model.vae.latent_shape)
    with_context, without = (model.vae.decode(zero, c) for c in (told.context, None))
    step = inputs.background_error_std[:, None, None] * (with_context - without)
    assert step.abs().max() > 1e-3
    torch.testing.assert_close(moved - plain, step, atol=1e-5, rtol=1e-4)


def test_vague_observations_are_ignored_and_exact_ones_fitted(trained, world):
    inputs = trained.inputs(world.batch(1, 8))
    misfits = []
    for error_std in (1e4, 0.05, 1e-2):
        given = replace(
            inputs, observation_error_std=torch.full_like(inputs.observation_error_std, error_std)
        )
        analysis = trained.analyse(given).mean.detach()
        residual = inputs.observed * (inputs.observations - analysis)
        misfits.append(float(residual.square().mean()))
    assert misfits == sorted(misfits, reverse=True)
    assert misfits[-1] < 0.5 * misfits[0]


@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_all_weights_get_finite_gradients(model, small_world, density):
    model(small_world.batch(2, density=density)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.assimilate(small_world.batch(1, density=density)).mean.isfinite().all()


def test_an_analysis_leaves_no_gradients(model, small_world):
    model.assimilate(small_world.batch(1))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_loss_is_a_mean_over_samples(model, small_world):
    both = model(small_world.batch(2))
    alone = [model(small_world.batch(1, n)) for n in (0, 1)]
    torch.testing.assert_close(both, sum(alone) / 2)


def test_what_is_not_observed_does_not_matter(model, small_world):
    inputs = model.inputs(small_world.batch(1))
    for spoilt in (1e6, torch.nan):
        observations = torch.where(inputs.observed.bool(), inputs.observations, spoilt)
        other = model.analyse(replace(inputs, observations=observations)).mean
        assert torch.equal(other, model.analyse(inputs).mean)


def test_samples_and_seeds_and_the_reference_do_not_matter(model, small_world):
    batch = small_world.batch(2)
    both = model.assimilate(batch, torch.Generator().manual_seed(1)).mean
    alone = small_world.batch(1, 1)
    alone.reference.fill(float("nan"))
    assert torch.equal(both[1:], model.assimilate(alone, torch.Generator().manual_seed(2)).mean)


def test_a_model_comes_back_from_its_folder(model, small_world, tmp_path):
    model.save_pretrained(tmp_path)
    again = VAEVar.from_pretrained(tmp_path)
    batch = small_world.batch(1)
    assert torch.equal(model.assimilate(batch).mean, again.assimilate(batch).mean)


def test_a_context_of_zeros_changes_nothing(model, small_world):
    inputs = model.inputs(small_world.batch(1))
    zeros = torch.zeros(1, *model.context_shape)
    for context, same in ((zeros, True), (zeros + 1, False)):
        given = replace(model.inputs(small_world.batch(1)), context=context)
        assert torch.equal(model.analyse(given).mean, model.analyse(inputs).mean) is same
        assert torch.equal(model.loss(given), model(small_world.batch(1))) is same


def test_longitudes_are_alike(small_world):
    model = make(small_world, "conv")
    inputs = model.inputs(small_world.batch(1))
    rolled = {
        name: getattr(inputs, name).roll(4, -1) for name in ("prior", "observations", "observed")
    }
    turned = model.analyse(replace(inputs, **rolled)).mean
    torch.testing.assert_close(turned, model.analyse(inputs).mean.roll(4, -1), atol=1e-3, rtol=0)


def test_half_precision_trains_but_does_not_search(model, small_world):
    batch = small_world.batch(1)
    with torch.autocast("cpu", torch.bfloat16):
        loss, analysis = model(batch), model.assimilate(batch).mean
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, model(batch), rtol=0.1, atol=0)
    assert torch.equal(analysis, model.assimilate(batch).mean)


def test_it_beats_the_background(trained, world):
    inputs = trained.inputs(world.batch(2, 8))
    analysis = trained.analyse(inputs).mean.detach()
    error = (analysis - inputs.reference).square().mean()
    assert error < 0.8 * (inputs.prior - inputs.reference).square().mean()


def test_the_latent_is_used_and_its_prior_spreads(trained, world):
    inputs = trained.inputs(world.batch(4, 8))
    with torch.no_grad():
        usage = kl_divergence(*trained.vae.encode(wanted_increment(inputs))).mean((0, 2, 3))
        prior = trained.vae.decode(inputs.noise.normal(*trained.vae.latent_shape))
    spread = prior.std((0, 2, 3))
    assert usage.shape == (16,) and (usage >= 0).all() and (usage > 0.05).any()
    assert spread.shape == (19,) and (spread > 0.05).all() and (spread < 1.5).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"network": "convv"}, "Did you mean 'conv'"),
        ({"width": 0}, "width must be a positive"),
        ({"outer_calls": 0}, "outer_calls must be"),
        ({"likelihood_std": 0.0}, "likelihood_std must be above 0"),
        ({"observation_weight": -1.0}, "observation_weight must be above 0"),
        ({"network": "swin", "heads": (5, 2, 2)}, "three divisors"),
    ],
)
def test_values_out_of_range_are_refused(wrong, words):
    with pytest.raises(TaskError, match=words):
        VAEVar(channels=["t2m", "z500"], grid="9x16", **{**NETWORKS["conv"], **wrong})
