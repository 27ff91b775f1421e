"""Scoring what waits in the queue, with references that nobody else may read."""
