"""What passes on live connections, until it is written as packets: some tenths of a second, many packets together.

A connection only notes what passed, and when (0.3 µs). Its blocks are made later, those of all connections that wait in
one go, as `block_table` does it, and for no longer than a millisecond at a time. What is written is the same as if each
packet were written at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final

from audiosocket_cli.capture.block_table import Entry, blocks_of

MAX_WAITING_S: Final = 0.4
"""How long a packet waits: with what the loop and the disk take, a crash costs less than half a second."""

MAX_WAITING: Final = 1000
"""The most packets that wait in one queue. Those of a hundred calls take a millisecond, of fewer calls less."""

MAX_TOGETHER: Final = 384
"""About the most packets of several queues that are written in one go, in half a millisecond. More cost no less."""

_TOGETHER_S: Final = 0.1
"""Packets wait so much less, if those of other connections are written then."""

_TURN_S: Final = 0.001

Later = Callable[[float, Callable[[], object]], object]
"""Calls a function in so many seconds, as `call_later` of an event loop does."""


class PacketQueue:
    """What passed and is to be written to one place, in order."""

    def __init__(
        self, write: Callable[[bytes], object], flusher: Flusher | None = None, most: int = MAX_WAITING
    ) -> None:
        """`write` takes whole blocks, and raises `OSError` where it cannot. Without a flusher, nothing waits; with one,
        `most` entries at most."""
        self.waiting: list[Entry] = []
        """What passed. Whoever adds the first, or as many as `most`, says so (`note_added`)."""
        self.most = most if flusher is not None and flusher.later is not None else 1
        self._write = write
        self._flusher = flusher

    def note_added(self) -> None:
        """Something waits now, or so much that it has to be written."""
        if len(self.waiting) >= self.most:
            self.flush()
        elif self._flusher is not None:
            self._flusher.wait_for(self)

    def flush(self) -> None:
        """Write all that waits. Raises nothing: each maker is told of an error."""
        flush([self])

    def take(self) -> list[Entry]:
        """Return all that waits, which is the caller's now."""
        entries = self.waiting[:]
        self.waiting.clear()
        return entries

    def write(self, blocks: bytes, entries: Iterable[Entry]) -> None:
        """Write the blocks that were made of entries."""
        try:
            self._write(blocks)
        except OSError as error:
            for maker in dict.fromkeys(maker for _, maker, _ in entries):
                maker.fail(error)


class Flusher:
    """Flushes queues some time after something has come into them, many together, for a millisecond at a time."""

    def __init__(self, later: Later | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.later = later
        """Calls on the thread on which the queues are filled. Without it, nothing waits."""
        self._clock = clock
        self._due: deque[tuple[float, PacketQueue]] = deque()

    def wait_for(self, queue: PacketQueue) -> None:
        """Flush a queue in time."""
        if not self._due:
            self._set_timer(MAX_WAITING_S)
        self._due.append((self._clock() + MAX_WAITING_S, queue))

    def _flush(self) -> None:
        now_s = self._clock()
        while self._due and self._due[0][0] <= now_s + _TOGETHER_S:
            if self._clock() >= now_s + _TURN_S:
                self._set_timer(0.0)
                return
            queues, waiting = [], 0
            while self._due and self._due[0][0] <= now_s + _TOGETHER_S and waiting < MAX_TOGETHER:
                queue = self._due.popleft()[1]
                waiting += len(queue.waiting)
                queues.append(queue)
            flush(queues)
        if self._due:
            self._set_timer(self._due[0][0] - now_s)

    def _set_timer(self, delay_s: float) -> None:
        assert self.later is not None
        self.later(delay_s, self._flush)


def flush(queues: Sequence[PacketQueue]) -> None:
    """Write what waits in some queues."""
    taken = [(queue, entries) for queue in queues if (entries := queue.take())]
    ends = list(accumulate(len(entries) for _, entries in taken))
    every = taken[0][1] if len(taken) == 1 else [entry for _, entries in taken for entry in entries]
    for (queue, entries), blocks in zip(taken, blocks_of(every).split(ends), strict=True):
        queue.write(blocks, entries)
