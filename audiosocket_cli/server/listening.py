"""One who listens to a call, with the sound that waits for it: filled by the loop that answers calls, emptied on the
thread of who asked. Nobody waits for it: what a slow one does not take is dropped, counted, and told."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from audiosocket_cli.call.taps.listening import BYTES_PER_SAMPLE
from audiosocket_cli.server.call_list import Key

MAX_SOUND_S: Final = 1.0
"""Seconds of sound that wait for one listener: the oldest is dropped, so that what is heard is never older."""


class Listening:
    """The sound of one call, as it comes."""

    def __init__(self, key: Key, by: str, leave: Callable[[], object]) -> None:
        self.key = key
        self.by = by
        self.rate_hz = 0
        """The rate of both sides, once it has begun."""
        self.at_s = 0.0
        """When it began, in seconds since the call's start."""
        self.reason: str | None = None
        """Why there is no more sound, once that is so."""
        self.dropped = 0
        """Samples that were dropped because they were not taken in time."""
        self._leave = leave
        self._samples: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._wake = asyncio.Event()
        self._is_woken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more. Safe to call twice."""
        self._leave()

    @property
    def dropped_s(self) -> float:
        """Seconds of sound that were dropped."""
        return self.dropped / self.rate_hz if self.rate_hz else 0.0

    def begin(self, rate_hz: int, at_s: float) -> None:
        """The call has a rate."""
        with self._lock:
            if not self.rate_hz and rate_hz > 0:
                self.rate_hz, self.at_s = rate_hz, at_s
                self._notify()

    def put(self, samples: bytes, lost: int = 0) -> None:
        """Add samples of both sides; `lost` samples before them are missing."""
        with self._lock:
            if not self.rate_hz or self.reason is not None:
                return
            self.dropped += lost
            self._samples.append(samples)
            self._waiting_bytes += len(samples)
            self._drop(self._waiting_bytes - round(MAX_SOUND_S * self.rate_hz) * BYTES_PER_SAMPLE)
            self._notify()

    def _drop(self, size: int) -> None:
        """Drop so many bytes of the oldest, if any."""
        while size > 0:
            oldest = self._samples.popleft()
            if len(oldest) > size:
                self._samples.appendleft(oldest[size:])
            gone = min(size, len(oldest))
            self._waiting_bytes -= gone
            self.dropped += gone // BYTES_PER_SAMPLE
            size -= gone

    def end(self, reason: str, lost: int = 0) -> None:
        """There is no more; `lost` samples at the end are missing."""
        with self._lock:
            if self.reason is None:
                self.reason = reason
                self.dropped += lost
            self._notify()

    async def begun(self) -> None:
        """Wait until the rate is known, or it is known that there will be none."""
        while not (self.rate_hz or self.reason):
            await self._wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            with self._lock:
                if self._samples:
                    samples = b"".join(self._samples)
                    self._samples.clear()
                    self._waiting_bytes = 0
                    return samples
                if self.reason is not None:
                    raise StopAsyncIteration
            await self._wait()

    def _notify(self) -> None:
        """Wake who waits, on its own thread; with the lock held."""
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # its loop is closed
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _wait(self) -> None:
        await self._wake.wait()
        with self._lock:
            self._wake.clear()
            self._is_woken = False
