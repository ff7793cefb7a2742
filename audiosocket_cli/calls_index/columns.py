"""The columns of the index: the fields of a row, with their types in SQL, and what is kept of each file beside them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from audiosocket_cli.calls_index.row import Row, can_be_a_name
from audiosocket_cli.text import printable

TYPES: Final = {
    "uuid": "TEXT",
    "started_at": "TEXT",
    "duration_s": "REAL",
    "peer": "TEXT",
    "digits": "TEXT",
    "ended_by": "TEXT",
    "ended_how": "TEXT",
    "ended_reason": "TEXT",
    "result": "TEXT",
    "rate_hz": "INTEGER",
    "caller_dbfs": "REAL",
    "server_dbfs": "REAL",
    "gap_count": "INTEGER",
    "gaps_s": "REAL",
    "late_frames": "INTEGER",
    "finding_ids": "TEXT",
    "answers": "INTEGER",
    "latency_p50_ms": "INTEGER",
    "latency_max_ms": "INTEGER",
    "interruptions_by_caller": "INTEGER",
    "interruptions_by_server": "INTEGER",
    "dead_air_s": "REAL",
    "talk_caller_s": "REAL",
    "talk_server_s": "REAL",
    "files": "BLOB",
}
"""The fields of a `Row` but its place. Findings are words with a space around each; names of files are bytes."""

_NAMES: Final = tuple(TYPES)
_FINDING_IDS: Final = _NAMES.index("finding_ids")
_FILES: Final = _NAMES.index("files")
_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "TEXT": (str,), "REAL": (int, float), "INTEGER": (int,), "BLOB": (bytes,),
}  # fmt: skip
_COLUMN_TYPES: Final = [_PYTHON_TYPES[kind] for kind in TYPES.values()]

FORMAT: Final = 1
"""The version of what is in an index file. An index of another version is rebuilt."""

SCHEMA: Final = (
    "CREATE TABLE folders (path BLOB PRIMARY KEY, mtime_ns INTEGER, settled INTEGER, digest BLOB) WITHOUT ROWID",
    "CREATE TABLE calls (folder BLOB, name BLOB, inode INTEGER, mtime_ns INTEGER, size INTEGER, problem TEXT, "
    + ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    + ", PRIMARY KEY (folder, name))",
    "CREATE INDEX calls_started_at ON calls (started_at)",
    "CREATE INDEX calls_problem ON calls (folder, name) WHERE problem IS NOT NULL",
)

INSERT: Final = f"INSERT OR REPLACE INTO calls VALUES ({', '.join('?' * (6 + len(TYPES)))})"

SELECT: Final = f"SELECT folder, name, {', '.join(TYPES)} FROM calls "

NO_ROW: Final = (None,) * len(TYPES)
"""The columns of a file that holds no call."""


def values_of(row: Row) -> tuple[Any, ...]:
    """Return a row's fields, but its place, as the database has them, in the order of `TYPES`."""
    values: list[Any] = [getattr(row, name) for name in _NAMES]
    values[_FINDING_IDS] = f" {' '.join(row.finding_ids)} " if row.finding_ids else ""
    values[_FILES] = b"\0".join(map(os.fsencode, row.files))
    return tuple(values)


def row_from(found: tuple[Any, ...], root: bytes) -> Row:
    """Return the row of what `SELECT` found; `root` is the folder that the index is of.

    An index may be anybody's: raises `sqlite3.DatabaseError` for values that none of ours holds.
    """
    folder, name, *values = found
    check_types(found[:2], [(bytes,)] * 2)
    check_types(values, _COLUMN_TYPES)
    values = [printable(value) if isinstance(value, str) else value for value in values]
    values[_FINDING_IDS] = tuple((values[_FINDING_IDS] or "").split())
    values[_FILES] = tuple(filter(can_be_a_name, map(os.fsdecode, (values[_FILES] or b"").split(b"\0"))))
    place = os.fsdecode(os.path.join(root, folder) if folder else root)
    return Row(name=os.fsdecode(name), folder=place, **dict(zip(_NAMES, values, strict=True)))


def check_types(values: Sequence[Any], kinds: Sequence[tuple[type, ...]]) -> None:
    """Raise `sqlite3.DatabaseError` for a value that is neither None nor of its kinds: SQLite lets anything into any
    column."""
    for value, kind in zip(values, kinds, strict=True):
        if value is not None and not isinstance(value, kind):
            error = sqlite3.DatabaseError("it holds values that are not ours")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # it is damaged, as far as we are concerned
            raise error
