"""What a bot in Python has heard and has not read yet: samples and keys, up to a bound, and tasks that wait for them.

A frame costs a bot little more than one step of its coroutine, which is woken once everything that it asked for is
there. There is one future at a time, not a queue with its own locks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from audiosocket_cli.codec import SAMPLE_BYTES

MAX_UNREAD_S: Final = 10.0
"""Seconds of the caller's audio that wait to be read; beyond that the oldest is dropped."""

_MAX_KEYS: Final = 1000
_NOBODY: Final = 1 << 62
"""The bytes that nobody waits for."""


class Ear:
    """The samples of a caller that wait to be read."""

    __slots__ = (
        "_chunks",
        "_loop",
        "_max_bytes",
        "_rate_hz",
        "_waiter",
        "_wanted",
        "bytes_unread",
        "is_over",
        "lost",
        "was_read",
    )

    def __init__(self, rate_hz: int) -> None:
        self.bytes_unread = 0
        self.lost = 0
        """Bytes that were dropped, as nobody read them in time."""
        self.is_over = False
        """Whether nothing more will come."""
        self.was_read = False
        """Whether anybody has ever wanted any of it."""
        self._rate_hz = rate_hz
        self._max_bytes = round(MAX_UNREAD_S * rate_hz) * SAMPLE_BYTES
        self._chunks: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = _NOBODY

    @property
    def lost_s(self) -> float:
        """Seconds that were dropped, as nobody read them in time."""
        return self.lost / SAMPLE_BYTES / self._rate_hz

    def hear(self, data: bytes) -> int:
        """Take samples; returns how many bytes that was."""
        size = len(data)
        self._chunks.append(data)
        self.bytes_unread += size
        if self.bytes_unread >= self._wanted:
            self._wake()
        while self.bytes_unread > self._max_bytes:
            oldest = len(self._chunks.popleft())
            self.bytes_unread -= oldest
            self.lost += oldest
        return size

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes; None when they are not there. At the end the rest is filled up with silence."""
        if self.bytes_unread < size:
            if not (self.is_over and self.bytes_unread):
                return None
            data = b"".join(self._chunks).ljust(size, b"\0")
            self._chunks.clear()
            self.bytes_unread = 0
            return data
        self.bytes_unread -= size
        data = self._chunks.popleft()
        if len(data) == size:  # as nearly always
            return data
        pieces, there = [data], len(data)
        while there < size:
            pieces.append(self._chunks.popleft())
            there += len(pieces[-1])
        data = b"".join(pieces)
        if there > size:
            self._chunks.appendleft(data[size:])
        return data[:size]

    def wait(self, size: int) -> asyncio.Future[None]:
        """Return a future that is done once so many bytes are there, or the call is over; then call `waited`.

        Raises `RuntimeError` where another task waits.
        """
        if self._waiter is not None:
            raise RuntimeError("two tasks read the audio of one call: let one read, and hand it on to the other")
        self._waiter = waiter = self._loop.create_future()
        self._wanted = size
        return waiter

    def waited(self) -> None:
        """Nobody waits any more."""
        self._waiter, self._wanted = None, _NOBODY

    def skip(self) -> float:
        """Forget all that waits to be read; returns how many seconds that was."""
        skipped = self.bytes_unread
        self._chunks.clear()
        self.bytes_unread = 0
        return skipped / SAMPLE_BYTES / self._rate_hz

    def end(self) -> None:
        """Nothing more will come. Safe to call twice."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        self._wanted = _NOBODY
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Audio:
    """The caller's audio, in pieces of one length, for `async for`. It ends with the call."""

    __slots__ = ("_ear", "_size", "_was_there")

    def __init__(self, ear: Ear, size: int) -> None:
        """Read pieces of `size` bytes."""
        ear.was_read = True
        self._ear = ear
        self._size = size
        self._was_there = False
        """Whether the last piece was there at once."""

    def __aiter__(self) -> Audio:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece: int16 little-endian samples; the last one is filled up with silence.

        Raises `RuntimeError` when another task waits for audio of the same call.
        """
        ear, size = self._ear, self._size
        if self._was_there:  # ten seconds may wait: let others go on after each piece
            await asyncio.sleep(0)
        data = ear.take(size)
        self._was_there = data is not None
        while data is None:
            if ear.is_over:
                await asyncio.sleep(0)  # a loop around the loop would have the event loop for itself
                raise StopAsyncIteration
            waiter = ear.wait(size)
            try:
                await waiter
            finally:
                ear.waited()
            data = ear.take(size)
        return data


class Keys:
    """The keys that a caller has pressed, which wait to be read."""

    __slots__ = ("_keys", "_waiters", "is_over", "lost")

    def __init__(self) -> None:
        self.is_over = False
        """Whether no more will come."""
        self.lost = 0
        """Keys that were dropped, as nobody read them."""
        self._keys: deque[str] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def press(self, key: str) -> None:
        """A key was pressed."""
        if len(self._keys) >= _MAX_KEYS:
            self._keys.popleft()
            self.lost += 1
        self._keys.append(key)
        self._wake()

    def end(self) -> None:
        """No more will come. Safe to call twice."""
        self.is_over = True
        self._wake()

    async def next(self) -> str | None:
        """Return the next key once there is one; None at the end."""
        while not self._keys and not self.is_over:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._keys:
            return self._keys.popleft()
        await asyncio.sleep(0)  # who asks again and again would have the event loop for itself
        return None

    def _wake(self) -> None:
        """Let all who wait look again: few do, and one of them may have given up meanwhile."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
