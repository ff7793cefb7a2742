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

from audiosocket_cli.capture.block_table import Entry, Maker, blocks_of

MAX_WAITING_S: Final = 0.4
"""How long a packet waits: with what the loop and the disk take, a crash costs less than half a second."""

MAX_WAITING: Final = 500
"""The most packets that wait in one queue: half a millisecond of work or so."""

MAX_TOGETHER: Final = 384
MAX_BYTES_TOGETHER: Final = 128 << 10
"""About the most packets of several queues that are written in one go, in half a millisecond, and their bytes: where
audio does not go on, each byte may have to be looked at, for 6 ms. More packets cost no less."""

_TOGETHER_S: Final = 0.1
"""Packets wait so much less, if those of other connections are written then."""

_TURN_S: Final = 0.001

Later = Callable[[float, Callable[[], object]], object]
"""Calls a function in so many seconds, as `call_later` of an event loop does."""


class PacketQueue:
    """What passed and is to be written to one place, in order."""

    def __init__(self, write: Callable[[bytes], object], flusher: Flusher | None = None, *,
                 most_bytes: int = MAX_BYTES_TOGETHER) -> None:  # fmt: skip
        """`write` takes whole blocks, and raises `OSError` where it cannot. Without a flusher, nothing waits; with one,
        about `most_bytes` at most."""
        self.waiting: list[Entry] = []
        self.waiting_bytes = 0
        self._most = MAX_WAITING if flusher is not None and flusher.later is not None else 1
        self._most_bytes = most_bytes
        self._write = write
        self._flusher = flusher

    def add(self, at_ns: int, maker: Maker, data: bytes) -> None:
        """Something passed: write it in time, or all that waits now if that is much."""
        waiting = self.waiting
        waiting.append((at_ns, maker, data))
        self.waiting_bytes += len(data)
        if self.waiting_bytes >= self._most_bytes or len(waiting) >= self._most:
            self.flush()
        elif len(waiting) == 1 and self._flusher is not None:
            self._flusher.wait_for(self)

    def flush(self) -> None:
        """Write all that waits. Raises nothing: each maker is told of an error."""
        flush([self])

    def take(self) -> list[Entry]:
        """Return all that waits, which is the caller's now."""
        entries = self.waiting[:]
        self.waiting.clear()
        self.waiting_bytes = 0
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
            flush(self._take_due(now_s + _TOGETHER_S))
        if self._due:
            self._set_timer(self._due[0][0] - now_s)

    def _take_due(self, until_s: float) -> list[PacketQueue]:
        """Return the next queues that are due until then, as many as are written in one go."""
        queues: list[PacketQueue] = []
        waiting = waiting_bytes = 0
        while self._due and self._due[0][0] <= until_s:
            queue = self._due.popleft()[1]
            queues.append(queue)
            waiting += len(queue.waiting)
            waiting_bytes += queue.waiting_bytes
            if waiting >= MAX_TOGETHER or waiting_bytes >= MAX_BYTES_TOGETHER:
                break
        return queues

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
