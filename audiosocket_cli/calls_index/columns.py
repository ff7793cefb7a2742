"""The columns of the index: the fields of a row, with their types in SQL, and what is kept of each file beside them."""

from __future__ import annotations

import os
from typing import Any, Final

from audiosocket_cli.calls_index.row import Row

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

FORMAT: Final = 1
"""The version of what is in an index file. An index of another version is made anew."""

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
    """Return the row of what `SELECT` found; `root` is the folder that the index is of."""
    folder, name, *values = found
    values[_FINDING_IDS] = tuple(values[_FINDING_IDS].split())
    values[_FILES] = tuple(map(os.fsdecode, values[_FILES].split(b"\0"))) if values[_FILES] else ()
    place = os.fsdecode(os.path.join(root, folder) if folder else root)
    return Row(name=os.fsdecode(name), folder=place, **dict(zip(_NAMES, values, strict=True)))
