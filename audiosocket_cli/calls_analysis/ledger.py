"""What was measured: which call, in which version of its files, and in which day's part its row is.

An SQLite file in the folder of the parts. A row waits here from the moment it is measured until its day's part is
written, so whatever ends a run, the next one goes on. What is written into parts is repeated after a crash between a
part and this file, and gives the same parts.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from audiosocket_cli.calls_analysis.columns import COLUMNS, DATE, FORMAT, Row
from audiosocket_cli.calls_analysis.ledger_tables import (
    ALL_WAITING,
    GONE,
    MIRRORS,
    SCHEMA,
    TEMPORARY,
    TO_MEASURE,
    WAITING_DAYS,
    WAITING_IN,
)
from audiosocket_cli.calls_analysis.listed_call import ListedCall, ListedFile, utf8
from audiosocket_cli.calls_index.mirrors import add_mirrored
from audiosocket_cli.calls_index.sqlite_file import connect, is_full, make_private
from audiosocket_cli.disk import make_folder
from audiosocket_cli.errors import OutputError, UsageError
from audiosocket_cli.text import printable

NAME: Final = ".audiosocket-analysis.sqlite"
_LOCK: Final = ".audiosocket-analysis.lock"
_OURS: Final = (NAME, _LOCK, f"{NAME}-journal")

_COMMIT_S: Final = 1.0
"""What a power cut may take: so much is measured again."""
_PAGE: Final = 200
_BUSY_S: Final = 5.0


class Ledger:
    """The ledger of one folder, open for one process at a time."""

    def __init__(self, out: Path) -> None:
        """Open it, or make it and the folder. Raises `UsageError` where the folder is used by another process, or has
        something else in it, and `OutputError`."""
        try:
            make_folder(out)
            if not (out / NAME).exists() and set(os.listdir(out)) - set(_OURS):
                raise UsageError(f"cannot write to {out}: it holds something else; name a new folder")
            self._lock = os.open(out / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"cannot write to {out}: {(error.strerror or str(error)).lower()}") from None
        try:
            self._take_lock(out)
            self._path = out / NAME
            make_private(self._path)
            self._database = connect(self._path, busy_s=_BUSY_S)
            add_mirrored(self._database)
            self._begin_schema()
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, sqlite3.Error | OSError):
                raise _unusable(out / NAME, error) from None
            raise
        self._pending = False
        self._commit_at_s = 0.0

    def _take_lock(self, out: Path) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process writes to {out}: wait for it, or name another folder") from None

    def _begin_schema(self) -> None:
        for statement in SCHEMA:
            self._database.execute(statement)
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise UsageError(f"cannot write to {self._path.parent}: its rows are of another version; name a new folder")
        self._database.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in TEMPORARY:
            self._database.execute(statement)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        try:
            self.commit()
        finally:
            self._database.close()
            os.close(self._lock)
        if isinstance(error, sqlite3.Error):  # as where a page of it is damaged, or its disk is full
            raise _unusable(self._path, error) from None

    def forget_all(self) -> None:
        """Have all calls measured again; their rows stay until they are replaced."""
        self._database.execute("UPDATE calls SET version = ''")
        self._database.execute("DELETE FROM waiting")

    def forget_days(self, gone: Iterable[str]) -> None:
        """Forget the calls of days whose parts are gone."""
        self._database.executemany("DELETE FROM calls WHERE date = ?", [(date,) for date in gone])

    def days(self) -> list[str]:
        """Return the days that have a part."""
        return [date for (date,) in self._database.execute("SELECT DISTINCT date FROM calls WHERE date IS NOT NULL")]

    # What there is to do.

    def take_files(self, source: str, files: Iterable[tuple[str, str, ListedFile]]) -> None:
        """Take all files of calls that are in a source, in any order."""
        self._database.execute("BEGIN")
        self._database.execute("INSERT INTO sources VALUES (?)", (os.fsencode(source),))
        self._database.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
            ((os.fsencode(folder), os.fsencode(call), os.fsencode(file.name), *file[1:])
             for folder, call, file in files),
        )  # fmt: skip
        self._database.execute(MIRRORS)
        self._database.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", self._versions())
        self._database.execute("COMMIT")

    def _versions(self) -> Iterator[tuple[bytes, bytes, str]]:
        for call in self._calls("SELECT * FROM files ORDER BY folder, call, name", ()):
            yield os.fsencode(call.folder), os.fsencode(call.call), utf8(call.version)

    def _calls(self, query: str, values: Iterable[Any]) -> Iterator[ListedCall]:
        key: tuple[bytes, bytes] | None = None
        files: list[ListedFile] = []
        for folder, call, name, *rest in self._database.execute(query, tuple(values)):
            if key != (folder, call):
                if key is not None:
                    yield ListedCall(os.fsdecode(key[0]), os.fsdecode(key[1]), tuple(files))
                key, files = (folder, call), []
            files.append(ListedFile(os.fsdecode(name), *rest))
        if key is not None:
            yield ListedCall(os.fsdecode(key[0]), os.fsdecode(key[1]), tuple(files))

    def counts(self) -> tuple[int, int]:
        """Return how many calls are listed, and how many of those have to be measured."""
        ((listed,),) = self._database.execute("SELECT count(*) FROM listed")
        ((to_measure,),) = self._database.execute(f"SELECT count(*) FROM ({TO_MEASURE})")
        return listed, to_measure

    def to_measure(self) -> Iterator[ListedCall]:
        """Yield the calls that were never measured, or have other files now. Calls may be noted meanwhile."""
        after = (b"", b"")
        while True:
            query = (
                f"SELECT folder, call FROM ({TO_MEASURE}) WHERE (folder, call) > (?, ?) ORDER BY folder, call LIMIT ?"
            )
            page = self._database.execute(query, (*after, _PAGE)).fetchall()
            if not page:
                return
            for key in page:
                yield from self._calls("SELECT * FROM files WHERE folder = ? AND call = ? ORDER BY name", key)
            after = page[-1]

    def gone(self) -> int:
        """Return how many calls have a row, and no files any more in the folders that were listed."""
        ((count,),) = self._database.execute(GONE)
        return int(count)

    # What was done.

    def note(self, call: ListedCall, row: Row | None) -> None:
        """Keep the row of a call, or that it has none. It is on the disk a second later."""
        if not self._pending:
            self._database.execute("BEGIN")
            self._pending, self._commit_at_s = True, time.monotonic() + _COMMIT_S
        text = None if row is None else json.dumps({name: row[name] for name in COLUMNS}, separators=(",", ":"))
        self._database.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)",
            (os.fsencode(call.folder), os.fsencode(call.call), utf8(call.version), row and row[DATE], text),
        )
        if time.monotonic() >= self._commit_at_s:
            self.commit()

    def commit(self) -> None:
        """Put all that was noted on the disk. Raises `OutputError`."""
        if self._pending:
            self._pending = False
            try:
                if self._database.in_transaction:  # a full disk has ended it, and was told
                    self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise _unusable(self._path, error) from None

    def waiting(self) -> int:
        """Return how many calls wait for their parts."""
        ((count,),) = self._database.execute("SELECT count(*) FROM waiting")
        return int(count)

    def waiting_days(self) -> list[str]:
        """Return the days whose parts change by what waits."""
        return [date for (date,) in self._database.execute(WAITING_DAYS)]

    def waiting_keys(self, date: str) -> Iterator[str]:
        """Yield the keys of what waits, as JSON, whose rows in a day's part, if there are any, are old."""
        for folder, call in self._database.execute(WAITING_IN, (date, date)):
            yield json.dumps({"folder": utf8(os.fsdecode(folder)), "call": utf8(os.fsdecode(call))})

    def waiting_rows(self, date: str) -> Iterator[str]:
        """Yield the rows of a day that wait, as JSON."""
        for (text,) in self._database.execute("SELECT row FROM waiting WHERE date = ?", (date,)):
            yield text

    def settle(self) -> None:
        """Note that all that waits is in its parts. Raises `OutputError`."""
        try:
            self._database.execute("BEGIN")
            self._database.execute(ALL_WAITING)
            self._database.execute("DELETE FROM waiting")
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from None


def _unusable(path: Path, error: Exception) -> OutputError:
    reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
    if is_full(error):  # what was measured is worth keeping
        return OutputError(f"cannot write {path}: {printable(reason)}; make room, and the same command goes on")
    return OutputError(f"cannot use {path}: {printable(reason)}; remove its folder to begin anew, or name another one")
