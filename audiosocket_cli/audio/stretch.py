"""Makes sound slightly shorter or longer, inaudibly: for clocks that run fast or slow."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples

EDGE: Final = 16
"""Samples at both ends that stay as they are, so that pieces fit together; also half the width of the filter."""

MIN_SAMPLES: Final = 160
"""Fewer samples than this are not stretched."""

_PLACES: Final = 2048
"""How many places between two samples are distinguished: the error is 65 dB down at the top of the band."""

_BETA: Final = 7.5
"""Of the filter's window (Kaiser): images 77 dB down beyond 1.15 times half the rate."""

_BLOCK: Final = 8192


def stretched(samples: Samples, count: int) -> Samples:
    """Return samples, shape (n,), as `count` of them that sound the same; the first and last `EDGE` are not changed.

    In between, each sample is interpolated by a windowed sinc, from slightly earlier or later in the signal. Raises
    ValueError for fewer than `MIN_SAMPLES`.
    """
    if count == len(samples):
        return samples
    if min(count, len(samples)) < MIN_SAMPLES:
        raise ValueError(f"{len(samples)} samples are too few to make {count} of them")
    made = np.empty(count, np.int16)
    made[:EDGE], made[-EDGE:] = samples[:EDGE], samples[-EDGE:]
    windows = sliding_window_view(samples.astype(np.float32), 2 * EDGE)
    ratio = (len(samples) - 2 * EDGE) / (count - 2 * EDGE)
    for start in range(EDGE, count - EDGE, _BLOCK):
        end = min(start + _BLOCK, count - EDGE)
        place = EDGE + (np.arange(start, end) - EDGE) * ratio
        before = place.astype(np.int64)
        taps = _taps()[np.rint((place - before) * _PLACES).astype(np.int64)]
        sums = np.einsum("ij,ij->i", windows[before - EDGE + 1], taps)
        made[start:end] = np.clip(np.rint(sums), -32768, 32767)
    return made


@functools.cache
def _taps() -> NDArray[np.float32]:
    """Return the weight of each sample around a place, shape (places + 1, 2 * EDGE)."""
    offset = np.arange(1 - EDGE, EDGE + 1) - np.linspace(0, 1, _PLACES + 1)[:, None]
    window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (offset / EDGE) ** 2)))
    taps = np.sinc(offset) * window
    shares: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
