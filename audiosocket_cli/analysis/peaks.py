"""The outline of a sound: its lowest and highest samples in steps of 10 ms, 40 ms, 160 ms and so on, to draw it from.

All is computed as samples come. What is kept of an hour is 0.7 MB, and of ten hours 7 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples

STEP_S: Final = 0.01
"""The finest step, in seconds."""

FACTOR: Final = 4
"""Each further level has steps this many times as long."""

MAX_PAIRS: Final = 1 << 20
"""The finest level of a long sound is left out where it has more pairs than this: 2.9 hours of 10 ms."""

_MIN_PAIRS: Final = 512
"""There is no coarser level once one has no more pairs than this: fewer than a screen has pixels."""

_SCALE: Final = 256
"""Of 16 bits the upper 8 are kept."""

_NOTHING: Final = 32
"""Smaller samples, below -60 dBFS, are drawn as none: rounded outward they would seem to be at -42 dBFS."""


@dataclass(frozen=True, slots=True)
class PeakLevel:
    """The outline in steps of one length."""

    step_s: float
    pairs: NDArray[np.int8]
    """Lowest and highest sample of each step, shape (n, 2), as the upper 8 of 16 bits, rounded outward: no peak is
    lost. 127 is anything above 126/128 of full scale, and 0 also what is below -60 dBFS."""


class Peaks:
    """Takes the samples of one channel in blocks of any length."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.samples = 0
        """How many came so far."""
        self._steps = 0
        """How many steps are complete."""
        self._done: list[NDArray[np.int8]] = []
        self._rest = np.zeros(0, np.int16)
        """Samples of a step that is not complete."""

    def take(self, samples: Samples) -> None:
        """Take the next samples, shape (n,)."""
        self.samples += len(samples)
        data = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        steps = self._steps_before(self.samples) - self._steps
        if steps:
            first = self._begin_of(self._steps)
            edges = self._begin_of(np.arange(self._steps, self._steps + steps)) - first
            stop = int(self._begin_of(self._steps + steps) - first)
            self._done.append(_pairs(data[:stop], edges))
            self._steps += steps
            data = data[stop:]
        self._rest = data.copy()

    def levels(self) -> list[PeakLevel]:
        """Return the outline of all that came, the finest level first; nothing of no samples."""
        done = self._done
        if len(self._rest):
            done = [*done, _pairs(self._rest, np.zeros(1, np.int64))]
        pairs, step_s = np.concatenate(done) if done else np.zeros((0, 2), np.int8), STEP_S
        levels = []
        while len(pairs):
            if len(pairs) <= MAX_PAIRS:
                levels.append(PeakLevel(step_s, pairs))
            if len(pairs) <= _MIN_PAIRS:
                break
            pairs, step_s = _coarser(pairs), step_s * FACTOR
        return levels

    def _begin_of(self, step: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the first sample of a step: steps need not have a whole number of samples."""
        return np.asarray(np.ceil(np.multiply(step, self.rate_hz * STEP_S) - 1e-6), np.int64)

    def _steps_before(self, samples: int) -> int:
        """Return how many steps end within so many samples."""
        steps = int(samples / (self.rate_hz * STEP_S)) + 1
        while self._begin_of(steps) > samples:
            steps -= 1
        return steps


def _pairs(samples: Samples, edges: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the lowest and the highest of the samples from each edge to the next, shape (n, 2)."""
    lowest = np.minimum.reduceat(samples, edges).astype(np.int32)
    highest = np.maximum.reduceat(samples, edges).astype(np.int32)
    pairs = np.stack((lowest // _SCALE, np.minimum(-(-highest // _SCALE), 127)), axis=1)
    pairs[(lowest > -_NOTHING) & (lowest <= 0), 0] = 0
    pairs[(highest < _NOTHING) & (highest >= 0), 1] = 0
    return pairs.astype(np.int8)


def _coarser(pairs: NDArray[np.int8]) -> NDArray[np.int8]:
    edges = np.arange(0, len(pairs), FACTOR)
    lowest, highest = np.minimum.reduceat(pairs[:, 0], edges), np.maximum.reduceat(pairs[:, 1], edges)
    return np.stack((lowest, highest), axis=1)
