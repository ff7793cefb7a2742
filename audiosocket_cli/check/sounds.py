"""What a probe says: frames of noise that differ, so that each can be recognised in what comes back."""

from __future__ import annotations

from array import array
from random import Random
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Frame, Kind, encode

_QUIETER_BITS: Final = 3
"""Noise of a telephone's loudness, in case somebody listens."""


class Sounds:
    """Payloads that are all different, and the same in each run."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def next(self, ms: int = PTIME_MS, kind: int = Kind.SLIN) -> bytes:
        """Return a payload of audio."""
        return self.of_bytes(RATE_BY_KIND[kind] * ms // 1000 * SAMPLE_BYTES)

    def many(self, count: int, kind: int = Kind.SLIN) -> list[bytes]:
        """Return payloads of 20 ms."""
        return [self.next(kind=kind) for _ in range(count)]

    def of_bytes(self, size: int) -> bytes:
        """Return a payload of this size, which may be odd."""
        samples = array("h", self._random.randbytes(size + size % SAMPLE_BYTES))
        return array("h", (sample >> _QUIETER_BITS | 1 for sample in samples)).tobytes()[:size]


def audio_frame(payload: bytes, kind: int = Kind.SLIN) -> bytes:
    """Return the bytes of an audio frame."""
    return encode(Frame(kind, payload))
