"""Diffusion: what noise does to a state, and how observations guide it back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.errors import TaskError
from dambench_hub.models.diffusion import (
    Observations,
    Sampler,
    denoising_loss,
    noise_from_velocity,
    noise_level,
    signal,
    summarise,
)
from dambench_hub.models.layers.noise import Noise

TIMES = np.array(["2001-01-01", "2001-01-02"], "datetime64[h]")


def exact_noise(x, t):
    """ε of states N(0, 1)."""
    return noise_level(t) * x / (signal(t).square() + noise_level(t).square())


def test_noise_grows_and_variance_stays():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    mu, sigma = signal(t), noise_level(t)
    assert (mu.diff() < 0).all() and (sigma.diff() > 0).all()
    torch.testing.assert_close(mu.square() + sigma.square(), torch.full_like(t, 1 + 1e-6))
    assert float(sigma[-1] / mu[-1]) == pytest.approx(1000, rel=1e-6)
    torch.testing.assert_close(
        sigma[[25, 50, 75]].float(), torch.tensor([0.512, 0.857, 0.987]), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("prediction", ["noise", "velocity"])
def test_the_exact_network_has_the_smallest_loss(prediction):
    generator = torch.Generator().manual_seed(0)
    state, noise = (torch.randn(2000, 1, 8, generator=generator) for _ in range(2))
    t = torch.rand(2000, 1, generator=generator)
    velocity = lambda x, t: 0 * x  # noqa: E731 — best for states N(0, 1), which keep their variance
    network = exact_noise if prediction == "noise" else velocity

    def loss(factor, shift):
        changed = lambda x, t: factor * network(x, t[..., None]) + shift * x  # noqa: E731
        return float(denoising_loss(changed, state, t, noise, prediction))

    best = loss(1.0, 0.0)
    assert best < loss(1.0, 0.05) and best < loss(1.0, -0.05)
    if prediction == "noise":
        assert best < loss(0.9, 0.0) and best < loss(1.1, 0.0)


def test_velocity_and_noise_say_the_same():
    generator = torch.Generator().manual_seed(0)
    state, noise = (torch.randn(4, 3, generator=generator) for _ in range(2))
    for t in torch.linspace(0, 1, 5):
        mu, sigma = signal(t), noise_level(t)
        network = noise_from_velocity(lambda x, t: signal(t) * noise - noise_level(t) * state)
        torch.testing.assert_close(
            network(mu * state + sigma * noise, t), (1 + 1e-6) * noise, atol=1e-5, rtol=1e-5
        )


def sample_scalars(sampler, observations, chains=4000):
    noise = Noise(0, TIMES[:1])
    return sampler.sample(exact_noise, noise.normal(1, chains), noise, observations)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("guidance_variance", [1e-2, 1.0])
def test_scalar_posterior(detach, guidance_variance):
    """Prior N(0, 1), y = 1, r = 0.5: the posterior has mean 0.8 and std 0.447."""
    sampler = Sampler(guidance_variance=guidance_variance, detach=detach, member_batch=1)
    states = sample_scalars(sampler, [Observations(torch.ones(1), torch.tensor([0.5]))])
    assert float(states.mean()) == pytest.approx(0.8, abs=0.05)
    assert float(states.std()) == pytest.approx(0.447, abs=0.05)


def test_corrections_are_needed():
    known = [Observations(torch.ones(1), torch.tensor([0.5]))]
    states = sample_scalars(Sampler(corrections=0), known)
    assert abs(float(states.mean()) - 0.8) > 0.2


def test_two_observations_are_worth_one_of_half_the_variance():
    half = Observations(torch.ones(1), torch.tensor([0.5 * 2**0.5]))
    states = sample_scalars(Sampler(), [half, half])
    assert float(states.mean()) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("steps", "detach"),
    [(4, True), (16, True), (64, True), (256, True), (16, False), (64, False), (256, False)],
)
@pytest.mark.parametrize("error_std", [1e-2, 0.1])
def test_sharp_observations_are_fitted_and_nothing_diverges(steps, detach, error_std):
    """Four steps are too few with the network's derivative."""
    noise = Noise(0, TIMES[:1])
    observed = torch.arange(200) % 5 == 0
    known = Observations(torch.full((200,), 2.0), torch.tensor([error_std]), observed)
    sampler = Sampler(steps=steps, detach=detach)
    states = sampler.sample(exact_noise, noise.normal(8, 200), noise, [known])
    assert float((states[..., observed] - 2).square().mean().sqrt()) < 1.5 * error_std
    assert float(states[..., ~observed].std()) == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("observations", ["none", "unobserved", "useless"])
def test_nothing_known_is_unconditional_sampling(observations):
    unobserved = Observations(
        torch.full((5,), torch.nan), torch.tensor([0.1]), torch.zeros(5, dtype=torch.bool)
    )
    useless = Observations(torch.ones(5), torch.tensor([1e12]))
    known = {"none": [], "unobserved": [unobserved], "useless": [useless]}[observations]
    sampler = Sampler(steps=8)
    draws = [Noise(3, TIMES) for _ in range(2)]
    free, guided = (
        sampler.sample(exact_noise, noise.normal(3, 5), noise, seen)
        for noise, seen in zip(draws, ([], known), strict=True)
    )
    torch.testing.assert_close(free, guided, rtol=1e-6, atol=1e-6)


def test_members_in_chunks_are_the_same():
    known = [Observations(torch.ones(2, 1, 5), torch.tensor([0.5]))]
    states = []
    for member_batch in (1, 2, 8):
        noise = Noise(0, TIMES)
        sampler = Sampler(steps=8, member_batch=member_batch)
        states.append(sampler.sample(exact_noise, noise.normal(3, 5), noise, known))
    torch.testing.assert_close(states[0], states[1])
    torch.testing.assert_close(states[0], states[2])


def test_an_operator_is_seen_through():
    """The mean of two states is observed: both move, and their difference does not."""
    mean = Observations(
        torch.tensor([2.0]),
        torch.tensor([0.05]),
        operator=lambda x: x.unflatten(-1, (-1, 2)).mean(-1),
    )
    noise = Noise(0, TIMES[:1])
    states = Sampler().sample(exact_noise, noise.normal(1, 4000), noise, [mean])
    pairs = states.unflatten(-1, (-1, 2))
    assert float(pairs.mean(-1).mean()) == pytest.approx(2, abs=0.1)
    assert float(pairs.diff(dim=-1).std()) == pytest.approx(2**0.5, abs=0.25)


def test_a_summary_of_one_member_has_no_spread():
    members = torch.randn(2, 1, 3, 4, 5)
    analysis = summarise(members)
    assert analysis.std is None and torch.equal(analysis.mean, members[:, 0])
    assert summarise(torch.randn(2, 3, 3, 4, 5)).std is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"corrections": -1}, "corrections must be at least 0"),
        ({"member_batch": 0}, "member_batch must be at least 1"),
        ({"correction_step": 0.0}, "correction_step must be positive"),
        ({"guidance_variance": float("nan")}, "guidance_variance must be positive"),
    ],
)
def test_wrong_settings_are_refused(change, words):
    with pytest.raises(TaskError, match=words):
        replace(Sampler(), **change)
