"""The levels of a run's audio in blocks of `BLOCK_S`, whatever its frames are like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.noise_floor import BLOCK_S, levels_of
from audiosocket_cli.audio.pcm import frame_powers
from audiosocket_cli.mixed_runs import MixedRun
from audiosocket_cli.runs import EqualRun, FrameRun

Piece = tuple[float, bytes]
"""Audio that follows on: how long it is, in seconds, and the levels of its blocks."""

_SAME_S: Final = 1e-6


def pieces_of(run: FrameRun) -> Iterator[Piece]:
    """Yield a piece for each of a run's `parts`."""
    counts = [part[2] for part in run.parts]
    return _mixed(run, counts) if isinstance(run, MixedRun) else _equal(run, counts)


def piece_of(run: EqualRun) -> Piece:
    """Return all of a run as one piece, whenever its frames came."""
    return next(_equal(run, [len(run)]))


def _equal(run: EqualRun, counts: Sequence[int]) -> Iterator[Piece]:
    """Yield so many frames as a piece, in turn."""
    if not run.has_samples:
        yield from ((0.0, b"") for _ in counts)
        return
    frame_s, start = run.frame_s, 0
    blocks = max(1, int(frame_s / BLOCK_S + 0.5))
    if blocks > 1 or abs(frame_s - BLOCK_S) < _SAME_S:
        levels = levels_of(run.powers if blocks == 1 else _powers_of_long(run, blocks))
        for count in counts:
            yield count * frame_s, levels[start * blocks : (start + count) * blocks]
            start += count
        return
    powers = run.powers
    for count in counts:
        yield count * frame_s, levels_of(_joined(powers[start : start + count], frame_s))
        start += count


def _powers_of_long(run: EqualRun, blocks: int) -> NDArray[np.float64]:
    """Return the powers of so many blocks in each frame."""
    samples = run.samples
    size = samples.shape[1] // blocks
    return frame_powers(samples[:, : size * blocks].reshape(-1, size))


def _joined(powers: NDArray[np.float64], frame_s: float) -> NDArray[np.float64]:
    """Return the powers of blocks, given those of frames that are shorter, or a little longer."""
    many = max(1, int(BLOCK_S / frame_s + 0.5))
    if many == 1:
        return powers
    begins = np.arange(0, len(powers), many)
    joined: NDArray[np.float64] = np.add.reduceat(powers, begins) / np.diff(begins, append=len(powers))
    return joined


def _mixed(run: MixedRun, counts: Sequence[int]) -> Iterator[Piece]:
    """Yield the pieces of frames that keep changing: their power is spread over the time that they last."""
    powers = np.zeros(len(run.sound_s))
    for one in run.audio:
        if one.loudness.peak:
            powers[one.sounds] = one.loudness.powers
    ends_s = np.cumsum(run.sound_s)
    energies = np.concatenate([[0.0], np.cumsum(powers * run.sound_s)])
    places_s = np.concatenate([[0.0], ends_s])
    start = 0
    for count in counts:
        first_s, last_s = float(places_s[start]), float(places_s[start + count])
        start += count
        edges = np.linspace(first_s, last_s, max(1, int((last_s - first_s) / BLOCK_S + 0.5)) + 1)
        length_s = (last_s - first_s) / (len(edges) - 1)
        of_blocks = np.diff(np.interp(edges, places_s, energies))
        yield last_s - first_s, levels_of(np.maximum(of_blocks / length_s, 0.0)) if length_s else b""
