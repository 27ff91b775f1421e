"""Observation networks, drawn observations, and observation operators with their adjoints."""

from dambench_hub.observations.networks import ObservationSettings, draw_observations

__all__ = ["ObservationSettings", "draw_observations"]
