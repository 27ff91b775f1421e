"""Forecast models, and what the channels of a data set are of their states."""
