"""The file that holds the index of a place, or memory where there can be no file.

SQLite, because it is there with Python, takes a millisecond to open, and lets several processes read and write one
file (DuckDB lets one process in). Not in WAL mode, which fails on network disks and keeps readers out of a folder that
they cannot write to: what is written is little, in short transactions.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audiosocket_cli.calls_index.columns import FORMAT, SCHEMA
from audiosocket_cli.calls_index.mirrors import add_mirrored
from audiosocket_cli.calls_index.sqlite_file import connect, is_busy, is_damage, make_private

NAME: Final = ".audiosocket-index.sqlite"

_BUSY_S: Final = 60.0
"""How long to wait for another process that brings the index up to date."""
_CACHE_KIB: Final = 32_768
_APPLICATION: Final = 0x41534958
"""Says in the file's header whose it is."""

Tell = Callable[[str], object]


class _NotOursError(Exception):
    """The file with the name of the index is not an index of this version; the text says what it is."""


def open_index_file(path: Path, tell: Tell, *, anew: bool = False) -> sqlite3.Connection:
    """Open the index in a file; make it where there is none, it is of another version, broken, or `anew`.

    `tell` gets a line where that is not possible or not as usual: then the index is in memory, for this time.
    """
    try:
        try:
            connection = _open(path)
        except (_NotOursError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                raise
            tell(f"the index {path} is rebuilt: {error}")
            _remove(path)
            return _open(path)
    except (OSError, sqlite3.Error, _NotOursError) as error:
        return open_in_memory(path, tell, error)
    if anew:
        try:
            empty(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            return remake_index_file(path, tell, error)
    return connection


def remake_index_file(path: Path, tell: Tell, error: sqlite3.Error) -> sqlite3.Connection:
    """Return an empty index instead of one, closed by now, that was found to be damaged in use, or in memory where it
    cannot be used for another reason. `tell` gets a line."""
    if not is_damage(error):
        return open_in_memory(path, tell, error)
    tell(f"the index {path} is rebuilt: {error}")
    try:
        _remove(path)
    except OSError as problem:
        return open_in_memory(path, tell, problem, as_there=False)
    return open_index_file(path, tell)


def open_in_memory(path: Path, tell: Tell, error: Exception, *, as_there: bool = True) -> sqlite3.Connection:
    """Return an index in memory, which begins as the one that can be read, if there is one, or empty. `tell` gets the
    reason."""
    tell(f"cannot keep an index in {path.parent}, so this run makes one in memory: {_reason(error)}")
    return _in_memory(path if as_there else None)


def empty(connection: sqlite3.Connection) -> None:
    """Forget all calls, so that their JSON is read again. The file stays: others may have it open."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM calls")
    connection.execute("DELETE FROM folders")
    connection.execute("COMMIT")


def _remove(path: Path) -> None:
    """Remove an index, and what an interrupted change has left beside it. Raises `OSError`."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    """Open or make the file. Raises `OSError`, `sqlite3.Error`, and `_NotOursError`."""
    make_private(path)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(0, f"{path.name} is not a file")
    if not os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK):
        raise PermissionError(0, "it cannot be written to")
    connection = _connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        _make_or_check(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path | None, *, mode: str = "rw") -> sqlite3.Connection:
    connection = connect(path, busy_s=_BUSY_S, mode=mode)
    connection.execute("PRAGMA journal_mode = TRUNCATE")  # removed, it would change the folder's time with each write
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    add_mirrored(connection)
    return connection


def _make_or_check(connection: sqlite3.Connection) -> None:
    ours = [
        text for (text,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    ]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not ours and not version:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    elif version != FORMAT:
        raise _NotOursError(f"it has format {version}, not {FORMAT}")
    elif ours != list(SCHEMA):
        raise _NotOursError("its tables are not ours")


def _in_memory(path: Path | None) -> sqlite3.Connection:
    """Return an index in memory, which begins as the one that can be read, if there is one."""
    connection = _connect(None)
    with contextlib.suppress(OSError, sqlite3.Error):
        if path is not None and stat.S_ISREG(os.lstat(path).st_mode):
            kept = _connect(path, mode="ro")
            with contextlib.closing(kept):
                kept.backup(connection)
    try:
        _make_or_check(connection)
    except (_NotOursError, sqlite3.DatabaseError):
        connection.close()
        connection = _connect(None)
        _make_or_check(connection)
    return connection


def _reason(error: Exception) -> str:
    if is_busy(error):
        return f"another process has been changing it for {_BUSY_S:.0f} s"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
