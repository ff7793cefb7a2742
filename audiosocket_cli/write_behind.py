"""Write-behind for one file: jobs run in order on another thread, with a bounded backlog."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Final

MAX_WAITING_BYTES: Final = 16 << 20
"""The largest backlog of one file, beside its largest piece: a quarter of an hour of slin, 40 s of slin192 from both
sides. Beyond it the disk is too slow, and nothing more is taken."""

_LOOK_AGAIN_S: Final = 0.1

Do = Callable[[Callable[[], object]], object]
"""Runs a job, which raises nothing, now or later, after the jobs before it."""


class WriteBehind:
    """The base of files that another thread writes."""

    __slots__ = ("_aborted", "_do", "_error", "_largest_bytes", "_taken_bytes", "_written_bytes")

    def __init__(self, do: Do) -> None:
        self._do = do
        self._taken_bytes = self._written_bytes = 0  # each counted by one thread alone
        self._largest_bytes = 0
        self._error: OSError | None = None
        self._aborted = False

    def wait_until_written(self) -> bool:
        """Wait until all jobs are done; False if `abort` was called first. Raises the `OSError` of a failed job."""
        done = threading.Event()
        self._do(done.set)
        while not done.wait(_LOOK_AGAIN_S):
            if self._aborted:
                return False
        if self._error is not None:
            raise self._error
        return True

    def abort(self) -> None:
        """Stop `wait_until_written` from waiting."""
        self._aborted = True

    def _take(self, size: int) -> None:
        """Count bytes to be written. Raises the `OSError` of an earlier failure, and one when the backlog is full."""
        if self._error is not None:
            raise self._error
        # A large piece shows a burst, not a slow disk; the disk may need longer for it than until the next piece comes.
        if self._taken_bytes - self._written_bytes - self._largest_bytes >= MAX_WAITING_BYTES:
            raise OSError(errno.EBUSY, "the disk is too slow")
        self._taken_bytes += size
        self._largest_bytes = max(self._largest_bytes, size)
