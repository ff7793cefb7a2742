"""SQLite files of ours: made for their owner alone, opened without trust, and what an error of SQLite says of them.

Who keeps what in one, and what becomes of a file that cannot be used, is elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote


def make_private(path: Path) -> None:
    """Make an empty file where there is none: what is in calls is private, and so is what is kept of them. Raises
    `OSError`."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def connect(path: Path | None, *, busy_s: float, mode: str = "rw") -> sqlite3.Connection:
    """Open a file that is there, or, without a path, an empty database in memory.

    Transactions are begun and ended by hand, from any thread; `busy_s` is how long to wait for another process that
    writes. Raises `sqlite3.Error`.
    """
    name = "file::memory:" if path is None else f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(name, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")  # the file may be anybody's
    return connection


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file is broken, rather than busy, or its disk full."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_busy(error: BaseException) -> bool:
    """Whether an error says that another process has been writing for too long."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room on the disk."""
    return _code(error) == sqlite3.SQLITE_FULL


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
