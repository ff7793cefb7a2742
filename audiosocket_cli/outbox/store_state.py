"""Whether a store takes what is sent: how long to wait when it does not, and one line when that changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from audiosocket_cli.outbox.back_off import FIRST_WAIT_S, wait_after
from audiosocket_cli.stores.store_error import StoreError, StoreFault
from audiosocket_cli.text import counted

_SLOW_WAIT_S: Final = 15.0
"""Where only people can mend it: keys, rights, the bucket."""

_FOR_PEOPLE: Final = (StoreFault.DENIED, StoreFault.NO_BUCKET)


class StoreState:
    """What all threads that send know of the store. While it is away one of them at a time tries."""

    def __init__(
        self,
        name: str,
        waiting: Callable[[], int],
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is what is told of; `waiting` says how many calls wait."""
        self._name = name
        self._waiting = waiting
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._since_s = self._next_s = 0.0
        self._told: StoreFault | None = None
        self.problem: str | None = None
        """Why the store takes nothing now, in one line."""

    def wait_s(self) -> float:
        """Return for how long nothing should be sent; 0 when the store is there, or should be tried."""
        with self._lock:
            return max(self._next_s - self._clock(), 0.0) if self.problem else 0.0

    @property
    def is_away(self) -> bool:
        """Whether the last that was sent failed for all."""
        return self.problem is not None

    def failed(self, error: StoreError) -> float:
        """Take the failure of what was sent; returns for how long to wait.

        A store that is away is told of when it fails again after the first wait: one bad answer is not worth a line.
        """
        line = None
        with self._lock:
            now_s = self._clock()
            if self.problem and now_s < self._next_s:  # others were on their way when the first one failed
                return self._next_s - now_s
            if not self.problem:
                self._since_s = now_s
            self.problem = str(error)
            self._failures += 1
            first_s = _SLOW_WAIT_S if error.fault in _FOR_PEOPLE else FIRST_WAIT_S
            wait_s = wait_after(self._failures, first_s=first_s)
            self._next_s = now_s + wait_s
            is_worth_it = self._failures > 1 or error.fault in _FOR_PEOPLE
            if is_worth_it and self._told is not error.fault:
                self._told = error.fault
                line = f"cannot upload to {self.problem} ({self._left()}; calls go on, trying again)"
        if line:
            self._tell(line)
        return wait_s

    def succeeded(self) -> None:
        """Something was sent, or the store answered in order."""
        if self.problem is None:  # as nearly always: without the lock
            return
        with self._lock:
            was_told, self._told = self._told, None
            away_s = self._clock() - self._since_s
            self.problem = None
            self._failures = 0
        if was_told:
            self._tell(f"{self._name} takes uploads again after {_in_words(away_s)} ({self._left()})")

    def _left(self) -> str:
        return f"{counted(self._waiting(), 'call')} to send"


def _in_words(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
