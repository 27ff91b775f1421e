"""DAMBench: a benchmark for deep-learning data assimilation of the atmosphere.

```python
import dambench_hub as db

task = db.load_task("multimodal")
data = db.load_data("dambench")
for batch in data.batches(task, batch_size=4):
    ...
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dambench_hub.version import __version__ as __version__

if TYPE_CHECKING:
    from dambench_hub.batch import Analysis, Batch
    from dambench_hub.data import Data, load_data
    from dambench_hub.errors import DambenchError
    from dambench_hub.predictions import write_predictions
    from dambench_hub.sampling import sample_order
    from dambench_hub.scoring import score
    from dambench_hub.tasks.task import Task, load_task, task_names
    from dambench_hub.validation import validate

_MODULES = {
    "Analysis": "batch",
    "Batch": "batch",
    "DambenchError": "errors",
    "Data": "data",
    "Task": "tasks",
    "load_data": "data",
    "load_task": "tasks",
    "sample_order": "sampling",
    "score": "scoring",
    "task_names": "tasks",
    "validate": "validation",
    "write_predictions": "predictions",
}

__all__ = [
    "Analysis",
    "Batch",
    "DambenchError",
    "Data",
    "Task",
    "load_data",
    "load_task",
    "sample_order",
    "score",
    "task_names",
    "validate",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `dambench --help` is quick."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
