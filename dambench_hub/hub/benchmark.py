"""`eval.yaml`: what makes a data set a benchmark of the Hub, with leaderboards there.

The Hub (https://huggingface.co/docs/hub/eval-results) collects `.eval_results/` of models, where
each entry names a task of this file; `models/card.py` writes them. It checks the file when it is
sent, and shows the boards of data sets on its own list.
"""

from __future__ import annotations

import yaml

from dambench_hub.models.card import RANKED
from dambench_hub.storage.manifest import Manifest
from dambench_hub.tasks.task import load_task

EVAL = "eval.yaml"


def benchmark(manifest: Manifest, framework: str) -> str:
    """The file, as YAML.

    Args:
        manifest: Of the data set.
        framework: What scores are computed with, by its name in the Hub's list of evaluation
            frameworks; it refuses others.
    """
    tasks = [load_task(name) for name in RANKED]
    content = {
        "name": manifest.source.get("title", manifest.name),
        "description": "Skill of an analysis: share of the background's root mean square error "
        "that is gone, mean over variables, in %; higher is better.",
        "evaluation_framework": framework,
        "tasks": [
            {"id": task.name, "config": task.config, "split": task.split}
            for task in tasks
            if task.config != "multimodal" or manifest.modalities
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
