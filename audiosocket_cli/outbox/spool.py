"""The spool: what waits on disk for a store and a bus. Many processes put, exactly one at a time delivers.

Put       from any thread, never waits: a thread of the spool commits all that came in a tenth of a second
Deliver   `due_calls` and `due_events` hand out each once; it is then settled (finished, given up, dropped) or postponed
Runs      each process has a file locked for as long as it lives: so the calls of one that died are known
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.outbox.batches import Batches, Sums
from audiosocket_cli.outbox.call_files import CallFiles, PathNames
from audiosocket_cli.outbox.hand_out import HandOut
from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.rows import Rows
from audiosocket_cli.outbox.spool_file import connect, open_spool_file
from audiosocket_cli.outbox.told import Told
from audiosocket_cli.outbox.waiting import LiveCall, SpoolFigures, WaitingCall, WaitingEvent
from audiosocket_cli.text import printable

DEFAULT_NAME: Final = ".audiosocket-spool"
"""The spool's folder in the folder of recordings, unless another is named."""

_HELD_EVENTS: Final = 10_000
"""With so many events held back no new ones are handed out."""


class Spool:
    """A spool's folder, opened by this process."""

    def __init__(
        self, folder: Path, *, max_bytes: float = float("inf"), tell: Callable[[str], object] = lambda line: None
    ) -> None:
        """Open or make it. `max_bytes` bounds what waits: files of calls and events together; `tell` gets a line about
        what is given up for that, and when the disk fails. Raises `UsageError` where it cannot be used."""
        self.folder = folder.absolute()
        self.run = os.urandom(8).hex()
        """Unique for ever: a part of the id of each event that this process puts."""
        connection = open_spool_file(self.folder)
        self._reader = connect(self.folder)
        self._reading = threading.Lock()
        self._names = PathNames(self.folder.parent)
        self._told = Told(tell)
        self._rows = Rows(self._names, max_bytes, self._told)
        self._batches = Batches(connection, f"the spool {printable(str(folder))}", tell)
        self._runs = self.folder / "runs"
        self._runs.mkdir(mode=0o700, exist_ok=True)
        self._run_file = LockFile(self._runs / self.run)
        self._run_file.try_take()
        self._events = 0
        self.unwritten = 0
        """Events that this process could not put: the disk failed for too long."""
        self._calls_out = HandOut()
        self._events_out = HandOut()

    def close(self) -> int:
        """Commit what was put, and close; returns how many changes could not be committed."""
        left = self._batches.close()
        self._told.close()
        with self._reading:
            self._reader.close()
        self._run_file.release(remove=True)
        return left

    # Putting, from any thread.

    def put_call(self, files: CallFiles) -> None:
        """Have the files of a call wait for the store; never waits. The same files again change nothing."""
        self._batches.put(lambda connection, sums: self._rows.add_call(connection, sums, files))

    def put_event(self, event: str, uuid: str | None, body: Mapping[str, Any]) -> None:
        """Have an event wait for the bus; never waits. `body` is the object of `--json`; it must not change any more.

        A call's `call` event makes it known as live, its `ended` ends that.
        """
        event_id, at_s = self._new_id(event, uuid), time.time()

        def add(connection: sqlite3.Connection, sums: Sums) -> None:
            data = json.dumps(body).encode()
            if uuid is not None:
                self._rows.follow(connection, self.run, event, uuid, data)
            self._rows.add_event(connection, sums, (event_id, event, uuid, data, at_s))

        if not self._batches.put(add):
            self.unwritten += 1

    def put_cut(self, files: CallFiles | None, lives: Sequence[LiveCall], body: Mapping[str, Any] | None) -> None:
        """Have a call wait whose process died: its files, if there are any, and its event, where there is a `body`.

        `lives` are its entries among live calls. All of it at once: no restart tells of it again.
        """
        uuid = files.uuid if files is not None else lives[0].uuid
        event = "cut" if body is None else str(body["event"])
        event_id, at_s = self._new_id(event, uuid), time.time()

        def add(connection: sqlite3.Connection, sums: Sums) -> None:
            if files is not None:
                self._rows.add_call(connection, sums, files)
            connection.executemany("DELETE FROM live WHERE id = ?", [(live.id,) for live in lives])
            if body is not None:
                self._rows.add_event(connection, sums, (event_id, event, uuid, json.dumps(body).encode(), at_s))

        if not self._batches.put(add):
            self.unwritten += body is not None

    def _new_id(self, event: str, uuid: str | None) -> str:
        self._events += 1
        return f"{uuid or 'server'}-{event}-{self.run}-{self._events}"

    def sync(self) -> None:
        """Wait until all that was put is on the disk. Raises `OSError` when it cannot be."""
        self._batches.do(lambda connection, sums: None)

    # Delivering calls, from any thread of the one process that does.

    def due_calls(self, most: int) -> list[WaitingCall]:
        """Hand out calls whose files are to be sent now, the oldest first. Each is handed out once, and again when its
        time has come after `postpone_call`."""
        with self._reading:
            due = self._calls_out.take_due(most)
            rows = self._calls(f"id IN ({','.join(map(str, due))})") if due else []
            if len(rows) < most:
                newer = f"id > {self._calls_out.newest} ORDER BY id LIMIT {most - len(rows)}"
                new = self._calls(newer)
                self._calls_out.take_new((call.id, call.id) for call in new)
                rows += new
            return rows

    def _calls(self, which: str) -> list[WaitingCall]:
        found = self._reader.execute(
            "SELECT id, name, uuid, peer, started_at, files, is_cut, stem FROM calls "
            f"WHERE state = 'waiting' AND {which}"
        ).fetchall()
        return [self._waiting_call(row) for row in found]

    def _waiting_call(self, row: tuple[Any, ...]) -> WaitingCall:
        number, name, uuid, peer, started_at, files, is_cut, stem = row
        recordings, own_json, capture = self._names.read(files)
        done = self._reader.execute("SELECT name FROM objects WHERE call = ?", (number,)).fetchall()
        return WaitingCall(
            number,
            CallFiles(name, uuid, peer, started_at, recordings, own_json, capture, bool(is_cut)),
            stem,
            frozenset(name for (name,) in done),
            self._calls_out.attempts(number),
        )

    def note_stem(self, id: int, stem: str) -> None:
        """Keep the stem of a call's objects; on the disk when this returns. Raises `OSError` when that is not possible
        now."""
        self._batches.do(lambda db, sums: db.execute("UPDATE calls SET stem = ? WHERE id = ?", (stem, id)))

    def note_object(self, id: int, name: str, size: int, sha256: str) -> None:
        """Keep that an object of a call is there; on the disk when this returns: its file may be removed then. Raises
        `OSError` when that is not possible now."""
        row = (id, name, size, sha256)
        self._batches.do(lambda db, sums: db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row))

    def finish_call(self, id: int) -> None:
        """All objects of a call are there."""
        self._settle_call(id, "done")

    def give_up_call(self, id: int, reason: str) -> None:
        """A call is not sent: `reason` is told."""
        self._told.line("calls", reason)
        self._settle_call(id, "given-up")

    def _settle_call(self, number: int, state: str) -> None:
        with self._reading:
            self._calls_out.settle(number)
        self._batches.put(lambda connection, sums: self._rows.settle_call(connection, sums, number, state))

    def postpone_call(self, id: int, seconds: float, reason: str) -> None:
        """Hand a call out again after so many seconds; `reason` is told, unless others of its kind just were."""
        if reason:
            self._told.line("calls", reason)
        with self._reading:
            self._calls_out.postpone(id, seconds)

    # Delivering events, likewise.

    def due_events(self, most: int) -> list[WaitingEvent]:
        """Hand out events that are to be sent now, in order. Each is handed out once, and again, with those of its
        call that come after it, when its time has come after `postpone_event`."""
        with self._reading:
            due = self._events_out.take_due(most)
            rows = self._events_where(f"id IN ({','.join(map(str, due))}) ORDER BY id") if due else []
            while len(rows) < most and self._events_out.held < _HELD_EVENTS:
                new = self._events_where(f"id > {self._events_out.newest} ORDER BY id LIMIT {most - len(rows)}")
                if not new:
                    break
                groups = ((event.id, event.uuid) for event in new)
                now = set(self._events_out.take_new(groups))
                rows += [event for event in new if event.id in now]
            return rows

    def _events_where(self, which: str) -> list[WaitingEvent]:
        found = self._reader.execute(f"SELECT id, event_id, event, uuid, body FROM events WHERE {which}")
        return [
            WaitingEvent(number, event_id, event, uuid, body, self._events_out.attempts(number))
            for number, event_id, event, uuid, body in found.fetchall()
        ]

    def finish_events(self, ids: Iterable[int]) -> None:
        """The bus has these events."""
        self._settle_events(tuple(ids), "sent")

    def drop_event(self, id: int, reason: str) -> None:
        """An event is not sent, ever: `reason` is told."""
        self._told.line("events", reason)
        self._settle_events((id,), "dropped")

    def _settle_events(self, numbers: Sequence[int], total: str) -> None:
        with self._reading:
            for number in numbers:
                self._events_out.settle(number)

        def settle(connection: sqlite3.Connection, sums: Sums) -> None:
            for number in numbers:
                self._rows.settle_event(connection, sums, number, total)

        self._batches.put(settle)

    def postpone_event(self, id: int, seconds: float, reason: str) -> None:
        """Hand an event, and those of its call after it, out again after so many seconds; `reason` is told, unless
        others of its kind just were."""
        if reason:
            self._told.line("events", reason)
        with self._reading:
            self._events_out.postpone(id, seconds)

    # Looking.

    def figures(self) -> SpoolFigures:
        """Return how much waits, and what came of all that ever did, of all processes."""
        with self._reading:
            totals = dict(self._reader.execute("SELECT name, value FROM totals"))
            oldest = self._reader.execute(
                "SELECT min(at) FROM (SELECT put_at AS at FROM (SELECT put_at FROM calls WHERE state = 'waiting' "
                "ORDER BY id LIMIT 1) UNION ALL SELECT put_at FROM (SELECT put_at FROM events ORDER BY id LIMIT 1))"
            ).fetchone()[0]
        counts = {name: totals.get(name, 0) for name in SpoolFigures._fields if name != "oldest_at"}
        return SpoolFigures(**counts, oldest_at=oldest)

    def dead_calls(self) -> list[LiveCall]:
        """Return the live calls of processes that are no more."""
        with self._reading:
            rows = self._reader.execute("SELECT id, run, uuid, body FROM live ORDER BY id").fetchall()
        runs = {run: run == self.run or is_locked(self._runs / run) for run in {row[1] for row in rows}}
        return [LiveCall(*row) for row in rows if not runs[row[1]]]
