"""The index of all calls of a folder: brought up to date, then asked."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from audiosocket_cli.calls_index import columns
from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.folder_scan import FileSeen, FolderSeen, Skipped, scan
from audiosocket_cli.calls_index.index_file import NAME, Tell, is_damage, open_index_file, remake_index_file
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.calls_index.totals import Totals
from audiosocket_cli.errors import FileError

_Answer = TypeVar("_Answer")

_TOGETHER: Final = 4_000
"""Files that are read between two commits: what is read is kept if the rest is not, and nobody waits long."""
_AT_ONCE: Final = 1_000
"""Rows that are held in memory."""
_PROGRESS_S: Final = 2.0
"""How long to read before the first line says how far it is; each further one comes after twice the time."""


@dataclass(slots=True)
class Updated:
    """The result of bringing the index up to date."""

    read: int = 0
    removed: int = 0
    skipped: Skipped = field(default_factory=Skipped)


class CallsIndex:
    """The index of one folder. Usable from one thread at a time; several processes may have the same folder open."""

    def __init__(self, folder: Path, tell: Tell, *, anew: bool = False) -> None:
        """Open the index, or make one. `tell` gets lines on what is not as usual. Raises `FileError` where `folder` is
        not one."""
        if not os.path.isdir(folder):
            what = "it is not a folder" if os.path.lexists(folder) else "there is no such folder"
            raise FileError(f"cannot list calls of {folder}: {what}; name the one of --record")
        self.folder = folder
        self._root = os.fsencode(folder)
        self._tell = tell
        self._database = open_index_file(folder, tell, anew=anew)

    def __enter__(self) -> CallsIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Bringing it up to date.

    def update(self, *, quick: bool = False) -> Updated:
        """Read the JSON files that are new or changed, and forget those that are gone.

        `quick` looks into folders only where names came or went, so a file that was changed in place is not seen: for
        those who ask again and again. Raises `FileError`.
        """
        try:
            return self._update(quick=quick)
        except sqlite3.DatabaseError as error:
            self._remake(error)
        try:
            return self._update(quick=False)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _remake(self, error: sqlite3.Error) -> None:
        self._database.close()
        self._database = remake_index_file(self.folder, self._tell, error)

    def _update(self, *, quick: bool) -> Updated:
        updated, seen = Updated(), set()
        before = [path for (path,) in self._database.execute("SELECT path FROM folders")]
        reading = _Reading(self._database, self._root, updated, self._tell)
        try:
            for folder in scan(self._root, updated.skipped, self._known_folders() if quick else None):
                seen.add(folder.path)
                if folder.files is not None:
                    self._take(folder, reading)
            reading.commit()
        except OSError as error:
            raise FileError(f"cannot list calls of {self.folder}: {(error.strerror or str(error)).lower()}") from None
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        self._forget_folders([path for path in before if path not in seen], updated)
        return updated

    def _known_folders(self) -> Any:
        settled = dict(self._database.execute("SELECT path, mtime_ns FROM folders WHERE settled"))
        inside: dict[bytes, list[bytes]] = {}
        for (path,) in self._database.execute("SELECT path FROM folders WHERE path != x''"):
            parent, name = os.path.split(path)
            inside.setdefault(parent, []).append(name)
        return lambda path, mtime_ns: inside.get(path, ()) if settled.get(path) == mtime_ns else None

    def _take(self, folder: FolderSeen, reading: _Reading) -> None:
        digest, settled = folder.digest(), folder.is_settled
        known = self._database.execute(
            "SELECT mtime_ns, settled, digest FROM folders WHERE path = ?", (folder.path,)
        ).fetchone()
        if known == (folder.mtime_ns, settled, digest):
            return
        if known is None or known[2] != digest:
            reading.take(folder)
        reading.begin()
        if reading.files_of(folder.path) != {file.name: file for file in folder.files or ()}:
            digest, settled = b"", False  # another process has seen the folder later or earlier: look again next time
        self._database.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?)", (folder.path, folder.mtime_ns, settled, digest)
        )

    def _forget_folders(self, gone: Sequence[bytes], updated: Updated) -> None:
        if not gone:
            return
        self._database.execute("BEGIN IMMEDIATE")
        for path in gone:
            updated.removed += self._database.execute("DELETE FROM calls WHERE folder = ?", (path,)).rowcount
            self._database.execute("DELETE FROM folders WHERE path = ?", (path,))
        self._database.execute("COMMIT")

    # Asking.

    def rows(self, wanted: Filter, sort: str = "newest", limit: int | None = None) -> Iterator[Row]:
        """Yield the calls that are wanted, in one of the orders of `SORTS`. Raises `FileError`."""
        where, values = wanted.where()
        order = f"WHERE {where} ORDER BY {SORTS[sort].sql} LIMIT ?"
        values = [*values, -1 if limit is None else limit]
        if limit is not None and limit <= _AT_ONCE:
            yield from map(self._row, list(self._ask(columns.SELECT + order, values)))
            return
        # Read to its end at once: whoever shows the rows may take hours, and a query under way keeps all others from
        # writing.
        for folder, name in list(self._ask(f"SELECT folder, name FROM calls {order}", values)):
            query = f"{columns.SELECT}WHERE {where} AND folder = ? AND name = ?"
            for found in list(self._ask(query, [*values[:-1], folder, name])):
                yield self._row(found)

    def _row(self, found: tuple[Any, ...]) -> Row:
        try:
            return columns.row_from(found, self._root)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def totals(self, wanted: Filter) -> Totals:
        """Return the figures of the calls that are wanted. A damaged index is rebuilt. Raises `FileError`."""
        return self._mended(lambda: self._totals(wanted))

    def _totals(self, wanted: Filter) -> Totals:
        where, values = wanted.where()
        ((calls, duration_s, digits, gaps, turns, slowest_ms, first_at, last_at),) = self._database.execute(
            "SELECT count(*), total(duration_s), total(digits != ''), total(gap_count > 0), count(answers), "
            f"max(latency_max_ms), min(started_at), max(started_at) FROM calls WHERE {where}",
            values,
        )
        query = f"SELECT latency_p50_ms FROM calls WHERE {where} AND latency_p50_ms IS NOT NULL ORDER BY 1"
        latencies_ms = [latency_ms for (latency_ms,) in self._database.execute(query, values)]
        query = f"SELECT finding_ids, count(*) FROM calls WHERE {where} AND finding_ids != '' GROUP BY finding_ids"
        finding_ids = dict(self._database.execute(query, values))
        columns.check_types((slowest_ms, first_at, last_at), ((int,), (str,), (str,)))
        columns.check_types(latencies_ms, [(int,)] * len(latencies_ms))
        columns.check_types(list(finding_ids), [(str,)] * len(finding_ids))
        return Totals(
            calls, duration_s, int(digits), int(gaps), turns, slowest_ms, first_at, last_at, latencies_ms, finding_ids
        )

    def problems(self, limit: int) -> tuple[int, list[tuple[Path, str]]]:
        """Return how many JSON files hold no call that could be read, and of the first ones each with the reason.
        Raises `FileError`."""
        return self._mended(lambda: self._problems(limit))

    def _problems(self, limit: int) -> tuple[int, list[tuple[Path, str]]]:
        ((count,),) = self._database.execute("SELECT count(*) FROM calls WHERE problem IS NOT NULL", ())
        query = "SELECT folder, name, problem FROM calls WHERE problem IS NOT NULL ORDER BY folder, name LIMIT ?"
        found = self._database.execute(query, [limit]).fetchall()
        for each in found:
            columns.check_types(each, ((bytes,), (bytes,), (str,)))
        return count, [(Path(os.fsdecode(os.path.join(self._root, *each[:2]))), each[2]) for each in found]

    def _mended(self, ask: Callable[[], _Answer]) -> _Answer:
        """Return an answer, if need be from a rebuilt index. Raises `FileError`."""
        try:
            return ask()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise self._broken(error) from None
            self._remake(error)
        try:
            self._update(quick=False)
            return ask()
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _ask(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _broken(self, error: sqlite3.Error) -> FileError:
        return FileError(f"cannot read the index {self.folder / NAME}: {error}; rebuild it with --rebuild")


class _Reading:
    """Reads files and puts their rows into the database, some at a time."""

    def __init__(self, database: sqlite3.Connection, root: bytes, updated: Updated, tell: Tell) -> None:
        self._database = database
        self._root = root
        self._updated = updated
        self._tell = tell
        self._pending = 0
        self._tell_at_s = time.monotonic() + _PROGRESS_S
        self._pause_s = _PROGRESS_S

    def take(self, folder: FolderSeen) -> None:
        """Take all files of a folder that changed."""
        known = self.files_of(folder.path)
        for file in folder.files or ():
            if known.pop(file.name, None) != file:
                self._read(folder.path, file)
        self.begin()
        self._database.executemany(
            "DELETE FROM calls WHERE folder = ? AND name = ?", [(folder.path, name) for name in known]
        )
        self._updated.removed += len(known)

    def files_of(self, folder: bytes) -> dict[bytes, FileSeen]:
        """Return the files of a folder that the index has, by their names."""
        query = "SELECT name, inode, mtime_ns, size FROM calls WHERE folder = ?"
        return {found[0]: FileSeen(*found) for found in self._database.execute(query, (folder,))}

    def _read(self, folder: bytes, file: FileSeen) -> None:
        call, problem = read_call(os.path.join(self._root, folder, file.name))
        values = columns.NO_ROW if call is None else columns.values_of(row_of(call))
        self.begin()
        self._database.execute(columns.INSERT, (folder, *file, problem, *values))
        self._updated.read += 1
        self._pending += 1
        if self._pending >= _TOGETHER:
            self.commit()
        if time.monotonic() > self._tell_at_s:
            self._pause_s *= 2
            self._tell_at_s = time.monotonic() + self._pause_s
            self._tell(f"reading the JSON of calls in {os.fsdecode(self._root)}: {self._updated.read:,} so far")

    def begin(self) -> None:
        """Begin a transaction, unless one is under way."""
        if not self._database.in_transaction:
            self._database.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was read so far."""
        self._pending = 0
        if self._database.in_transaction:
            self._database.execute("COMMIT")
