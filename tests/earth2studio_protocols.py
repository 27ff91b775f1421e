"""The protocols of earth2studio 0.19.0, as far as their signatures go.

`AssimilationModel` is that of `earth2studio/models/da/base.py`, `DataFrameSource` that of
`earth2studio/data/base.py`.
"""

import inspect
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class AssimilationModel(Protocol):
    def __call__(self, *args): ...

    def create_generator(self, *args): ...

    def init_coords(self): ...

    def input_coords(self): ...

    def output_coords(self, input_coords, *args, **kwargs): ...

    def to(self, device): ...


@runtime_checkable
class DataFrameSource(Protocol):
    SCHEMA: Any

    def __call__(self, time, variable, fields=None): ...

    async def fetch(self, time, variable, fields=None): ...


def names_and_defaults(function):
    """Parameters by name, with their defaults."""
    return {p.name: (p.default, p.kind) for p in inspect.signature(function).parameters.values()}
