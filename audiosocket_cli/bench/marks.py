"""Marks in the samples: a frame's number, written so softly that it is not speech, and found wherever it comes back.

A mark is twelve samples: four that are always the same, six of the number, two to check them. All are values that µ-law
has, so a mark survives a way on which the audio is µ-law. It needs a server that hands samples back unaltered; how they
are framed, and where a frame begins, does not matter.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.codec import SAMPLE_BYTES

MARK_SAMPLES: Final = 12
MARK_BYTES: Final = MARK_SAMPLES * SAMPLE_BYTES

_LAYOUT: Final = struct.Struct("<4h8h")
_MAGIC_SAMPLES: Final = (88, -104, 64, -80)
_MAGIC: Final = struct.pack("<4h", *_MAGIC_SAMPLES)
_STEP: Final = 8
"""The quietest values of µ-law, from 0 to 120, lie so far apart."""
_BITS: Final = 4
_MASK: Final = (1 << _BITS) - 1
_DIGITS: Final = 6
_CHECK_BITS: Final = 2 * _BITS
_CHECK_PRIME: Final = 251
"""No change of a single sample keeps a number's rest by it."""

MAX_NUMBERS: Final = 1 << _DIGITS * _BITS
"""Numbers that a mark can hold; they wrap after 93 hours of frames."""


def marked(payload: bytes, number: int) -> bytes:
    """Return a frame's payload with its first twelve samples, about -60 dBFS over 20 ms, replaced by a number."""
    return mark(number) + payload[MARK_BYTES:]


def mark(number: int) -> bytes:
    """Return the bytes of a mark."""
    whole = number | _check(number) << _DIGITS * _BITS
    digits = [whole >> shift & _MASK for shift in range(0, _DIGITS * _BITS + _CHECK_BITS, _BITS)]
    return _LAYOUT.pack(*_MAGIC_SAMPLES, *(digit * _STEP for digit in digits))


def _number_of(samples: Sequence[int]) -> int | None:
    """Return the number that the samples after the magic ones hold; None where they are no mark's."""
    whole = 0
    for place, sample in enumerate(samples):
        digit, rest = divmod(sample, _STEP)
        if rest or not 0 <= digit <= _MASK:
            return None
        whole |= digit << place * _BITS
    number, check = whole & MAX_NUMBERS - 1, whole >> _DIGITS * _BITS
    return number if check == _check(number) else None


def _check(number: int) -> int:
    return number % _CHECK_PRIME + 1


class MarkFinder:
    """Finds marks in a stream of frames that comes in batches, and when the frame arrived that a mark begins in."""

    def __init__(self) -> None:
        self._tail = b""
        self._tail_sizes = np.zeros(0, np.int64)
        self._tail_at_s = np.zeros(0)

    def find(self, data: bytes, sizes: NDArray[np.int64], at_s: NDArray[np.float64]) -> list[tuple[int, float]]:
        """Take the next frames: their payloads joined, and for each its size in bytes and its time of arrival.

        Returns (number, time of arrival) of the marks that are whole now.
        """
        stream = self._tail + data
        found: list[tuple[int, float]] = []
        at = stream.find(_MAGIC)
        ends = None
        while 0 <= at <= len(stream) - MARK_BYTES:
            number = None if at % SAMPLE_BYTES else _number_of(_LAYOUT.unpack_from(stream, at)[4:])
            if number is not None:
                if ends is None:
                    ends = np.cumsum(np.concatenate((self._tail_sizes, sizes)))
                frame = int(np.searchsorted(ends, at, side="right"))
                when_s = self._tail_at_s[frame] if frame < len(self._tail_at_s) else at_s[frame - len(self._tail_at_s)]
                found.append((number, float(when_s)))
                at += MARK_BYTES - 1
            at = stream.find(_MAGIC, at + 1)
        self._keep(stream, np.concatenate((self._tail_sizes, sizes)), np.concatenate((self._tail_at_s, at_s)))
        return found

    def _keep(self, stream: bytes, sizes: NDArray[np.int64], at_s: NDArray[np.float64]) -> None:
        """Keep the end of the stream, in which a mark may have begun, and whose frames it is."""
        kept = min(len(stream), MARK_BYTES - 1)
        kept -= (len(stream) - kept) % SAMPLE_BYTES  # begin where a sample does
        ends = np.cumsum(sizes)
        start = len(stream) - kept
        first = int(np.searchsorted(ends, start, side="right"))
        self._tail = stream[start:]
        self._tail_at_s = at_s[first:]
        tail_sizes = sizes[first:].copy()
        if len(tail_sizes):
            tail_sizes[0] = ends[first] - start
        self._tail_sizes = tail_sizes
