"""When a side speaks, is quiet, or sends digital silence: stretches on the call's time axis.

What is speech, `noise_floor` tells, block by block. Blocks of speech with pauses shorter than `PAUSE_S` between them
are one stretch; one of less than `MIN_SPEECH_S` is a click, and left out, and so is such a sound near a stretch.

Blocks lie on a grid that begins with the call, and `_CHUNK` of them are looked at together, wherever batches are cut.
So a live call, its capture and its recording have the same stretches, and a live call costs nothing per frame.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.noise_floor import BLOCK_S, EDGE, Levels, Mask, NoiseFloor, dbfs_of, levels_of, runs_of
from audiosocket_cli.audio.pcm import FULL_SCALE, Samples, frame_powers

PAUSE_S: Final = 0.3
"""A shorter pause is one between words. Our own choice."""

MIN_SPEECH_S: Final = 0.06
"""A shorter sound is a click."""

APART_S: Final = 0.2
"""What is no longer than a click, and so far from all else, does not even lengthen a stretch. Our own choice: before
the last sound of a word, as in "eight", it is quiet for 0.1 s."""

MIN_SILENCE_S: Final = 0.1
"""A shorter digital silence is not listed."""

MAX_STRETCHES: Final = 50_000
"""Stretches of a side that are found: those of some twenty hours of speech."""

_CHUNK: Final = 512
_PAUSE: Final = round(PAUSE_S / BLOCK_S)
_APART: Final = round(APART_S / BLOCK_S)
_MIN_SPEECH: Final = round(MIN_SPEECH_S / BLOCK_S)
_MIN_SILENCE: Final = round(MIN_SILENCE_S / BLOCK_S)
_BLOCKS_AT_ONCE: Final = 1024


class Stretches(NamedTuple):
    """One side of a call: from when to when, in seconds, in order. The rest is quiet."""

    speech: list[tuple[float, float]]
    digital_silence: list[tuple[float, float]]
    """All samples zero, or nothing received, for at least `MIN_SILENCE_S`."""
    end_s: float = 0.0
    """Where what was looked at ends."""
    is_cut: bool = False
    """Whether that is where too many stretches were found, and not the end of the call."""
    peaks_dbfs: Sequence[float] = ()
    """The level of the loudest block of each stretch of speech; none if nobody measured it."""


class _Spans:
    """Stretches of one sort as they are found, in numbers of blocks."""

    __slots__ = ("_apart", "_before", "_blocks", "_last", "_least", "_open", "_pause", "_peak", "found")

    def __init__(self, pause: int, least: int, apart: int) -> None:
        """Join what is less than `pause` apart, and keep what has at least `least` blocks. A run of fewer blocks that
        is `apart` from those before and after it belongs to nothing."""
        self.found: array[int] | None = None
        """The first block of each, the one after its last, and its loudest level, once there are some."""
        self._pause = pause
        self._least = least
        self._apart = apart
        self._last: tuple[int, int, int] | None = None
        """The last run, which may go on: its first block, the one after its last, and its loudest level."""
        self._before = -apart
        """Where the run before that ends."""
        self._open: tuple[int, int] | None = None
        """The last stretch so far, without that run."""
        self._blocks = 0
        """Its speech without its pauses."""
        self._peak = 0

    @property
    def is_full(self) -> bool:
        return self.found is not None and len(self.found) >= 3 * MAX_STRETCHES

    def take(self, mask: Mask, levels: Levels, base: int) -> None:
        """Take the next blocks, from number `base` on: which of them belong to stretches, and their levels."""
        begins, ends = runs_of(mask)
        peaks = np.maximum.reduceat(levels, begins).tolist() if len(begins) else []
        for begin, after, peak in zip((begins + base).tolist(), (ends + base).tolist(), peaks, strict=True):
            if self._last is not None and begin == self._last[1]:  # it goes on from the blocks before
                self._last = self._last[0], after, max(self._last[2], peak)
                continue
            self._take_last(begin)
            self._last = begin, after, peak
        end = base + len(mask)
        if self._last is not None and end - self._last[1] >= self._pause:
            self.close()

    def _take_last(self, until: int) -> None:
        """Let the last run be part of a stretch, now that it is known to end, and that the next one begins `until`."""
        if self._last is None:
            return
        begin, after, peak = self._last
        is_apart = min(begin - self._before, until - after) >= self._apart
        self._last, self._before = None, after
        if is_apart and after - begin < self._least:
            return
        if self._open is not None and begin - self._open[1] >= self._pause:
            self._close_open()
        self._open = (begin if self._open is None else self._open[0], after)
        self._blocks += after - begin
        self._peak = max(self._peak, peak)

    def close(self) -> None:
        """The stretch found last has ended."""
        if self._last is not None:
            self._take_last(self._last[1] + self._apart)
        self._close_open()

    def _close_open(self) -> None:
        if self._open is not None and self._blocks >= self._least and not self.is_full:
            if self.found is None:
                self.found = array("Q")
            self.found.extend((*self._open, self._peak))
        self._open, self._blocks, self._peak = None, 0, 0

    def go_on(self, blocks: int) -> None:
        """The last run goes on for some blocks more."""
        if self._last is not None:
            self._last = self._last[0], self._last[1] + blocks, self._last[2]

    @property
    def in_seconds(self) -> list[tuple[float, float]]:
        """All of them."""
        found = self.found or ()
        return [(_seconds(begin), _seconds(end)) for begin, end in zip(found[::3], found[1::3], strict=True)]

    @property
    def peaks_dbfs(self) -> list[float]:
        """The levels of their loudest blocks."""
        return [dbfs_of(level) for level in (self.found or ())[2::3]]


class StretchFinder:
    """Finds the stretches of one side, whose sound comes in order."""

    __slots__ = ("_base", "_end", "_floor", "_levels", "_past", "_silence", "_speech")

    def __init__(self, *, with_silence: bool = True) -> None:
        """Digital silence is listed only `with_silence`."""
        self._levels = bytearray()
        """Of the blocks that were not looked at, from number `_base` on."""
        self._base = 0
        self._end = 0
        """The number of blocks so far."""
        self._past = b""
        """The levels of the last blocks before `_base`."""
        self._floor = NoiseFloor()
        self._speech = _Spans(_PAUSE, _MIN_SPEECH, _APART)
        self._silence = _Spans(1, _MIN_SILENCE, 1) if with_silence else None

    @property
    def _is_full(self) -> bool:
        return self._speech.is_full or (self._silence is not None and self._silence.is_full)

    def put(self, start_s: float, end_s: float, levels: bytes) -> None:
        """Take the levels of blocks (`noise_floor.levels_of`) that lie from `start_s` to `end_s`, one after the other.

        Where the grid has room for a few more or fewer, as with a clock that runs slow or fast, one is taken twice, or
        left out. What is in the grid already stays.
        """
        self.pad(start_s)
        count = _block(end_s) - self._end
        if count <= 0 or not levels or self._is_full:
            return
        if count != len(levels):
            levels = np.frombuffer(levels, np.uint8)[np.arange(count) * len(levels) // count].tobytes()
        self.take_levels(levels)

    def pad(self, until_s: float) -> None:
        """Nothing was received up to `until_s`."""
        missing = _block(until_s) - self._end
        if missing <= 0 or self._is_full:
            return
        if missing > 3 * _CHUNK:
            self.take_levels(bytes(2 * _CHUNK))
            missing -= 2 * _CHUNK
            skipped = missing // _CHUNK * _CHUNK
            self._skip(skipped)
            missing -= skipped
        self.take_levels(bytes(missing))

    def _skip(self, count: int) -> None:
        """Pass over silence that follows silence: what waits is silence, too, and may as well come later."""
        self._base += count
        self._end += count
        if self._silence is not None:
            self._silence.go_on(count)

    def take(self, samples: Samples, rate_hz: int) -> None:
        """Take samples of whole blocks, shape (n,), that follow on; what is left over at the end is left out."""
        for start in range(0, len(samples), round(_BLOCKS_AT_ONCE * BLOCK_S * rate_hz)):
            piece = samples[start : start + round(_BLOCKS_AT_ONCE * BLOCK_S * rate_hz)]
            self.take_levels(levels_of(block_powers(piece, rate_hz)))

    def take_levels(self, levels: bytes) -> None:
        """Take the levels of blocks (`noise_floor.levels_of`) that follow on."""
        self._levels += levels
        self._end += len(levels)
        while len(self._levels) >= _CHUNK + EDGE:
            self._look(_CHUNK)

    def finish(self) -> Stretches:
        """No more is coming: return all stretches."""
        while self._levels:
            self._look(min(len(self._levels), _CHUNK))
        self._speech.close()
        silence: list[tuple[float, float]] = []
        if self._silence is not None:
            self._silence.close()
            silence = self._silence.in_seconds
        speech = self._speech
        return Stretches(speech.in_seconds, silence, _seconds(self._end), self._is_full, speech.peaks_dbfs)

    def _look(self, count: int) -> None:
        """Find what the next blocks hold, and forget them."""
        levels = np.frombuffer(self._past + self._levels[: count + EDGE], np.uint8)
        first, last = len(self._past), len(self._past) + count
        speech, looked_at = self._floor.speech_in(levels, first, last), levels[first:last]
        self._speech.take(np.zeros(count, np.bool_) if speech is None else speech, looked_at, self._base)
        if self._silence is not None:
            self._silence.take(looked_at == 0, looked_at, self._base)
        self._past = levels[max(0, last - EDGE) : last].tobytes()
        del self._levels[:count]
        self._base += count


def stretches_of(samples: Samples, rate_hz: int) -> Stretches:
    """Return the stretches of one side of a recording that begins with its call: int16 samples, shape (n,)."""
    finder = StretchFinder()
    finder.take(samples, rate_hz)
    return finder.finish()


def block_powers(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Return the mean square of each whole block of int16 samples, shape (n,), in units of full scale squared."""
    size = BLOCK_S * rate_hz
    if size == int(size):
        return frame_powers(samples[: len(samples) // int(size) * int(size)].reshape(-1, int(size)))
    begins = np.round(np.arange(int(len(samples) / size) + 1) * size).astype(np.int64)
    squares = np.square(samples[: begins[-1]].astype(np.float64)) / FULL_SCALE**2
    if len(begins) < 2:
        return np.zeros(0)
    powers: NDArray[np.float64] = np.add.reduceat(squares, begins[:-1]) / np.diff(begins)
    return powers


def _block(at_s: float) -> int:
    """Return the number of the block that begins nearest to `at_s`."""
    return int(at_s / BLOCK_S + 0.5 + 1e-6)  # the halves all go one way


def _seconds(block: int) -> float:
    return round(block * BLOCK_S, 3)
