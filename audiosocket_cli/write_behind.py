"""Work on a file that is done behind whoever has something for it, in order, and with a bound on what waits."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Final

MAX_WAITING_BYTES: Final = 16 << 20
"""What one file may have waiting: a quarter of an hour of slin, 40 s of slin192 from both sides. Beyond that the disk
is too slow, and no more is taken."""

_LOOK_AGAIN_S: Final = 0.1

Do = Callable[[Callable[[], object]], object]
"""Does a job that raises nothing, at once or later, after those before it."""


class Behind:
    """What is common to files that are written behind."""

    __slots__ = ("_aborted", "_do", "_error", "_taken_bytes", "_written_bytes")

    def __init__(self, do: Do) -> None:
        self._do = do
        self._taken_bytes = self._written_bytes = 0  # each counted by one thread alone
        self._error: OSError | None = None
        self._aborted = False

    def settle(self) -> bool:
        """Wait until all is done, or (then False) given up. Raises `OSError` for what failed."""
        done = threading.Event()
        self._do(done.set)
        while not done.wait(_LOOK_AGAIN_S):
            if self._aborted:
                return False
        if self._error is not None:
            raise self._error
        return True

    def abort(self) -> None:
        """Let `settle` wait no longer."""
        self._aborted = True

    def _take(self, size: int) -> None:
        """Count bytes that are to be written. Raises `OSError` for what failed before, and when too much waits."""
        if self._error is not None:
            raise self._error
        if (
            self._taken_bytes - self._written_bytes >= MAX_WAITING_BYTES
        ):  # what comes at once, however much, is not a proof
            raise OSError(errno.EBUSY, "the disk is too slow")
        self._taken_bytes += size
