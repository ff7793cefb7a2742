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
