"""Changes of a spool's file, committed together on a thread of their own: who puts one never waits for a disk."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

BATCH_S: Final = 0.1
"""How long a change waits for others to be committed with. A process that is killed loses what came since."""

MAX_WAITING: Final = 50_000
"""Changes that wait in memory for a disk that is full or fails."""

_TRY_AGAIN_S: Final = 1.0

_OF_A_JOB: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""Errors that do not come of the disk."""


class Sums:
    """What the changes of a batch add to the totals of the spool."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.values = Counter(dict(connection.execute("SELECT name, value FROM totals")))
        """As they are with this batch."""
        self._added: Counter[str] = Counter()

    def add(self, name: str, by: int) -> None:
        """Change a total."""
        self.values[name] += by
        self._added[name] += by

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what was changed."""
        connection.executemany(
            "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, by) for name, by in self._added.items() if by],
        )


Job = Callable[[sqlite3.Connection, Sums], object]
"""Changes the file; nothing else, as it is done again when the disk was full."""


class _Waited:
    """A job that somebody waits for."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.error: OSError | None = None
        self.done = threading.Event()

    def __call__(self, connection: sqlite3.Connection, sums: Sums) -> None:
        self.job(connection, sums)

    def fail(self, why: str) -> None:
        self.error = OSError(0, why)
        self.done.set()


def _nothing(connection: sqlite3.Connection, sums: Sums) -> None:
    """Do nothing, in the place of a job that is not to be done any more."""


class Batches:
    """The thread that commits. It owns the connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        name: str,
        tell: Callable[[str], object],
        on_commit: Callable[[], object] = lambda: None,
    ) -> None:
        """`name` is what is told of; `tell` gets a line when it cannot be written to, and when it can again;
        `on_commit` is called on the thread after each commit, and must not wait."""
        self._connection = connection
        self._name = name
        self._tell = tell
        self._on_commit = on_commit
        self._jobs: deque[Job] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._hurry = threading.Event()
        self._is_closing = False
        self._problem = ""
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Changes that are not committed yet."""
        return len(self._jobs)

    def put(self, job: Job, *, most: int = MAX_WAITING) -> bool:
        """Have a change made soon; never waits. False where so many wait already: it is not made."""
        if len(self._jobs) >= most:
            return False
        self._jobs.append(job)
        if not self._is_woken:
            self._is_woken = True
            self._wake.put(None)
        return True

    def do(self, job: Job) -> None:
        """Make a change, after all that were put, and wait until it is on the disk. Raises `OSError`."""
        waited = _Waited(job)
        self._jobs.append(waited)
        self._hurry.set()
        self._wake.put(None)
        waited.done.wait()
        if waited.error is not None:
            raise waited.error

    def close(self) -> int:
        """Commit what is left, and end; returns how many changes could not be committed."""
        self._is_closing = True
        self._hurry.set()
        self._wake.put(None)
        self._thread.join()
        self._connection.close()
        return len(self._jobs)

    def _work(self) -> None:
        while not (self._is_closing and not self._jobs):
            self._wake.get()
            self._hurry.wait(BATCH_S)
            self._hurry.clear()
            self._is_woken = False
            if self._jobs and not self._commit() and not self._wait_for_the_disk():
                return

    def _wait_for_the_disk(self) -> bool:
        """Try again until all is committed; False when the end came first."""
        while True:
            until_s = time.monotonic() + _TRY_AGAIN_S
            while not self._is_closing and (left_s := until_s - time.monotonic()) > 0:
                self._hurry.wait(left_s)
                self._hurry.clear()
                self._fail_waited()
            if self._commit():
                return True
            if self._is_closing:
                return False

    def _commit(self) -> bool:
        """Commit all jobs that wait now; False where that is not possible, and then they still wait."""
        while (is_committed := self._try_commit()) is None:
            pass
        return is_committed

    def _try_commit(self) -> bool | None:
        """As `_commit`; None where a job cannot be done, which is left out the next time."""
        count, at = len(self._jobs), 0
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            sums = Sums(self._connection)
            for at in range(count):
                self._jobs[at](self._connection, sums)
            sums.write(self._connection)
            self._connection.execute("COMMIT")
        except _OF_A_JOB as error:
            self._leave_out(at, error)
            return None
        except (sqlite3.Error, MemoryError) as error:
            self._roll_back()
            self._fail(error)
            return False
        except Exception as error:
            self._leave_out(at, error)
            return None
        for _ in range(count):
            job = self._jobs.popleft()
            if isinstance(job, _Waited):
                job.done.set()
        self._on_commit()
        if self._problem:
            self._problem = ""
            self._tell(f"{self._name} can be written again")
        return True

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # what is not rolled back makes the next try fail, and that is told
            if self._connection.in_transaction:
                self._connection.rollback()

    def _leave_out(self, at: int, error: Exception) -> None:
        """Give up one job, which cannot be done: a fault of ours, which is not to hold up all others."""
        self._roll_back()
        self._tell(f"internal error in {self._name}: {error!r}")
        job = self._jobs[at]
        self._jobs[at] = _nothing
        if isinstance(job, _Waited):
            job.fail(f"internal error: {error!r}")

    def _fail(self, error: Exception) -> None:
        problem = str(error) or "out of memory"
        if problem != self._problem:
            self._problem = problem
            self._tell(f"cannot write {self._name}: {problem} (calls go on; trying again)")
        self._fail_waited()

    def _fail_waited(self) -> None:
        """Tell those who wait that it is not possible now: they may try again later."""
        for at in range(len(self._jobs)):
            job = self._jobs[at]
            if isinstance(job, _Waited):
                job.fail(f"cannot write {self._name}: {self._problem}")
                self._jobs[at] = _nothing
