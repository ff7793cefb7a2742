"""The SQLite file of a spool: opened, made, or refused in one line.

In WAL mode, with a sync of each commit: what is committed survives a power cut. That needs memory which processes
share, so the folder has to be on a disk of this machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import stat
import time
from pathlib import Path
from typing import Final

from audiosocket_cli.calls_index import sqlite_file
from audiosocket_cli.errors import UsageError
from audiosocket_cli.text import printable

NAME: Final = "spool.sqlite"

FORMAT: Final = 1
"""Of the tables below. A spool of another is refused: what waits in it is worth more than a start."""

APPLICATION: Final = 0x4153_5350
"""Says in the file's header whose it is."""

SCHEMA: Final = (
    (
        "CREATE TABLE calls (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, "
        "state TEXT NOT NULL, name TEXT NOT NULL, uuid TEXT, peer TEXT NOT NULL, started_at TEXT NOT NULL, "
        "files TEXT NOT NULL, is_cut INTEGER NOT NULL, has_json INTEGER NOT NULL, bytes INTEGER NOT NULL, "
        "put_at REAL NOT NULL, stem TEXT)"
    ),
    "CREATE INDEX waiting_calls ON calls (id) WHERE state = 'waiting'",
    "CREATE INDEX settled_calls ON calls (put_at) WHERE state <> 'waiting' AND has_json = 1",
    (
        "CREATE TABLE objects (call INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, "
        "version TEXT NOT NULL, PRIMARY KEY (call, name)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, event TEXT NOT NULL, "
        "uuid TEXT, body BLOB NOT NULL, put_at REAL NOT NULL)"
    ),
    "CREATE TABLE live (id INTEGER PRIMARY KEY, process TEXT NOT NULL, uuid TEXT NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX live_calls ON live (process, uuid)",
    "CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)

_BUSY_S: Final = 20.0
"""How long to wait for another process that writes: each does so for milliseconds."""

_BALLAST_BYTES: Final = 2 << 20
"""Room in the file, and in its log, that a new spool takes beforehand: on a full disk what was sent can still be noted,
and then be removed."""

_NETWORK: Final = re.compile(r"(nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|fuse\.(sshfs|s3fs|rclone|glusterfs|juicefs))")
"""File systems that other machines have, too: there the processes of a spool cannot share memory."""

_MIN_FREE_BYTES: Final = 1 << 20

_MOUNTS: Final = Path("/proc/self/mountinfo")


def open_spool_file(folder: Path) -> sqlite3.Connection:
    """Open the spool in a folder; make it where there is none. Raises `UsageError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kind = _network_file_system(folder)
        if kind:
            raise UsageError(_refusal(folder, f"it is on a network disk ({kind}); name a folder on a local disk"))
        path = folder / NAME
        sqlite_file.make_private(path)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise UsageError(_refusal(folder, f"{NAME} in it is not a file; move that away, or name another folder"))
        if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
            raise UsageError(_refusal(folder, "it cannot be written to; name another folder"))
        return _open(path)
    except FileExistsError:
        raise UsageError(_refusal(folder, "it is a file; name a folder")) from None
    except OSError as error:
        raise UsageError(_refusal(folder, f"{(error.strerror or str(error)).lower()}; name another folder")) from None


def noted(folder: Path, name: str) -> str | None:
    """Return what the processes that used a spool have noted, if they have. Raises `UsageError`."""
    with contextlib.closing(open_spool_file(folder)) as connection:
        row = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def connect(folder: Path) -> sqlite3.Connection:
    """Open a further connection to a spool that is open already. Raises `sqlite3.Error`."""
    return _connect(folder / NAME)


def _refusal(folder: Path, why: str) -> str:
    return f"cannot use the spool {printable(str(folder))}: {why} for --spool"


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise UsageError(_refusal(path.parent, _why(error, path.parent))) from None
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise UsageError(
                _refusal(path.parent, "processes cannot share memory there; name a folder on a local disk")
            )
        connection.execute("BEGIN IMMEDIATE")
        is_new = _make_or_check(connection, path)
        connection.execute("COMMIT")
        if is_new:
            _take_ballast(connection)
    except sqlite3.Error as error:
        connection.close()
        raise UsageError(_refusal(path.parent, _why(error, path.parent))) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite_file.connect(path, busy_s=_BUSY_S)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _why(error: sqlite3.Error, folder: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0)
    if sqlite_file.is_damage(error):
        return f"{NAME} in it is not a spool, or is damaged ({error}); move that away, or name another folder"
    if sqlite_file.is_busy(error):
        return f"another process has been changing it for {_BUSY_S:.0f} s; name another folder"
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < _MIN_FREE_BYTES:  # SQLite calls that an I/O error
            return f"its disk is full ({error}); make room on it, or name another folder"
    if code & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN):
        return f"{error}; name a folder on a local disk"
    return f"{error}; name another folder"


def _make_or_check(connection: sqlite3.Connection, path: Path) -> bool:
    """Make the tables in an empty file, or check that they are ours; returns whether they are new."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (whose,) = connection.execute("PRAGMA application_id").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables and not version:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("INSERT INTO notes VALUES ('checkpoint', ?)", (repr(time.time()),))
        return True
    if whose != APPLICATION:
        raise UsageError(_refusal(path.parent, f"{NAME} in it is of another program; name another folder"))
    if version != FORMAT:
        by = "a later version" if version > FORMAT else "another version"
        hint = "send what waits in it with that version, or name another folder"
        raise UsageError(
            _refusal(path.parent, f"it has format {version}, of {by} of audiosocket, not {FORMAT}; {hint}")
        )
    return False


def _take_ballast(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE ballast (bytes BLOB)")
    connection.execute("INSERT INTO ballast VALUES (zeroblob(?))", (_BALLAST_BYTES,))
    connection.execute("COMMIT")
    connection.execute("DROP TABLE ballast")


def _network_file_system(folder: Path) -> str | None:
    """Return the kind of the network file system that a folder is on, if it is on one."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    place = os.path.realpath(folder)
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        if (place == point or place.startswith(f"{point.rstrip('/')}/")) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind if _NETWORK.fullmatch(kind) else None
