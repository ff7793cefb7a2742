"""Samples in order, with silence as a count: a pause of a day takes no more memory than one of a second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

import numpy as np

from audiosocket_cli.audio.pcm import Samples, mix

MAX_SAMPLES: Final = 1 << 18
"""The most samples in one array that is made here: 0.7 s of both sides at 192 kHz, half a minute at 8 kHz mono."""

MIN_SILENCE: Final = 1 << 14
"""Less silence than this is made of zeros, which are written together with the audio around them."""

Piece = Samples | int
"""Samples, shape (n,) or (n, channels), or how many of digital silence."""


class Pieces:
    """A queue of one channel's samples."""

    __slots__ = ("_queue", "length")

    def __init__(self) -> None:
        self._queue: list[Piece] = []  # a deque takes 800 bytes, and each call has one, which is empty nearly always
        self.length = 0
        """Samples in it, silent ones included."""

    def put(self, samples: Samples) -> None:
        """Add samples, shape (n,)."""
        if len(samples):
            self._queue.append(samples)
            self.length += len(samples)

    def put_silence(self, count: int) -> None:
        """Add samples of silence."""
        if count <= 0:
            return
        self.length += count
        last = self._queue[-1] if self._queue else None
        if isinstance(last, int):
            self._queue[-1] = last + count
        else:
            self._queue.append(count)

    @property
    def is_silent(self) -> bool:
        """Whether silence comes next, or nothing is left."""
        return not self._queue or isinstance(self._queue[0], int)

    @property
    def run(self) -> float:
        """How many samples come next that are alike: all silent, or all in one array; infinite when nothing is left."""
        if not self._queue:
            return math.inf
        first = self._queue[0]
        return first if isinstance(first, int) else len(first)

    def take(self, count: int) -> Samples:
        """Return the next `count` samples of one `run`, which may be zeros that nothing is left for."""
        if not self._queue:
            return np.zeros(count, np.int16)
        first = self._queue[0]
        self._drop(count)
        return np.zeros(count, np.int16) if isinstance(first, int) else first[:count]

    def skip(self, count: int) -> None:
        """Leave out the next `count` samples of one `run`."""
        if self._queue:
            self._drop(count)

    def _drop(self, count: int) -> None:
        first = self._queue[0]
        self.length -= count
        if self.run == count:
            del self._queue[0]
        else:
            self._queue[0] = first - count if isinstance(first, int) else first[count:]


def interleaved(channels: list[Pieces], *, mixed: bool = False, final: bool = False) -> Iterator[Piece]:
    """Take the samples that all channels have, and yield them with shape (n,) for one channel or a mix, or (n,
    channels).

    At the end (`final`) a shorter channel is filled with silence. Long common silence is yielded as a count.
    """
    while length := (max if final else min)(channel.length for channel in channels):
        run = int(min(length, *(channel.run for channel in channels)))
        if run >= MIN_SILENCE and all(channel.is_silent for channel in channels):
            for channel in channels:
                channel.skip(run)
            yield run
            continue
        columns = [channel.take(min(run, MAX_SAMPLES)) for channel in channels]
        if len(columns) == 1:
            yield columns[0]
        else:
            yield mix(*columns) if mixed else np.stack(columns, axis=1)


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Join samples that follow each other: each write costs the same."""
    for is_silence, alike in groupby(pieces, lambda piece: isinstance(piece, int)):
        if is_silence:
            yield from alike
        else:
            arrays = [piece for piece in alike if not isinstance(piece, int)]
            yield arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
