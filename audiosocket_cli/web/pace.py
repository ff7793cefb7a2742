"""How much time pages may take: their thread shares one interpreter with the calls, which must not wait for it.

While the thread has used more than its share, new connections and requests wait a little. What goes on already, events
and sound, does not: it is bounded by how many there may be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

SHARE: Final = 0.25
"""Of one core. Our own choice: 250 pages or lists a second."""

_AT_ONCE_S: Final = 0.1
"""CPU that may be used at once, before anything waits."""

_MAX_WAIT_S: Final = 0.5
"""The longest wait: also while events and sound alone use more than the share, a call can be hung up."""


class Pace:
    """Holds those who ask to a share of the time. For one thread."""

    def __init__(
        self, share: float = SHARE, clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:  # fmt: skip
        """`used` returns the CPU seconds that the thread has used."""
        self._share = share
        self._clock = clock
        self._used = used
        self._last: tuple[float, float] | None = None
        """When somebody asked last, and what was used then."""
        self._owed_s = 0.0

    async def turn(self) -> None:
        """Wait until there is time for one more."""
        wait_s = self.wait_s()
        if wait_s:
            await asyncio.sleep(wait_s)

    def wait_s(self) -> float:
        """Return how long one more has to wait; 0.0: not at all."""
        now_s, used_s = self._clock(), self._used()
        last_s, last_used_s = self._last or (now_s, used_s)
        self._last = now_s, used_s
        owed_s = self._owed_s + (used_s - last_used_s) - self._share * (now_s - last_s)
        self._owed_s = min(max(owed_s, 0.0), _AT_ONCE_S + _MAX_WAIT_S)
        return min(max(0.0, self._owed_s - _AT_ONCE_S) / self._share, _MAX_WAIT_S)
