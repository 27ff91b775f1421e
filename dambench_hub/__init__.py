"""DAMBench: a benchmark for deep-learning data assimilation of the atmosphere.

```python
import dambench_hub as db

task = db.load_task("multimodal")
data = db.load_data("dambench")
for batch in data.batches(task, batch_size=4):
    ...
```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
