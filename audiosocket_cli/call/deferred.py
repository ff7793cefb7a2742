"""Work without a deadline, after all that is due: many steps together, which is cheaper, but for half a millisecond at
most before others have their turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_S: Final = 0.0005
"""How many seconds deferred work may take before what has arrived meanwhile is heard. One flush takes a third of it."""


class Deferred:
    """Steps that can wait, in order."""

    __slots__ = ("_loop", "_steps")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._steps: deque[Callable[[], object]] = deque()

    def add(self, step: Callable[[], object]) -> None:
        """Run a step after all that is due, so that it makes no frame late. It is not to raise anything."""
        if not self._steps:
            self._loop.call_soon(self._run)
        self._steps.append(step)

    def _run(self) -> None:
        until_s = time.monotonic() + TURN_S
        while self._steps:
            self._steps[0]()
            self._steps.popleft()
            if time.monotonic() >= until_s:
                break
        if self._steps:
            self._loop.call_soon(self._run)
