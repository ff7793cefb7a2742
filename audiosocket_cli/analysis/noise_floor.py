"""Which sound of a side is speech: louder than `SPEECH_DBFS`, the house's one limit, and than the noise of its line.

Sound is looked at in blocks of `BLOCK_S`, each as one byte: its level in steps of half a decibel, 0 for digital silence
(all samples zero, or nothing received). The same bytes come from a live call, a capture and a recording.

steady    sound whose level stays within `STEADY_DB` for `STEADY_S`: the noise of a line, a hum, a ringing tone. Speech
          never is: its syllables differ by more. Dips of `DIP_S` and less do not count: they are lost frames.
floor     the level of what was steady last. Speech is louder than that by `OVER_NOISE_DB`. The floor falls as soon as
          the side has been quieter for `FALL_S`.

A line without noise has the limit alone, and nothing of a short word is lost on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import SPEECH_DBFS

BLOCK_S: Final = 0.02
"""The length of a block in seconds: one frame of a telephone."""

STEADY_S: Final = 1.0
STEADY_DB: Final = 6.0
"""Noise on a telephone line stays within 4 dB, block by block; speech changes by 20 dB and more. Our own choice."""

OVER_NOISE_DB: Final = 4.0
"""Steady sound is at most 3 dB louder than its middle."""

FALL_S: Final = 0.2
DIP_S: Final = 0.04

MAX_LIMIT_DBFS: Final = -24.0
"""Speech need not be louder than this, however loud the steady sound before it: a beep is followed by a message."""

Levels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Section = tuple[int, int, int]
"""Steady blocks: the first, the one after the last, and their level at the end."""

_STEPS_PER_DB: Final = 2
_LOWEST_DBFS: Final = -127.0
_LOWEST_POWER: Final = 10 ** (_LOWEST_DBFS / 10)

_SPREAD: Final = int(STEADY_DB * _STEPS_PER_DB)
_MARGIN: Final = int(OVER_NOISE_DB * _STEPS_PER_DB)
_SPEECH: Final = int((SPEECH_DBFS - _LOWEST_DBFS) * _STEPS_PER_DB)
_QUIET: Final = _SPEECH - _SPREAD
"""All levels up to this one are alike."""
_MAX_FLOOR: Final = int((MAX_LIMIT_DBFS - _LOWEST_DBFS) * _STEPS_PER_DB) - _MARGIN

_STEADY: Final = round(STEADY_S / BLOCK_S)
_FALL: Final = round(FALL_S / BLOCK_S)
_DIP: Final = round(DIP_S / BLOCK_S)

EDGE: Final = _STEADY + _DIP
"""Blocks before and after some others that tell whether those are steady."""


def levels_of(powers: NDArray[np.float64]) -> bytes:
    """Return one byte for each block, by its mean square, shape (n,), in units of full scale squared."""
    levels = np.log10(powers + _LOWEST_POWER)
    levels *= 10 * _STEPS_PER_DB
    levels -= _LOWEST_DBFS * _STEPS_PER_DB - 1e-6  # or digital silence could come out below 0
    return levels.astype(np.uint8).tobytes()


def dbfs_of(level: int) -> float:
    """Return the level in dBFS that a byte stands for."""
    return level / _STEPS_PER_DB + _LOWEST_DBFS


class NoiseFloor:
    """Tells speech from the rest of one side's sound, whose blocks come in order."""

    __slots__ = ("_floor",)

    def __init__(self) -> None:
        self._floor: int | None = None

    def speech_in(self, levels: Levels, first: int, last: int) -> Mask | None:
        """Return which of the blocks from `first` up to `last` are speech, shape (last - first,); None for none.

        `EDGE` blocks before and after them are in `levels`, too, if there are as many.
        """
        if int(levels.max()) <= _QUIET:
            self._floor = _QUIET
            return None
        levels = np.maximum(levels, _QUIET)
        sections = _steady_sections(_without_dips(levels))
        floor = self._floor
        if floor is None:  # the noise of a call that begins with speech is known by its first pause
            floor = min([level for _, _, level in sections], default=_QUIET)
        limits, is_steady = np.zeros(len(levels), np.uint8), np.zeros(len(levels), np.bool_)
        lowest = _slid(np.maximum, levels, _FALL)
        after = first
        for start, end, level in [*sections, (last, last, _QUIET)]:
            if end <= first or after >= last:
                continue
            start = min(max(start, after), last)
            if start > after:
                fallen = lowest[max(0, after - _FALL + 1) : max(0, start - _FALL + 1)]
                part = limits[start - len(fallen) : start]
                limits[after:start] = floor
                np.minimum(np.minimum.accumulate(fallen), floor, out=part)
                floor = int(limits[start - 1])
            is_steady[start:end] = True
            if start < last:
                floor, after = level, min(end, last)
        self._floor = floor
        speech: Mask = (levels > np.maximum(np.minimum(limits, _MAX_FLOOR) + _MARGIN, _SPEECH)) & ~is_steady
        return speech[first:last]


def _steady_sections(levels: Levels) -> list[Section]:
    """Return where levels are steady, in order."""
    if len(levels) < _STEADY:
        return []
    high, low = _slid(np.maximum, levels, _STEADY), _slid(np.minimum, levels, _STEADY)
    begins, ends = runs_of(high - low <= _SPREAD)
    middles = (high.astype(np.int64) + low) // 2
    return [
        (begin, end + _STEADY - 1, int(middles[end - 1]))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def runs_of(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where runs of True begin, and the places after their ends, two arrays of shape (runs,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _without_dips(levels: Levels) -> Levels:
    """Return levels with short dips filled up to the lower of their edges."""
    padded = np.concatenate([levels[:1].repeat(_DIP), levels, levels[-1:].repeat(_DIP)])
    return _slid(np.minimum, _slid(np.maximum, padded, _DIP + 1), _DIP + 1)


def _slid(pick: np.ufunc, levels: Levels, size: int) -> Levels:
    """Return the most or the least of each `size` successive levels, shape (n - size + 1,)."""
    if len(levels) < size:
        return levels[:0]
    step = 1
    while 2 * step <= size:
        levels = pick(levels[:-step], levels[step:])
        step *= 2
    rest = size - step
    return pick(levels[:-rest], levels[rest:]) if rest else levels
