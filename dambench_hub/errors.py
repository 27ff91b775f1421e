"""What can go wrong, as one small tree.

    DambenchError               every error a user can mend; its message says how
    ├── GridError               coordinates that are not a grid with poles, north to south
    ├── ChannelError            an unknown or misplaced channel
    ├── DataError               a data set folder, manifest or shard that cannot be used
    ├── BuildError              a builder that refuses to go on
    ├── ForecastError           a forecast model that cannot do what is asked, or broke down
    ├── TaskError               an unknown task, split, method or option
    ├── PredictionError         a prediction file that cannot be read or written
    ├── IsolationError          strangers' files cannot be read safely on this machine
    ├── ScoreError              values that have no score
    └── TrainingError           a training that cannot start, or must not go on

Commands print the message without a traceback and exit with code 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DambenchError(Exception):
    """The input is wrong; the message says what came, what was wanted and what to do."""


class GridError(DambenchError):
    """Coordinates that are not the expected grid."""


class ChannelError(DambenchError):
    """A channel that is unknown, missing or out of order."""


class DataError(DambenchError):
    """A data set that is absent, damaged, incomplete or of another revision."""


class BuildError(DambenchError):
    """A builder that refuses to start or to go on."""


class ForecastError(DambenchError):
    """A forecast model that cannot do what is asked, or whose forecast has broken down."""


class TaskError(DambenchError):
    """An unknown task, split, method or option."""


class PredictionError(DambenchError):
    """A prediction file that cannot be read or written; each line is one problem."""

    @property
    def problems(self) -> list[str]:
        """The lines of the message."""
        return str(self).split("\n")


class IsolationError(DambenchError):
    """Strangers' files cannot be read safely on this machine."""


class ScoreError(DambenchError):
    """Values that have no score."""


class TrainingError(DambenchError):
    """A training that cannot start, or must not go on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an "unknown name" message: the closest known name, or all of them.

    >>> did_you_mean("multimodl", ["unimodal", "multimodal"])
    "Did you mean 'multimodal'?"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known are {', '.join(names)}."
