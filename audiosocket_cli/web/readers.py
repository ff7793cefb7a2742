"""Readers of events, each with a bounded backlog: a slow one holds up nobody, and is told how much it has lost."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

MAX_WAITING: Final = 40
"""Pieces that may wait for a reader: ten seconds."""


class Reader:
    """One who reads events. For one loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._lost = 0
        self._has_some = asyncio.Event()

    def give(self, piece: bytes, count: int) -> None:
        """Give it a piece, which holds `count` events."""
        if self._lost:
            self._lost += count
        elif len(self._waiting) >= MAX_WAITING:
            self.lose(count)
        else:
            self._waiting.append((piece, count))
            self._has_some.set()

    def lose(self, count: int) -> None:
        """Drop `count` events and all that wait: it begins anew."""
        self._lost += count + sum(count for _, count in self._waiting)
        self._waiting.clear()
        self._has_some.set()

    def take_lost(self) -> int:
        """Return how many events it has lost since the last time."""
        lost, self._lost = self._lost, 0
        return lost

    async def next(self) -> bytes:
        """Return what waits, once something does; nothing where all of it was lost."""
        await self._has_some.wait()
        self._has_some.clear()
        piece = b"".join(each for each, _ in self._waiting)
        self._waiting.clear()
        return piece
