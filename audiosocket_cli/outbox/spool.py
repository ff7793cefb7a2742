"""The spool: what waits on disk for a store and a bus. Many processes put, exactly one at a time delivers.

Put       from any thread, never waits: a thread of the spool commits all that came in a tenth of a second
Deliver   `due_calls` and `due_events` hand out each once; it is then settled (finished, given up, dropped) or postponed
Processes have a file each, locked for as long as they live: so the calls of one that died are known
"""

from __future__ import annotations

import errno
import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.outbox.batches import MAX_WAITING, Batches, Job, Sums
from audiosocket_cli.outbox.call_files import CallFiles, PathNames, from_column, to_column
from audiosocket_cli.outbox.hand_out import HandOut
from audiosocket_cli.outbox.line_limiter import LineLimiter
from audiosocket_cli.outbox.news import News
from audiosocket_cli.outbox.processes import SpoolProcesses
from audiosocket_cli.outbox.spool_file import connect, open_spool_file
from audiosocket_cli.outbox.spool_tables import SpoolTables
from audiosocket_cli.outbox.waiting import LiveCall, SpoolFigures, WaitingCall, WaitingEvent
from audiosocket_cli.text import printable

DEFAULT_NAME: Final = ".audiosocket-spool"
"""The spool's folder in the folder of recordings, unless another is named."""

_HELD_EVENTS: Final = 10_000
"""With so many events held back no new ones are handed out."""


_OLDEST: Final = (
    "SELECT min(at) FROM ("
    "SELECT put_at AS at FROM (SELECT put_at FROM calls WHERE state = 'waiting' ORDER BY id LIMIT 1) "
    "UNION ALL SELECT put_at FROM (SELECT put_at FROM events ORDER BY id LIMIT 1))"
)
"""When the oldest of all that waits was put."""


