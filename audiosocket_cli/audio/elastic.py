"""A short buffer for sound between two clocks: it evens out jitter, and follows a clock that drifts.

A sound card has its own clock, some 50 ppm off ours, and takes or brings sound at its own times. So sound is kept for
`TARGET_S` before it goes on; that much jitter is covered:

    too little    there is nothing left: silence goes on in its place until there is enough again, counted (`under`,
                  or as a pause of whoever makes the sound)
    too much      the oldest is dropped, counted (`over`): sound that is late stays late for the rest of a call
    drift         the level creeps up or down: every `_WINDOW_S` at most, `_STEP_S` are left out or said twice, with a
                  cross-fade, and counted; that follows clocks up to 0.25 % apart, and is not heard
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np

from audiosocket_cli.audio.pcm import from_slin, to_slin
from audiosocket_cli.codec import SAMPLE_BYTES

TARGET_S: Final = 0.06
"""Seconds of sound that are there before any goes on: three frames, so that one may come late by two."""

MAX_S: Final = 0.2
"""The most that is kept, in seconds. What a network held back comes in one burst, and is shortened to `TARGET_S`."""

PAUSE_S: Final = 0.2
"""Seconds without sound that are a pause of whoever makes it, rather than a gap in it. Our own choice."""

_WINDOW_S: Final = 2.0
_STEP_S: Final = 0.005

_LOW_S: Final = 0.008
"""Where less than this was left at the worst moment of a window, the buffer is about to run dry."""


class ElasticBuffer:
    """Int16 mono samples, as slin bytes: one thread puts them, another takes them."""

    def __init__(self, rate_hz: int, *, target_s: float = TARGET_S, max_s: float = MAX_S) -> None:
        self.rate_hz = rate_hz
        self.over = self.under = 0
        """How often the oldest was dropped, and how often there was nothing left within a sound."""
        self._second = rate_hz * SAMPLE_BYTES
        """The bytes of one."""
        self._target, self._max = self._bytes(target_s), self._bytes(max_s)
        self._data = bytearray()
        self._last = b""
        """The end of what was taken, which a repetition is faded from."""
        self._lock = threading.Lock()
        self._is_filling = True
        """Whether silence is handed out until the target is reached."""
        self._waited = 0
        """Bytes of silence since there was something again that is less than the target."""
        self._dry = 0
        """Bytes of silence since the buffer ran dry; 0 until anything was taken."""
        self._lowest = self._window = 0
        self.totals = dict.fromkeys(("taken", "dropped", "padded", "paused", "left_out", "repeated"), 0)
        """Bytes by what became of them."""
        self._is_closed = False
        self._start_window()

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self.rate_hz) * SAMPLE_BYTES

    @property
    def level_s(self) -> float:
        """Seconds of sound in it."""
        return len(self._data) / self._second

    def put(self, data: bytes) -> None:
        """Take samples; never waits."""
        with self._lock:
            if self._is_closed:
                return
            if self._dry and data:
                is_gap = self._dry < self._bytes(PAUSE_S)
                self.under += is_gap
                self.totals["padded" if is_gap else "paused"] += self._dry
                self._dry = 0
            self._data += data
            if len(self._data) > self._max:
                dropped = len(self._data) - self._target
                del self._data[:dropped]
                self.over += 1
                self.totals["dropped"] += dropped
                self._start_window()

    def take(self, size: int) -> bytes:
        """Return `size` bytes, with silence in place of what is not there; never waits."""
        with self._lock:
            if self._is_filling and not self._is_filled(size):
                self._dry += size if self.totals["taken"] else 0
                return bytes(size)
            self._is_filling = False
            if len(self._data) < size:
                return self._run_dry(size)
            data = self._next(size)
            self.totals["taken"] += size
            self._last = data[-self._bytes(_STEP_S) :]
            self._lowest = min(self._lowest, len(self._data))
            self._window -= size
            return data

    def close(self) -> None:
        """Take no more samples: nobody wants them, and none count as dropped. What is there can still be taken."""
        with self._lock:
            self._is_closed = True

    def take_rest(self) -> bytes:
        """Return all that is left."""
        with self._lock:
            data = bytes(self._data)
            self._data.clear()
            self.totals["taken"] += len(data)
            return data

    def clear(self) -> None:
        """Begin anew: what is there is too old to be of use, and counts for nothing."""
        with self._lock:
            self._data.clear()
            self._last = b""
            self._is_filling = True
            self.over = self.under = self._waited = self._dry = 0
            self.totals = dict.fromkeys(self.totals, 0)
            self._start_window()

    def facts(self) -> dict[str, Any]:
        """Return what became of the sound as JSON values, units in the keys."""
        with self._lock:
            totals = {**self.totals, "paused": self.totals["paused"] + self._dry}
        lengths = {name: round(size / self._second * 1000, 1) for name, size in totals.items()}
        return {
            "rate_hz": self.rate_hz,
            "over": self.over,
            "dropped_ms": lengths["dropped"],
            "under": self.under,
            "padded_ms": lengths["padded"],
            "paused_ms": lengths["paused"],
            "left_out_ms": lengths["left_out"],
            "repeated_ms": lengths["repeated"],
        }

    def _is_filled(self, size: int) -> bool:
        """Whether to hand out sound again. The end of a phrase may be less than the target: it does not wait for the
        next."""
        if not self._data:
            return False
        self._waited += size
        if len(self._data) < self._target and self._waited <= self._target:
            return False
        self._waited = 0
        return True

    def _run_dry(self, size: int) -> bytes:
        data = bytes(self._data).ljust(size, b"\0")
        self.totals["taken"] += len(self._data)
        self._dry += size - len(self._data)
        self._data.clear()
        self._is_filling = True
        self._start_window()
        return data

    def _start_window(self) -> None:
        self._lowest, self._window = self._max, self._bytes(_WINDOW_S)

    def _next(self, size: int) -> bytes:
        """Return what is next, slightly more or less of it where the level has crept away."""
        step = self._bytes(_STEP_S)
        if self._window <= 0 and size > step:
            lowest = self._lowest
            self._start_window()
            if lowest > self._target and len(self._data) >= size + step:
                self.totals["left_out"] += step
                return self._faded(bytes(self._data[: size + step]), size, size + step)
            if lowest < self._bytes(_LOW_S) and len(self._last) == step:
                self.totals["repeated"] += step
                return self._faded(self._last + bytes(self._data[:size]), size, size - step)
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def _faded(self, data: bytes, size: int, used: int) -> bytes:
        """Return `size` bytes that begin as what was taken last goes on, and end where `used` bytes are gone.

        `data` holds both: `size` bytes and a step more.
        """
        samples = from_slin(data).astype(np.float32)
        count = size // SAMPLE_BYTES
        first, last = samples[:count], samples[-count:]
        if used < size:  # a repetition goes from the later to the earlier
            first, last = last, first
        ramp = np.linspace(0, 1, count, dtype=np.float32)
        del self._data[:used]
        return to_slin(np.rint(first + (last - first) * ramp).astype(np.int16))
