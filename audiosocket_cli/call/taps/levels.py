"""How loud a live call is now, for meters: measured for as long as somebody looks, a few times a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, frames_from_slin, power_to_dbfs
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, is_audio
from audiosocket_cli.mixed_runs import MixedFrames, MixedRun

_MAX_PIECES: Final = 50
"""How many of the newest chunks are measured: a second of frames, of which a flood has no end."""


def level_of(pieces: Sequence[bytes]) -> float | None:
    """Return the RMS level of what one side sent, chunks of whole frames, in dBFS; None where it sent no audio."""
    pieces = pieces[-_MAX_PIECES:]
    energy, samples = 0.0, 0
    for payloads in _joined(pieces) if _are_alike(pieces) else _each(pieces):
        wide = frames_from_slin(payloads).astype(np.float32).reshape(-1)
        energy += float(np.dot(wide, wide))
        samples += len(wide)
    return power_to_dbfs(energy / (samples * FULL_SCALE**2)) if samples else None


def _are_alike(pieces: Sequence[bytes]) -> bool:
    """Whether all are equal frames of audio, as nearly always."""
    if not pieces:
        return False
    first = pieces[0]
    return (
        type(first) is bytes
        and is_audio(first[0])
        and len(first) > HEADER_BYTES
        and len(set(map(len, pieces))) == 1
        and all(map(bytes.startswith, pieces, repeat(first[:HEADER_BYTES])))
        and MixedFrames not in set(map(type, pieces))
    )


def _joined(pieces: Sequence[bytes]) -> Iterator[NDArray[np.uint8]]:
    yield _payloads_of(b"".join(pieces))


def _each(pieces: Sequence[bytes]) -> Iterator[NDArray[np.uint8]]:
    """Yield the payloads of audio, shape (n, bytes), of frames that are not all alike."""
    for piece in pieces:
        if isinstance(piece, MixedFrames):
            for kind, payloads, _ in MixedRun([(0.0, 0.0, len(piece.starts), piece)]).equal():
                if is_audio(kind) and payloads.shape[1] >= SAMPLE_BYTES:
                    yield payloads
        elif is_audio(piece[0]) and len(piece) > HEADER_BYTES:
            yield _payloads_of(piece)


def _payloads_of(data: bytes) -> NDArray[np.uint8]:
    """Return the payloads of frames with one header, shape (n, bytes)."""
    frame = HEADER_BYTES + int.from_bytes(data[1:HEADER_BYTES], "big")
    return np.frombuffer(data, np.uint8).reshape(-1, frame)[:, HEADER_BYTES:]
