"""Where a sound is in another, and how alike the two are."""

from __future__ import annotations

import numpy as np

from audiosocket_cli.audio.pcm import Samples


def place_of(part: Samples, whole: Samples) -> tuple[int, float]:
    """Return where a sound is in another, in samples, and how alike they are there: 1.0 for the same at any level."""
    size = 1 << (len(part) + len(whole)).bit_length()
    first, second = part.astype(float), whole.astype(float)
    alike = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)[: len(whole)]
    at = int(alike.argmax())
    there = second[at : at + len(part)]
    loudness = np.linalg.norm(there) * np.linalg.norm(first)
    return at, float(np.dot(there, first[: len(there)]) / loudness) if loudness else 0.0


def alikeness(said: Samples, heard: Samples, rate_hz: int = 8000) -> float:
    """Return how alike most seconds of a sound are to what was heard of them, wherever that is, 1.0 at best.

    A machine that stood still may have spoilt one second, and moved those after it.
    """
    starts = range(0, len(said) - rate_hz + 1, rate_hz)
    return float(np.median([place_of(said[start : start + rate_hz], heard)[1] for start in starts]))
