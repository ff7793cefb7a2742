"""What each change does to the tables of a spool, and to its totals."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Final

from audiosocket_cli.outbox.batches import Sums
from audiosocket_cli.outbox.call_files import CallFiles, PathNames, to_column
from audiosocket_cli.outbox.line_limiter import LineLimiter
from audiosocket_cli.text import printable

_SPOOL_FULL: Final = "the spool is full (--spool-max)"

DROPPED: Final = "dropped"
"""The event that tells how many were dropped."""

EventRow = tuple[str, str, str | None, bytes, float]
"""Its id, its name, the call's UUID, its body and when it was put."""


class SpoolTables:
    """Changes rows, each within a transaction that others begin and commit."""

    def __init__(self, names: PathNames, max_bytes: float, lines: LineLimiter) -> None:
        self._names = names
        self._max_bytes = max_bytes
        self._lines = lines

    def add_call(self, connection: sqlite3.Connection, sums: Sums, files: CallFiles) -> None:
        """Add a call that waits, or that is given up as there is no room. The same files again change nothing."""
        size, version = _looked_at(files)
        if version is None:
            self._lines.tell("call", f"{printable(files.name)} is not uploaded: its files are gone")
            return
        key = to_column(self._names.name(next(files.paths)))
        known = connection.execute("SELECT id, version FROM calls WHERE key = ?", (key,)).fetchone()
        if known is not None:
            if known[1] == version or not os.path.lexists(next(files.paths)):  # put twice, and sent and removed by now
                return
            self._remove(connection, sums, known[0])  # another call has got its name since
        is_full = self._is_full(sums, size)
        connection.execute(
            "INSERT INTO calls (key, version, state, name, uuid, peer, started_at, files, is_cut, has_json, bytes, "
            "put_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (key, version, "given-up" if is_full else "waiting", to_column(files.name), files.uuid,
             to_column(files.peer), to_column(files.started_at), self._names.text(files), files.is_cut,
             files.json is not None, size, time.time()),
        )  # fmt: skip
        if is_full:
            sums.add("given_up", 1)
            self._lines.tell("call", f"{printable(files.name)} is not uploaded, and its files stay: {_SPOOL_FULL}")
        else:
            sums.add("waiting_calls", 1)
            sums.add("waiting_bytes", size)

    def identity(self, files: CallFiles) -> tuple[str | bytes, int | None]:
        """Return what tells a call from all others that had its name: the first file's name, and its time."""
        return to_column(self._names.name(next(files.paths))), _looked_at(files)[1]

    def add_event(self, connection: sqlite3.Connection, sums: Sums, row: EventRow) -> None:
        """Add an event that waits, or drop it as there is no room. There is for the one that tells of others."""
        _, event, _, body, _ = row
        if event != DROPPED and self._is_full(sums, len(body)):
            sums.add("dropped", 1)
            self._lines.tell("event", f"an event ({printable(event)}) is dropped: {_SPOOL_FULL}")
            return
        connection.execute("INSERT INTO events (event_id, event, uuid, body, put_at) VALUES (?, ?, ?, ?, ?)", row)
        sums.add("waiting_events", 1)
        sums.add("event_bytes", len(body))

    def _is_full(self, sums: Sums, size: int) -> bool:
        return sums.values["waiting_bytes"] + sums.values["event_bytes"] + size > self._max_bytes

    @staticmethod
    def follow(connection: sqlite3.Connection, process: str, event: str, uuid: str, body: bytes) -> None:
        """Keep in mind which calls of a process are live, by their events."""
        if event == "call":
            connection.execute("INSERT INTO live (process, uuid, body) VALUES (?, ?, ?)", (process, uuid, body))
        elif event == "ended":
            connection.execute(
                "DELETE FROM live WHERE id = (SELECT id FROM live WHERE process = ? AND uuid = ? ORDER BY id LIMIT 1)",
                (process, uuid),
            )

    @staticmethod
    def settle_call(connection: sqlite3.Connection, sums: Sums, number: int, state: str) -> None:
        """Set a call that waits to `done` or `given-up`."""
        row = connection.execute(
            "UPDATE calls SET state = ?, put_at = ? WHERE id = ? AND state = 'waiting' RETURNING bytes",
            (state, time.time(), number),
        ).fetchone()
        if row is not None:
            sums.add("waiting_calls", -1)
            sums.add("waiting_bytes", -row[0])
            sums.add("uploaded" if state == "done" else "given_up", 1)
            connection.execute("DELETE FROM objects WHERE call = ?", (number,))

    @staticmethod
    def settle_event(connection: sqlite3.Connection, sums: Sums, number: int, total: str) -> None:
        """Remove an event that waits, and count it as `sent` or `dropped`."""
        row = connection.execute("DELETE FROM events WHERE id = ? RETURNING length(body)", (number,)).fetchone()
        if row is not None:
            sums.add("waiting_events", -1)
            sums.add("event_bytes", -row[0])
            sums.add(total, 1)

    @staticmethod
    def _remove(connection: sqlite3.Connection, sums: Sums, number: int) -> None:
        state, size = connection.execute("SELECT state, bytes FROM calls WHERE id = ?", (number,)).fetchone()
        if state == "waiting":
            sums.add("waiting_calls", -1)
            sums.add("waiting_bytes", -size)
        connection.execute("DELETE FROM calls WHERE id = ?", (number,))
        connection.execute("DELETE FROM objects WHERE call = ?", (number,))

    @staticmethod
    def prune(connection: sqlite3.Connection, checkpoint: float) -> None:
        """Move the checkpoint, before which all calls are settled, and forget those that were settled before it.

        Calls without JSON are kept: their files look as if they were cut, for as long as they are there.
        """
        connection.execute(
            "INSERT INTO notes VALUES ('checkpoint', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (repr(checkpoint),),
        )
        connection.execute("DELETE FROM calls WHERE state <> 'waiting' AND put_at < ? AND has_json = 1", (checkpoint,))


def _looked_at(files: CallFiles) -> tuple[int, int | None]:
    """Return the size of a call's files, and when the first that is there was changed last, in nanoseconds."""
    size, version = 0, None
    for path in files.paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        size += status.st_size
        version = status.st_mtime_ns if version is None else version
    return size, version
