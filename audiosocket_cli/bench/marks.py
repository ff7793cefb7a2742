"""Marks in the samples: a frame's number, written so softly that it is not speech, and found wherever it comes back.

A mark is eight samples: four that are always the same, three of the number, one to check them. It needs a server that
hands samples back unaltered; how they are framed, and where a frame begins, does not matter.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.codec import SAMPLE_BYTES

MARK_SAMPLES: Final = 8
MARK_BYTES: Final = MARK_SAMPLES * SAMPLE_BYTES

_LAYOUT: Final = struct.Struct("<4h4h")
_MAGIC_SAMPLES: Final = (89, -107, 61, -83)
_MAGIC: Final = struct.pack("<4h", *_MAGIC_SAMPLES)
_BITS: Final = 7
_MASK: Final = (1 << _BITS) - 1

MAX_NUMBERS: Final = 1 << 3 * _BITS
"""Numbers that a mark can hold; they wrap after 11 hours of frames."""


def marked(payload: bytes, number: int) -> bytes:
    """Return a frame's payload with its first eight samples, about -60 dBFS over 20 ms, replaced by a number."""
    return mark(number) + payload[MARK_BYTES:]


def mark(number: int) -> bytes:
    """Return the bytes of a mark."""
    digits = [number >> shift & _MASK for shift in (0, _BITS, 2 * _BITS)]
    return _LAYOUT.pack(*_MAGIC_SAMPLES, *digits, _check(*digits))


def _check(low: int, middle: int, high: int) -> int:
    return (low * 3 + middle * 5 + high * 7 + 1) & _MASK


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
            low, middle, high, check = _LAYOUT.unpack_from(stream, at)[4:]
            if at % SAMPLE_BYTES == 0 and min(low, middle, high) >= 0 and check == _check(low, middle, high):
                if ends is None:
                    ends = np.cumsum(np.concatenate((self._tail_sizes, sizes)))
                frame = int(np.searchsorted(ends, at, side="right"))
                when_s = self._tail_at_s[frame] if frame < len(self._tail_at_s) else at_s[frame - len(self._tail_at_s)]
                found.append((low | middle << _BITS | high << 2 * _BITS, float(when_s)))
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
