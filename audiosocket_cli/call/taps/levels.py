"""How loud a live call is now, for meters: measured for as long as somebody looks, a few times a second."""

from __future__ import annotations

from typing import Final

import numpy as np

from audiosocket_cli.audio.pcm import FULL_SCALE, power_to_dbfs
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, is_audio
from audiosocket_cli.runs import in_runs

_MAX_PIECES: Final = 50
"""How many of the newest chunks are measured: a second of frames, of which a flood has no end."""


def level_of(chunks: Chunks) -> float | None:
    """Return the RMS level of what one side sent, in dBFS; None where it sent no audio."""
    pieces = chunks.pieces[-_MAX_PIECES:]
    if not pieces:
        return None
    first = pieces[0]
    size = len(first)
    if not (is_audio(first[0]) and all(len(piece) == size and piece[:3] == first[:3] for piece in pieces)):
        return _level_of_mixed(chunks)
    frame = HEADER_BYTES + int.from_bytes(first[1:HEADER_BYTES], "big")
    if size % frame or frame & 1 == 0:  # with frames of another kind, or half a sample
        return _level_of_mixed(chunks)
    frames = np.frombuffer(b"".join(pieces), np.uint8).reshape(-1, frame)
    wide = frames[:, HEADER_BYTES:].copy().view("<i2").astype(np.float32).reshape(-1)
    return power_to_dbfs(float(np.dot(wide, wide)) / (len(wide) * FULL_SCALE**2)) if len(wide) else None


def _level_of_mixed(chunks: Chunks) -> float | None:
    energy, samples = 0.0, 0
    for run in in_runs(list(chunks)[-_MAX_PIECES:]):
        for kind, payloads, _ in run.equal():
            width = payloads.shape[1] // SAMPLE_BYTES
            if is_audio(kind) and width:
                wide = np.ascontiguousarray(payloads[:, : width * SAMPLE_BYTES]).view("<i2").astype(np.float32)
                energy += float(np.vdot(wide, wide))
                samples += wide.size
    return power_to_dbfs(energy / (samples * FULL_SCALE**2)) if samples else None
