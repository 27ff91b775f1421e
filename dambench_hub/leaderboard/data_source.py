"""Where the data set of a board is to be had, in words and commands that work."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from dambench_hub.data.dataset import Data
from dambench_hub.runtime.files import local_path

HUB = "https://huggingface.co/datasets"


@dataclass(frozen=True)
class DataSource:
    """A data set, by what it is called where the board was started.

    Attributes:
        name: What `--data` was given: the path of a folder, or the id of a data set on the Hub.
        repository: The same if it is an id; empty for a folder.
        commit: Of the repository, as far as it is known.
        command: What builds the data set in a clone of this repository; may be empty.
    """

    name: str
    repository: str = ""
    commit: str = ""
    command: str = ""

    @classmethod
    def of(cls, name: str | Path, data: Data) -> DataSource:
        """The source of a data set that was opened by this name."""
        command = str(data.manifest.source.get("command", ""))
        if local_path(name).exists():
            return cls(str(name), command=command)
        snapshot = data.folder  # …/snapshots/COMMIT in the Hub's cache
        commit = snapshot.name if snapshot.parent.name == "snapshots" else ""
        return cls(str(name), str(name), commit, command)

    @property
    def option(self) -> str:
        """What stands after `--data`, for a shell."""
        return shlex.quote(self.name)

    @property
    def link(self) -> str:
        """Its page on the Hub, at its commit; empty for a folder."""
        at = f"/tree/{self.commit}" if self.commit else ""
        return f"{HUB}/{self.repository}{at}" if self.repository else ""

    @property
    def fetch(self) -> str:
        """One line that fetches it from the Hub, or builds it; empty where nobody knows how."""
        if not self.repository:
            return self.command
        at = f" --revision {self.commit}" if self.commit else ""
        return f"hf download {self.repository} --repo-type dataset{at}"
