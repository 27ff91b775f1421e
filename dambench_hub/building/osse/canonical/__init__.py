"""The canonical world: what the model computed comes with the package, in whole numbers.

Every machine expands the same bytes, so a result means the same everywhere; nobody has to run the
model. `packing` is for maintainers, the rest is for everybody and needs no jax.
"""
