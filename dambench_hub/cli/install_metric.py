"""Makes `evaluate.load("dambench_metrics")` work from any folder, online and offline."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from dambench_hub.runtime.files import write_atomic

MODULE = files("dambench_hub").joinpath("dambench_metrics", "dambench_metrics.py")


def install_metric() -> Path:
    """Put the module where `evaluate` looks when no folder and no Space has that name.

    That is its module cache, as if the module had been loaded from the Hub before; the newest
    copy there wins, so installing again updates it. `evaluate` says in a warning that it used it.

    Returns:
        The installed file.

    Raises:
        DambenchError: When the cache cannot be written.
    """
    import evaluate.config  # here, because it takes a second

    source = MODULE.read_bytes()
    modules = Path(evaluate.config.HF_MODULES_CACHE)
    package = modules / evaluate.config.MODULE_NAME_FOR_DYNAMIC_MODULES
    metrics = package / "metrics"
    versions = metrics / "evaluate-metric--dambench_metrics"
    # evaluate takes folders with a name of 64 characters for versions.
    version = versions / hashlib.sha256(source).hexdigest()
    for folder in package, metrics, versions, version:
        write_atomic(folder / "__init__.py", "")
    installed = version / MODULE.name
    write_atomic(installed, source)
    return installed
