"""Those who watch and listen, each with what waits for it: filled by the loop that answers calls, emptied on the thread
of who asked. Nobody waits for them: what a slow one does not take is dropped, counted, and told."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from audiosocket_cli.call.taps.listening import BYTES_PER_SAMPLE

MAX_EVENTS: Final = 1000
"""Events that wait for one page; levels do not count, of which only the newest wait."""

MAX_SOUND_S: Final = 1.0
"""Seconds of sound that wait for one listener: the oldest is dropped, so that what is heard is never older."""

LEVELS_S: Final = 0.2
"""The least time between two events with levels."""

Key = tuple[int, int]


class Seen(NamedTuple):
    """An event: its name, and its facts as one line of JSON text."""

    name: str
    text: str

    @classmethod
    def of(cls, name: str, facts: Mapping[str, Any]) -> Seen:
        """Make the text once, for all who watch."""
        return cls(name, json.dumps(facts))


class _Waiting:
    """Something that another thread puts and this loop takes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._wake = asyncio.Event()
        self._is_woken = False

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


class Watch(_Waiting):
    """The events of all calls, as they come."""

    def __init__(self, snapshot: Callable[[], Seen], leave: Callable[[Watch], object]) -> None:
        """`snapshot` tells all calls; `leave` is called at the end."""
        super().__init__()
        self._snapshot = snapshot
        self._leave = leave
        self._events: deque[Seen] = deque()
        self._levels: dict[int, str] = {}
        """The newest of each process."""
        self._levels_s = 0.0
        self._lost = 0
        self._needs_all = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch no more. Safe to call twice."""
        self._leave(self)

    def put(self, event: Seen) -> None:
        """An event has happened."""
        with self._lock:
            if self._needs_all:
                pass  # it is in what is told first
            elif len(self._events) < MAX_EVENTS:
                self._events.append(event)
            else:
                self._lost += len(self._events) + 1
                self._events.clear()
                self._needs_all = True
            self._notify()

    def put_levels(self, process: int, fragment: str) -> None:
        """The levels of the calls of a process, as the inside of a JSON object."""
        with self._lock:
            self._levels[process] = fragment
            self._notify()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Seen:
        while True:
            event, pause_s = self._next()
            if event is not None:
                return event
            if pause_s is None:
                await self._wait()
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wait(), pause_s)

    def _next(self) -> tuple[Seen | None, float | None]:
        """Return the next event; or how long to wait for levels that are there already, None where nothing is."""
        with self._lock:
            if self._lost:
                lost, self._lost = self._lost, 0
                return Seen.of("lost", {"events": lost}), None
            needs_all, self._needs_all = self._needs_all, False
        if needs_all:
            return self._snapshot(), None  # without the lock: it takes that of who puts
        with self._lock:
            if self._events:
                return self._events.popleft(), None
            if not any(self._levels.values()):
                return None, None
            pause_s = self._levels_s + LEVELS_S - time.monotonic()
            if pause_s > 0:
                return None, pause_s
            self._levels_s = time.monotonic()
            fragments, self._levels = self._levels, {}
        return Seen("levels", f'{{"levels":{{{",".join(filter(None, fragments.values()))}}}}}'), None


class Listening(_Waiting):
    """The sound of one call, as it comes."""

    def __init__(self, key: Key, by: str, leave: Callable[[], object]) -> None:
        super().__init__()
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
        """Both sides go on; before these, `lost` samples were."""
        with self._lock:
            if not self.rate_hz or self.reason is not None:
                return
            self.dropped += lost
            self._samples.append(samples)
            self._waiting_bytes += len(samples)
            while self._waiting_bytes > MAX_SOUND_S * self.rate_hz * BYTES_PER_SAMPLE and len(self._samples) > 1:
                oldest = len(self._samples.popleft())
                self._waiting_bytes -= oldest
                self.dropped += oldest // BYTES_PER_SAMPLE
            self._notify()

    def end(self, reason: str) -> None:
        """There is no more."""
        with self._lock:
            self.reason = self.reason or reason
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
