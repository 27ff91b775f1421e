"""Constants of the atmosphere."""

GRAVITY = 9.80665
"""g, m s⁻²."""
GAS_CONSTANT = 287.05
"""R of dry air, J kg⁻¹ K⁻¹."""
ROTATION_RATE = 7.292e-5
"""Ω of the Earth, s⁻¹."""
EARTH_RADIUS = 6.371e6
"""a, m."""
EARTH_RADIUS_KM = EARTH_RADIUS / 1000
"""The same in km, for distances."""
