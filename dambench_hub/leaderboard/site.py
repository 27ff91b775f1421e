"""What all pages of a leaderboard share: data set, database, private folder, and who may write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import sqlalchemy as sql

from dambench_hub.data.dataset import Data, load_data
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.sign_in import SignIn
from dambench_hub.leaderboard.data_source import DataSource
from dambench_hub.leaderboard.store.results import DEFAULT_STORE, Store
from dambench_hub.leaderboard.submissions.lifecycle import Submissions
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.predictions.validation import MAX_MEMBERS
from dambench_hub.runtime.files import writing
from dambench_hub.scoring import diagnostics
from dambench_hub.tasks.task import Task, load_task, task_names

OWN_MACHINE = Limits(tries_per_day=10_000, scored_per_day=10_000, scored_per_month=100_000)
"""Nobody needs to be kept from using their own machine."""

FOLDER = "board"
"""Where a site keeps its files if nothing else is said."""

ROOM = 1.2
"""A file may be this much larger than the values that its task asks for."""

HEADER_BYTES = 1 << 20
"""What a prediction file may need beside its values."""


@dataclass(frozen=True, eq=False)
class Site:
    """A leaderboard: everything that a page needs, opened once and given to each.

    Attributes:
        data: The data set whose tasks are scored.
        source: Where it is to be had; commands on the pages name it so.
        store: The database of results.
        submissions: What people handed in, in the same database.
        folder: Private: nobody but the server reads it, and no file in it is served.
        limits: How much one person and all together may hand in.
        sign_in: How people prove who they are; nobody can hand in anything where it is closed.
    """

    data: Data
    source: DataSource
    store: Store
    submissions: Submissions
    folder: Path
    limits: Limits = field(default_factory=Limits)
    sign_in: SignIn = field(default_factory=SignIn.closed)

    @classmethod
    def open(
        cls,
        data: str | Path = "dambench",
        store: str = DEFAULT_STORE,
        folder: str | Path = FOLDER,
        *,
        limits: Limits | None = None,
        sign_in: SignIn | None = None,
    ) -> Site:
        """Open the data set and the database; make both database and folder if there are none.

        All paths are made absolute, since a server works in an empty folder.

        Args:
            data: A data set folder, or the id of a Hub data set.
            store: SQLAlchemy URL.
            folder: Where uploads and pictures are kept.
            limits: None for the defaults, which are wide for a developer on their own machine.
            sign_in: None for a board that nobody can write to.

        Raises:
            DambenchError: When one of them cannot be used; the message says which.
        """
        there = Path(data)
        database = Store(absolute_url(store), create=True)
        sign_in = sign_in or SignIn.closed()
        limits = limits or (OWN_MACHINE if sign_in.developer else Limits())
        opened = load_data(there.absolute() if there.exists() else data)
        return cls(
            data=opened,
            source=DataSource.of(data, opened),
            store=database,
            submissions=Submissions(database, limits),
            folder=_private(Path(folder).absolute()),
            limits=limits,
            sign_in=sign_in,
        )

    @property
    def inbox(self) -> Path:
        """Where the files that people handed in lie, under names that the server made."""
        return self.folder / "inbox"

    @property
    def diagnostics(self) -> Path:
        """Where the pictures' data lie, a file for each scored submission."""
        return self.folder / diagnostics.FOLDER

    @property
    def backups(self) -> Path:
        """Where the scorer copies the store to every hour, if it is a file."""
        return self.folder / "backups"

    @property
    def cache(self) -> Path:
        """The one folder whose files Gradio may serve; nothing that people hand in goes there."""
        return self.folder / "cache"

    @cached_property
    def std(self) -> Mapping[str, float]:
        """Standard deviation of each channel, in its units."""
        return dict(zip(self.data.channels, self.data.statistics.std.tolist(), strict=True))

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks that the data set is fit for, by name."""
        tasks = {name: load_task(name) for name in task_names()}
        return {name: task for name, task in tasks.items() if not task.lacking(self.data.manifest)}

    @property
    def largest_upload(self) -> int:
        """Bytes that the largest prediction file of any task may have."""
        return max(map(self.upload_limit, self.tasks), default=0)

    def upload_limit(self, task: Task | str) -> int:
        """Bytes that a prediction file of a task may have, with as many members as are scored."""
        largest = int(ROOM * MAX_MEMBERS * self.value_bytes(task)) + HEADER_BYTES
        return min(self.limits.bytes, largest)

    def value_bytes(self, task: Task | str) -> int:
        """Bytes of the values in a prediction file of a task without members."""
        manifest = self.data.manifest
        times = len(load_task(task).times(manifest))
        return 4 * times * len(manifest.channels) * manifest.grid.size


def absolute_url(url: str) -> str:
    """The URL of a store that names the same database from any working directory."""
    try:
        parsed = sql.make_url(url)
    except sql.exc.ArgumentError:
        return url  # Store says what is wrong with it
    database = parsed.database or ""
    if not parsed.drivername.startswith("sqlite") or database.startswith((":", "file:")):
        return url
    if not database:
        return url  # a database in memory
    return parsed.set(database=os.path.abspath(database)).render_as_string(hide_password=False)


def _private(folder: Path) -> Path:
    """Make a folder, and those in it, that only its owner may enter.

    Raises:
        DambenchError: When it cannot be made, or belongs to somebody else.
    """
    with writing(folder):
        for path in (
            folder,
            *(folder / name for name in ("inbox", diagnostics.FOLDER, "backups", "cache")),
        ):
            path.mkdir(parents=True, exist_ok=True)
            if path.stat().st_uid != os.getuid():
                raise DambenchError(
                    f"{path} belongs to another user. Choose a folder of your own with --folder."
                )
            path.chmod(0o700)
    return folder
