"""Methods that other installed packages bring: their entry points of the group `dambench.methods`.

In the `pyproject.toml` of such a package:

    [project.entry-points."dambench.methods"]
    your_method = "your_package.your_module:YourMethod"

A package is imported when its method is asked for by name, and not before.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from dambench_hub.errors import TaskError
from dambench_hub.models.base import Assimilator

GROUP = "dambench.methods"

Methods = Mapping[str, list[EntryPoint]]
"""What packages bring, by the method's name: one entry point, unless they are at odds."""


def packaged_methods() -> Methods:
    """The methods of all installed packages; the search takes some 15 ms for 260 of them, once."""
    return _search(tuple(sys.path))


def packaged_class(name: str) -> type[Assimilator] | None:
    """The class of the method that a package brings under a name; None if no package does.

    Raises:
        TaskError: When two packages do, or what comes is not the class of such a method; it names
            the package and says what to do.
    """
    points = packaged_methods().get(name, [])
    if not points:
        return None
    if len(points) > 1:
        packages = " and ".join(map(release, points))
        raise TaskError(
            f"The packages {packages} bring a method {name} each. Uninstall all but one: "
            f"{removal(points[-1])}."
        )
    (point,) = points
    brought = f"The package {release(point)} brings the method {name} as {point.value}"
    try:
        found = point.load()
    except Exception as error:
        raise TaskError(
            f"{brought}, which cannot be imported ({type(error).__name__}: {error}). Install what "
            f"it lacks, mend it, or remove it: {removal(point)}."
        ) from error
    if problem := _problem(found, name):
        raise TaskError(f"{brought}, {problem}.")
    return found


def release(point: EntryPoint) -> str:
    """Name and version of the package that an entry point is of."""
    assert point.dist is not None  # it was found by its distribution
    return f"{point.dist.name} {point.dist.version}"


def removal(point: EntryPoint) -> str:
    """The command that removes this package."""
    return f"pip uninstall {release(point).split()[0]}"


def packaged_code(method: type[Assimilator]) -> str | None:
    """What tells one state of a package's method from another; None for DAMBench's own.

    Returns:
        Name and version of the package, and the hash of the module that defines the class: while a
        method is written its version stays, and its results do not.
    """
    single = getattr(method, "host_class", method)  # of a multi-modal one, its host
    points = packaged_methods().get(single.name, [])
    if not points:
        return None
    digest = hashlib.sha256(Path(inspect.getfile(single)).read_bytes()).hexdigest()
    return f"{release(points[0])}, module {digest[:16]}"


def _problem(found: object, name: str) -> str:
    """Why something is not the class of a method, the end of a sentence; empty if it is."""
    if not (inspect.isclass(found) and issubclass(found, Assimilator)):
        return "which is no class derived from dambench_hub.models.Assimilator. Derive it"
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        return f"which does not define {' and '.join(missing)}. Define it"
    if (called := getattr(found, "name", None)) != name:
        return f"which is called {called!r}. Write name = {name!r} in the class"
    return ""


@lru_cache(maxsize=1)
def _search(path: tuple[str, ...]) -> Methods:
    """The entry points of the packages that lie on `sys.path`, of each package the first one."""
    found: dict[str, list[EntryPoint]] = {}
    packages = set()
    for distribution in distributions(path=list(path)):
        try:
            points = distribution.entry_points.select(group=GROUP)
        except Exception:  # a damaged list, of whatever package, must not stop other methods
            continue
        if not points or distribution.name in packages:
            continue
        packages.add(distribution.name)
        for point in points:
            found.setdefault(point.name, []).append(point)
    return found