class Spool:
    """A spool's folder, opened by this process."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: float = math.inf,
        tell: Callable[[str], object] = lambda line: None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Open or make it. `max_bytes` bounds what waits: files of calls and events together; `tell` gets a line about
        what is given up for that, and when the disk fails; `about` says for what it is used, as in `SpoolProcess`.
        Raises `UsageError` where it cannot be used."""
        self.folder = folder.absolute()
        connection = open_spool_file(self.folder)
        try:
            self.processes = SpoolProcesses(self.folder / "processes", about or {})
        except OSError as error:
            connection.close()
            why = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot use the spool {printable(str(folder))}: {why}; name another --spool") from None
        self._reader = connect(self.folder)
        self._reading = threading.Lock()
        self._names = PathNames(self.folder.parent)
        self._lines = LineLimiter(tell)
        self._tables = SpoolTables(self._names, max_bytes, self._lines)
        self.news = News(lambda: self.processes.are_alone)
        self._batches = Batches(connection, f"the spool {printable(str(folder))}", tell, self.news.tell)
        self._events = 0
        self.unwritten = 0
        """Events and calls that this process could not put: the disk failed for too long."""
        self._calls_out = HandOut()
        self._events_out = HandOut()
        self._figures: SpoolFigures | None = None
        self._versions: dict[str, int] = {}
        self._has_more: dict[str, bool] = {}

    def close(self) -> int:
        """Commit what was put, and close; returns how many changes could not be committed."""
        left = self._batches.close()
        self._lines.close()
        with self._reading:
            is_over = (
                self._reader.execute("SELECT 1 FROM live WHERE process = ?", (self.processes.own,)).fetchone() is None
            )
            self._reader.close()
        self.processes.close(is_over=is_over and not left and not self.unwritten)
        return left

    # Putting, from any thread.

    def put_call(self, files: CallFiles) -> None:
        """Have the files of a call wait for the store; never waits. The same files again change nothing."""

        def add(connection: sqlite3.Connection, sums: Sums) -> None:
            self._tables.add_call(connection, sums, files)
            self.news.put("calls")

        if not self._batches.put(add, most=2 * MAX_WAITING):  # of events each call has many
            self.unwritten += 1

    def put_event(self, event: str, uuid: str | None, body: Mapping[str, Any]) -> None:
        """Have an event wait for the bus; never waits. `body` is the object of `--json`; it must not change any more.

        A call's `call` event makes it known as live, its `ended` ends that.
        """
        event_id, at_s = self._new_id(event, uuid), time.time()

        def add(connection: sqlite3.Connection, sums: Sums) -> None:
            data = json.dumps(body).encode()
            if uuid is not None:
                self._tables.follow(connection, self.processes.own, event, uuid, data)
            self._tables.add_event(connection, sums, (event_id, event, uuid, data, at_s))
            self.news.put("events")

        if not self._batches.put(add):
            self.unwritten += 1

    def put_cut(self, files: CallFiles | None, lives: Sequence[LiveCall], *bodies: Mapping[str, Any]) -> None:
        """Have a call wait whose process died: its files, if there are any, and the `bodies` of its events.

        `lives` are its entries among live calls. All of it at once: no restart tells of it again.
        """
        uuid, at_s = files.uuid if files is not None else lives[0].uuid, time.time()
        events = [(str(body["event"]), json.dumps(body).encode()) for body in bodies]
        rows = [(self._new_id(event, uuid), event, uuid, data, at_s) for event, data in events]

        def add(connection: sqlite3.Connection, sums: Sums) -> None:
            if files is not None:
                self._tables.add_call(connection, sums, files)
            connection.executemany("DELETE FROM live WHERE id = ?", [(live.id,) for live in lives])
            for row in rows:
                self._tables.add_event(connection, sums, row)

        if not self._batches.put(add):
            self.unwritten += len(rows)

    def _new_id(self, event: str, uuid: str | None) -> str:
        self._events += 1
        return f"{uuid or 'server'}-{event}-{self.processes.own}-{self._events}"

    def sync(self) -> None:
        """Wait until all that was put is on the disk. Raises `OSError` when it cannot be."""
        self._batches.do(lambda connection, sums: None)

    # Delivering calls, from any thread of the one process that does.

    def direct_calls(self, url: str) -> tuple[str | None, int]:
        """Note where calls are sent from now on. Returns where those were to be sent that wait, if that was elsewhere,
        and their number: what was noted of their objects is forgotten. Raises `OSError`."""
        with self._reading:
            before = self._reader.execute("SELECT value FROM notes WHERE name = 'upload'").fetchone()

        def direct(connection: sqlite3.Connection, sums: Sums) -> None:
            connection.execute("INSERT OR REPLACE INTO notes VALUES ('upload', ?)", (url,))
            if before is not None and before[0] != url:
                connection.execute("UPDATE calls SET stem = NULL WHERE state = 'waiting'")
                connection.execute("DELETE FROM objects")
                connection.execute("DELETE FROM calls WHERE state = 'done'")

        self._batches.do(direct)
        is_elsewhere = before is not None and before[0] != url
        return (before[0] if is_elsewhere else None), self.figures().waiting_calls

    def due_calls(self, most: int) -> list[WaitingCall]:
        """Hand out calls whose files are to be sent now, the oldest first. Each is handed out once, and again when its
        time has come after `postpone_call`."""
        with self._reading:
            due = self._calls_out.take_due(most)
            if not due and not self._has_changed("calls"):
                return []
            rows = self._calls(f"id IN ({','.join(map(str, due))})") if due else []
            for gone in set(due) - {call.id for call in rows}:  # another call has got its name
                self._calls_out.settle(gone)
            if len(rows) < most:
                newer = f"id > {self._calls_out.newest} ORDER BY id LIMIT {most - len(rows)}"
                new = self._calls(newer)
                self._calls_out.take_new((call.id, call.id) for call in new)
                rows += new
            self._has_more["calls"] = len(rows) >= most
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
        done = self._reader.execute("SELECT name, version FROM objects WHERE call = ?", (number,)).fetchall()
        return WaitingCall(
            number,
            CallFiles(
                from_column(name),
                uuid,
                from_column(peer),
                from_column(started_at),
                recordings,
                own_json,
                capture,
                bool(is_cut),
            ),
            stem,
            dict(done),
            self._calls_out.attempts(number),
        )

    def note_stem(self, id: int, stem: str) -> None:
        """Keep the stem of a call's objects; never waits. Raises `OSError` when that is not possible now."""
        self._note(lambda db, sums: db.execute("UPDATE calls SET stem = ? WHERE id = ?", (stem, id)))

    def note_object(self, id: int, name: str, size: int, version: str) -> None:
        """Keep that an object of a call is there; never waits. Raises `OSError` when that is not possible now."""
        row = (id, name, size, version)
        self._note(lambda db, sums: db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row))

    def _note(self, job: Job) -> None:
        if not self._batches.put(job):
            raise OSError(errno.EBUSY, f"too much waits to be written to the spool {printable(str(self.folder))}")

    def finish_call(self, id: int) -> None:
        """All objects of a call are there."""
        self._settle_call(id, "done")

    def give_up_call(self, id: int, reason: str) -> None:
        """A call is not sent: `reason` is told."""
        self._lines.tell("call", reason)
        self._settle_call(id, "given-up")

    def _settle_call(self, number: int, state: str) -> None:
        with self._reading:
            self._calls_out.settle(number)
        self._batches.put(lambda connection, sums: self._tables.settle_call(connection, sums, number, state))

    def postpone_call(self, id: int, seconds: float, reason: str) -> None:
        """Hand a call out again after so many seconds; `reason` is told, unless others of its kind just were."""
        if reason:
            self._lines.tell("call", reason)
        with self._reading:
            self._calls_out.postpone(id, seconds)

    @property
    def calls_out(self) -> int:
        """How many calls are handed out, and neither settled nor postponed."""
        with self._reading:
            return self._calls_out.out

    def take_back_calls(self) -> None:
        """Have all calls that wait handed out again: what delivered them has ended."""
        with self._reading:
            self._calls_out.take_back()
            self._versions.clear()

    # Delivering events, likewise.

    def due_events(self, most: int) -> list[WaitingEvent]:
        """Hand out events that are to be sent now, in order. Each is handed out once, and again, with those of its
        call that come after it, when its time has come after `postpone_event`."""
        with self._reading:
            due = self._events_out.take_due(most)
            if not due and not self._has_changed("events"):
                return []
            rows = self._events_where(f"id IN ({','.join(map(str, due))}) ORDER BY id") if due else []
            while len(rows) < most and self._events_out.held < _HELD_EVENTS:
                new = self._events_where(f"id > {self._events_out.newest} ORDER BY id LIMIT {most - len(rows)}")
                if not new:
                    break
                groups = ((event.id, event.uuid or event.id) for event in new)
                now = set(self._events_out.take_new(groups))
                rows += [event for event in new if event.id in now]
            self._has_more["events"] = len(rows) >= most or self._events_out.held >= _HELD_EVENTS
            return rows

    def _has_changed(self, what: str) -> bool:
        """Whether there may be more to hand out than when it was last asked for. It is cheap: this is asked often."""
        version = self._reader.execute("PRAGMA data_version").fetchone()[0]
        if version == self._versions.get(what) and not self._has_more.get(what):
            return False
        self._versions[what] = version
        return True

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
        self._lines.tell("event", reason)
        self._settle_events((id,), "dropped")

    def take_dropped(self) -> int:
        """Return how many events were dropped, by all processes, since this returned a number last. Raises `OSError`
        when that cannot be noted now."""
        with self._reading:
            totals = dict(self._reader.execute("SELECT name, value FROM totals WHERE name LIKE 'dropped%'"))
        count: int = totals.get("dropped", 0) - totals.get("dropped_told", 0)
        if count:
            self._batches.do(lambda connection, sums: sums.add("dropped_told", count))
        return count

    def _settle_events(self, numbers: Sequence[int], total: str) -> None:
        with self._reading:
            for number in numbers:
                self._events_out.settle(number)

        def settle(connection: sqlite3.Connection, sums: Sums) -> None:
            for number in numbers:
                self._tables.settle_event(connection, sums, number, total)

        self._batches.put(settle)

    def postpone_event(self, id: int, seconds: float, reason: str) -> None:
        """Hand an event, and those of its call after it, out again after so many seconds; `reason` is told, unless
        others of its kind just were."""
        if reason:
            self._lines.tell("event", reason)
        with self._reading:
            self._events_out.postpone(id, seconds)

    def take_back_events(self) -> None:
        """Have all events that wait handed out again: what delivered them has ended."""
        with self._reading:
            self._events_out.take_back()
            self._versions.clear()

    # Looking.

    def figures(self) -> SpoolFigures:
        """Return how much waits, and what came of all that ever did, of all processes."""
        with self._reading:
            if not self._has_changed("figures") and self._figures is not None:
                return self._figures
            totals = dict(self._reader.execute("SELECT name, value FROM totals"))
            oldest = self._reader.execute(_OLDEST).fetchone()[0]
        counts = {name: totals.get(name, 0) for name in SpoolFigures._fields if name != "oldest_at"}
        self._figures = SpoolFigures(**counts, oldest_at=oldest)
        return self._figures

    def note_pattern(self, pattern: str) -> None:
        """Note a pattern of recordings' names that are uploaded."""
        self._batches.put(
            lambda connection, sums: connection.execute(
                "INSERT OR REPLACE INTO notes VALUES (?, ?)", (f"record {printable(pattern)}", to_column(pattern))
            )
        )

    def patterns(self) -> set[str]:
        """Return the patterns of recordings' names that were ever noted."""
        with self._reading:
            rows = self._reader.execute("SELECT value FROM notes WHERE name LIKE 'record %'").fetchall()
        return {from_column(pattern) for (pattern,) in rows}

    def forget_given_up(self) -> None:
        """Forget calls that were given up: they may be put again. Raises `OSError`."""
        self._batches.do(lambda db, sums: db.execute("DELETE FROM calls WHERE state = 'given-up'"))

    @property
    def checkpoint(self) -> float:
        """The time, in seconds since 1970, before which all calls that ended are settled, or wait here."""
        with self._reading:
            row = self._reader.execute("SELECT value FROM notes WHERE name = 'checkpoint'").fetchone()
        return 0.0 if row is None else float(row[0])

    def is_known(self, files: CallFiles) -> bool:
        """Whether a call was put, by the name of its first file and the time of that."""
        key, version = self._tables.identity(files)
        with self._reading:
            row = self._reader.execute("SELECT version FROM calls WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] == version

    def prune(self, checkpoint: float) -> None:
        """Move the checkpoint, and forget calls that were settled before it."""
        self._batches.put(lambda connection, sums: self._tables.prune(connection, checkpoint))

    def dead_calls(self) -> list[LiveCall]:
        """Return the live calls of processes that have ended."""
        with self._reading:
            rows = self._reader.execute("SELECT id, process, uuid, body FROM live ORDER BY id").fetchall()
        dead = {process: self.processes.is_dead(process) for process in {row[1] for row in rows}}
        return [LiveCall(*row) for row in rows if dead[row[1]]]
