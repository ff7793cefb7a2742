"""Frames of many kinds and lengths in turn, as bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode
from audiosocket_cli.mixed_runs import MixedFrames


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


RNG = random.Random(5)


AUDIO = range(Kind.SLIN, Kind.SLIN192 + 1)


MIXES: dict[str, Callable[[int], bytes]] = {
    "one sample": lambda n: frame(Kind.SLIN, b"\1\2"),
    "two kinds": lambda n: frame(Kind.SLIN + n % 2, b"\1\2"),
    "ten kinds": lambda n: frame([*AUDIO, 0x77][n % 10], b"\1\2"),
    "two lengths": lambda n: frame(Kind.SLIN, b"\1\2" * (1 + n % 2)),
    "an unknown kind in turn": lambda n: frame(Kind.SLIN if n % 2 else 0x77, b"\1\2"),
    "digits": lambda n: frame(Kind.DTMF, b"5"),
    "empty": lambda n: frame(Kind.SLIN, b""),
    "random lengths": lambda n: frame(RNG.choice(AUDIO), b"\1\2" * RNG.randrange(30)),
    "all kinds": lambda n: frame(RNG.randrange(1, 256), b"\1\2" * RNG.randrange(4)),
}


def chunks_of(frames: Sequence[Frame], together: int) -> list[tuple[float, float, int, bytes]]:
    """Frames as they are kept, so many at once."""
    decoder, chunks = FrameDecoder(), []
    stream = b"".join(map(encode, frames))
    data, starts = decoder.take(stream, together)
    while starts:
        chunks.append((0.02 * len(chunks), 0.0, len(starts), MixedFrames(data, starts)))
        data, starts = decoder.take(b"", together)
    return chunks
