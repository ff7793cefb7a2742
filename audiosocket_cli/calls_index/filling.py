"""Rows on their way into an index, some at a time: an interrupted fill keeps what it had."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audiosocket_cli.calls_index import columns
from audiosocket_cli.calls_index.call_json import CallJson
from audiosocket_cli.calls_index.folder_scan import FileSeen, Skipped
from audiosocket_cli.calls_index.row import Row, row_of

_TOGETHER: Final = 4_000
"""Files that are read between two commits: what is read is kept if the rest is not, and nobody waits long."""
_PROGRESS_S: Final = 2.0
"""How long to read before the first line says how far it is; each further one comes after twice the time."""


@dataclass(slots=True)
class Updated:
    """The result of bringing an index up to date."""

    read: int = 0
    removed: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    incomplete: list[str] = field(default_factory=list)
    """Why calls may be missing, or be there that are gone: lines."""


class Filling:
    """Puts what was read into the database of an index, and counts it."""

    def __init__(self, database: sqlite3.Connection, name: str, tell: Callable[[str], object]) -> None:
        self.database = database
        self.updated = Updated()
        self._name = name
        self._tell = tell
        self._pending = 0
        self._tell_at_s = time.monotonic() + _PROGRESS_S
        self._pause_s = _PROGRESS_S

    def files_of(self, folder: bytes) -> dict[bytes, FileSeen]:
        """Return the files of a folder that the index has, by their names."""
        query = "SELECT name, inode, mtime_ns, size FROM calls WHERE folder = ?"
        return {found[0]: FileSeen(*found) for found in self.database.execute(query, (folder,))}

    def put(self, folder: bytes, file: FileSeen, read: CallJson) -> None:
        """Put in what was read of a file."""
        self.begin()
        row = None if read.call is None else row_of(read.call)
        self.database.execute(columns.INSERT, values_to_put(folder, file, read.problem, row))
        self._count(1)
        self._pending += 1
        if self._pending >= _TOGETHER:
            self.commit()

    def put_and_keep(self, values: Sequence[tuple[Any, ...]]) -> None:
        """Put in what was read of some files, each as `values_to_put` returns it, in a transaction of its own."""
        self.begin()
        self.database.executemany(columns.INSERT, values)
        self.commit()
        self._count(len(values))

    def _count(self, number: int) -> None:
        self.updated.read += number
        self.progress(f"reading the JSON of calls in {self._name}: {self.updated.read:,} so far")

    def forget(self, gone: Sequence[tuple[bytes, bytes]]) -> None:
        """Take out files, each a folder and a name."""
        self.begin()
        self.database.executemany("DELETE FROM calls WHERE folder = ? AND name = ?", gone)
        self.updated.removed += len(gone)

    def progress(self, line: str) -> None:
        """Say how far it is, if that takes long; seldom."""
        if time.monotonic() > self._tell_at_s:
            self._pause_s *= 2
            self._tell_at_s = time.monotonic() + self._pause_s
            self._tell(line)

    def begin(self) -> None:
        """Begin a transaction, unless one is under way."""
        if not self.database.in_transaction:
            self.database.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was put in so far."""
        self._pending = 0
        if self.database.in_transaction:
            self.database.execute("COMMIT")

    def end(self) -> None:
        """Drop what was not kept."""
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")


def values_to_put(folder: bytes, file: FileSeen, problem: str | None, row: Row | None) -> tuple[Any, ...]:
    """Return the columns of a file, with the row of its call, or a problem."""
    return folder, *file, problem, *(columns.NO_ROW if row is None else columns.values_of(row))
