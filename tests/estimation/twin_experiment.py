"""A twin experiment with a Lorenz model, in which all variables are observed, and its filters."""

import numpy as np

from dambench_hub.dynamics.lorenz import Lorenz63, Lorenz96
from dambench_hub.estimation.ensemble_transform import letkf_updates, updated
from dambench_hub.estimation.inflation import inflate
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.estimation.particles import (
    effective_size,
    log_likelihood,
    normalised_weights,
    regularised_resampling,
)
from dambench_hub.estimation.perturbed_observations import enkf
from dambench_hub.estimation.rotation import mean_preserving_rotation

EVERY_STEP = {"model": Lorenz96(), "steps": 1, "error_std": 1.0, "cycles": 1000, "dropped": 400}
"""Lorenz-96, a cycle each 0.05."""
EVERY_25_STEPS = {
    "model": Lorenz63(),
    "steps": 25,
    "error_std": np.sqrt(2),
    "cycles": 600,
    "dropped": 100,
}
"""Lorenz-63, a cycle each 0.25."""


def analysis_rmse(analyse, members, *, model, steps, error_std, cycles, dropped, seed=0):
    """RMSE over the variables of the analysed mean, averaged over cycles.

    `analyse(members, observations, generator)` returns the estimate, and the members to go on with.
    """
    generator = np.random.default_rng(seed)
    start = generator.standard_normal(model.state_shape) + 8.0
    truth = model.advance(start, 1000 * model.step_hours)
    ensemble = truth + generator.standard_normal((members, *model.state_shape))
    errors = []
    for _ in range(cycles):
        both = np.concatenate([truth[None], ensemble])
        truth, *rest = model.advance(both, steps * model.step_hours)
        observations = truth + error_std * generator.standard_normal(truth.shape)
        estimate, ensemble = analyse(np.array(rest), observations, generator)
        errors.append(np.sqrt(np.mean((estimate - truth) ** 2)))
    return np.mean(errors[dropped:])


def stochastic_filter(inflation, error_variance):
    """Perturbed observations, no localisation."""

    def analyse(members, observations, generator):
        variance = np.full(len(observations), error_variance)
        members = enkf(members, members, observations, variance, generator)
        return members.mean(axis=0), inflate(members, inflation)

    return analyse


def local_filter(inflation, length, rotate):
    """LETKF on the circle of Lorenz-96, R = I; distances in numbers of variables."""
    angle = 2 * np.pi * np.arange(40) / 40
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    localisation = Localisation(circle, circle, length, radius=40 / (2 * np.pi))

    def analyse(members, observations, generator):
        mean = members.mean(axis=0)
        rotation = mean_preserving_rotation(len(members), generator) if rotate else None
        members = updated(
            members[:, None],
            letkf_updates(
                (members - mean)[:, None],
                (observations - mean)[None],
                np.ones(1),
                np.arange(40),
                localisation,
                rotation,
            ),
        )[:, 0]
        return members.mean(axis=0), inflate(members, inflation)

    return analyse


def bootstrap_filter(members, error_std, strength, least_share):
    """Particles resampled, and jittered, when fewer than a share of them are effective."""
    log_weights = np.zeros(members)

    def analyse(particles, observations, generator):
        log_weights[:] += log_likelihood(observations - particles, error_std)
        weights = normalised_weights(log_weights)
        estimate = weights @ particles
        if effective_size(weights) < least_share * len(weights):
            particles = regularised_resampling(particles, weights, strength, generator)
            log_weights[:] = 0
        return estimate, particles

    return analyse
