"""How jax is set up for the circulation model: one thread on the CPU, compiled programs kept."""

from __future__ import annotations

import os
import warnings
from pathlib import Path


def prepare_jax() -> None:
    """Confine jax to one thread on the CPU, and share compiled programs between processes.

    To be called once in a process, before anything imports jax.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dambench" / "jax"
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "NPROC": "1",  # the size of XLA's thread pool
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    warnings.filterwarnings("ignore", category=FutureWarning, module="jcm")
