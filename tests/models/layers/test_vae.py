"""Variational autoencoders: sizes, what encoder and decoder see, symmetries."""

import pytest
import torch

from dambench_hub.coordinates.variables import STANDARD_CHANNELS, variable_groups
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.vae import conv_vae, kl_divergence, latent_shares, swin_vae
from dambench_hub.models.layers.variable_unet import UNetSize, VariableUNet

SMALL = UNetSize(width=4, blocks=2, global_width=8, global_blocks=2, heads=(1, 2, 2))
VARIABLES = [[3], [0, 1], [4, 2]]


def small_vae(network, shape=(9, 16)):
    torch.manual_seed(0)
    if network == "swin":
        return swin_vae(VARIABLES, shape, 6, SMALL)
    return conv_vae(5, shape, 6, width=4, blocks=1)


def perturbed(module):
    """The same module away from its first weights, of which some are zero."""
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return module


def test_the_official_size():
    variables = list(variable_groups(STANDARD_CHANNELS).values())
    with torch.device("meta"):
        vae = swin_vae(variables, (128, 256), 32, UNetSize())
    counts = [sum(p.numel() for p in net.parameters()) for net in (vae.encoder, vae.decoder)]
    assert counts == [215_892_448, 215_880_165]
    assert vae.latent_shape == (32, 128, 256)
    assert vae.context_shape == (2 * 1152, 32, 64)


@pytest.mark.parametrize("network", ["swin", "conv"])
@pytest.mark.parametrize("shape", [(121, 240), (33, 64), (9, 16)])
def test_any_grid_comes_back(network, shape):
    vae, fields = small_vae(network, shape), torch.randn(2, 5, *shape)
    with torch.no_grad():
        mean, log_variance = vae.encode(fields)
        assert mean.shape == log_variance.shape == (2, *vae.latent_shape)
        assert vae.decode(mean).shape == fields.shape


@pytest.mark.parametrize("network", ["swin", "conv"])
def test_context_reaches_both_halves_and_zeros_change_nothing(network):
    vae = perturbed(small_vae(network))
    fields, z = torch.randn(2, 5, 9, 16), torch.randn(2, *vae.latent_shape)
    zeros = torch.zeros(2, *vae.context_shape)
    for function, x in ((lambda *a: vae.encode(*a)[0], fields), (vae.decode, z)):
        assert torch.equal(function(x), function(x, zeros))
        assert not torch.allclose(function(x), function(x, zeros + 1))
    other = zeros.clone()
    other[:, : len(other[0]) // 2] = 1
    assert torch.equal(vae.decode(z), vae.decode(z, other))


def test_kl_divergence_is_that_of_samples():
    """KL = E_q[ln q(z) − ln p(z)]."""
    mean, log_variance = torch.tensor([0.0, 0.7, -1.5]), torch.tensor([0.0, -2.0, 0.5])
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    p = torch.distributions.Normal(0.0, 1.0)
    torch.manual_seed(0)
    z = q.sample((200_000,))
    sampled = (q.log_prob(z) - p.log_prob(z)).mean(0)
    torch.testing.assert_close(kl_divergence(mean, log_variance), sampled, atol=0.01, rtol=0)
    assert kl_divergence(mean, log_variance)[0] == 0


def test_shares_of_the_latent():
    assert latent_shares(12, [4, 3, 3, 3, 3, 3]) == [2] * 6
    assert latent_shares(4, [100, 1, 1, 1]) == [1, 1, 1, 1]
    with pytest.raises(TaskError, match="at least 3, one for each variable, got 2"):
        latent_shares(2, [1, 1, 1])


def test_longitudes_are_alike():
    vae = perturbed(small_vae("conv", (9, 32)))
    fields = torch.randn(1, 5, 9, 32)
    mean, _ = vae.encode(fields)
    rolled, _ = vae.encode(fields.roll(8, -1))
    torch.testing.assert_close(rolled, mean.roll(2, -1), atol=1e-5, rtol=1e-4)
    decoded = vae.decode(mean.roll(2, -1))
    torch.testing.assert_close(decoded, vae.decode(mean).roll(8, -1), atol=1e-5, rtol=1e-4)


def test_longitudes_are_alike_without_positions():
    """Attention alone commutes with shifts by a window of the coarsest tokens."""
    torch.manual_seed(0)
    net = VariableUNet(VARIABLES, VARIABLES, (16, 64), SMALL)
    for name, parameter in net.named_parameters():
        if name.endswith("position"):
            parameter.data.zero_()
    fields = torch.randn(1, 5, 16, 64)
    torch.testing.assert_close(net(fields.roll(16, -1)), net(fields).roll(16, -1))


def test_variables_keep_their_places():
    """With the global transformer cut off, a variable's output depends on its own input alone."""
    torch.manual_seed(0)
    net = VariableUNet(VARIABLES, VARIABLES, (8, 16), SMALL)
    net.part.weight.data.zero_()
    fields = torch.randn(1, 5, 8, 16)
    other = fields.clone()
    other[:, [0, 1]] += 1
    changed = (net(fields) != net(other)).flatten(2).any(-1)[0]
    assert changed.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("network", ["swin", "conv"])
def test_checkpointing_changes_nothing(network):
    vae = small_vae(network)
    gradients = []
    for checkpointing in (False, True):
        for module in vae.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = checkpointing
        vae.zero_grad()
        torch.manual_seed(1)
        vae.decode(torch.randn(1, *vae.latent_shape)).square().sum().backward()
        gradients.append([p.grad for p in vae.decoder.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"heads": (3, 6)}, "three divisors"),
        ({"heads": (5, 6, 6)}, "three"),
        ({"window": 0}, "window must be"),
    ],
)
def test_sizes_out_of_range(wrong, words):
    with pytest.raises(TaskError, match=words):
        UNetSize(**wrong)
