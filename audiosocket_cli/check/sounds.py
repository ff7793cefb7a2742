"""What a probe says: frames of noise that differ, so that each can be recognised in what comes back.

All samples are values that µ-law has: so they come back bit for bit, too, from a server that is reached through µ-law.
"""

from __future__ import annotations

from array import array
from random import Random
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.pcm import decode_law
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Frame, Kind, encode

_PEAK: Final = 4096
"""Noise of a telephone's loudness, in case somebody listens."""

_LEVELS: Final = [level for level in decode_law(bytes(range(256)), "µ-law").tolist() if 0 < abs(level) < _PEAK]
_SAMPLES: Final = [_LEVELS[byte % len(_LEVELS)] for byte in range(256)]
"""A sample for each byte; none is 0, which would be silence."""


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
        count = (size + 1) // SAMPLE_BYTES
        return array("h", [_SAMPLES[byte] for byte in self._random.randbytes(count)]).tobytes()[:size]


def audio_frame(payload: bytes, kind: int = Kind.SLIN) -> bytes:
    """Return the bytes of an audio frame."""
    return encode(Frame(kind, payload))
