"""Talking to a bot that hears words: what a caller says, and what was heard of what a bot says."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples
from support.running import need

RATE_HZ = 8000


def voice(text: str) -> Samples:
    """Return what the example bots' voice makes of a text."""
    flite = [need("flite"), "-voice", "kal", "-t", text, "-o", "/dev/stdout"]
    made = subprocess.run(flite, check=True, capture_output=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(made), dtype="int16")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


def write_caller(path: Path, *parts: float | str) -> None:
    """Write a caller's words into a sound file, with so many seconds of silence between."""
    sounds = [voice(part) if isinstance(part, str) else np.zeros(round(part * RATE_HZ), np.int16) for part in parts]
    soundfile.write(path, np.concatenate(sounds), RATE_HZ, subtype="PCM_16")


def likenesses(heard: Samples, said: Samples) -> NDArray[np.float64]:
    """Return the coefficient of correlation of `said` with each place in `heard`."""
    size = len(heard) + len(said)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    energy = np.cumsum(np.concatenate([[0.0], heard.astype(np.float64) ** 2]))
    count = len(heard) - len(said) + 1
    own = np.dot(said.astype(np.float64), said)
    return product[:count] / np.sqrt(np.maximum(energy[len(said) :] - energy[:count], own / 100) * own)


class Utterance(NamedTuple):
    """A text, as it was heard."""

    begun_s: float
    ended_s: float
    """When the last of it was heard, which may have been cut short."""
    share: float
    """How much of its loud parts was heard."""


LOUD = 1000

LATE_S = 0.3
"""How much later than its beginning a part may be heard, beyond its place: a busy machine lets a bot falter."""


def heard_of(heard: Samples, said: Samples, rate_hz: int = RATE_HZ, after_s: float = 0.0) -> Utterance:
    """Return how `said` was heard for the first time after `after_s`.

    Each fifth of a second of it is looked for by itself, and three that agree on when it began are enough.
    """
    size, skipped = rate_hz // 5, round(after_s * rate_hz)
    first, last = (int(place) for place in np.flatnonzero(np.abs(said) > LOUD)[[0, -1]])
    starts = [
        start
        for start in range(first, max(first + 1, last - size), size)
        if np.abs(said[start : start + size]).max() > LOUD
    ]
    votes = []
    for start in starts:
        alike = likenesses(heard[skipped:], said[start : start + size])
        while alike.max() > 0.9:
            place = int(np.argmax(alike))
            votes.append((skipped + place - start, start))
            alike[max(0, place - size) : place + size] = 0
    needed = min(3, len(starts))
    for begun, _ in sorted(votes):
        agreeing = [vote for vote in votes if 0 <= vote[0] - begun <= LATE_S * rate_hz]
        if len({start for _, start in agreeing}) >= needed:
            break
    else:
        raise AssertionError(f"not heard: {len(votes)} of {len(starts)} parts, and they do not agree")
    lag, start = max(agreeing, key=lambda vote: vote[1])
    end = lag + _alike_until(heard[lag:], said, start + size, rate_hz // 50)
    return Utterance(begun / rate_hz, end / rate_hz, len({start for _, start in agreeing}) / len(starts))


def _alike_until(heard: Samples, said: Samples, start: int, step: int) -> int:
    """Return how far, from `start` on, each `step` samples of both are alike."""
    while len(ours := said[start : start + step].astype(float)) == step:
        theirs = heard[start : start + step].astype(float)
        norm = np.sqrt(np.dot(ours, ours) * np.dot(theirs, theirs)) if len(theirs) == step else 0
        if not norm or np.dot(ours, theirs) / norm < 0.8:
            break
        start += step
    return start
