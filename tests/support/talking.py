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


def find(heard: Samples, said: Samples) -> tuple[int, float]:
    """Return where `said` fits best into `heard`, and the coefficient there."""
    found = likenesses(heard, said)
    lag = int(np.argmax(found))
    return lag, float(found[lag])


class Utterance(NamedTuple):
    """A text, as it was heard."""

    begun_s: float
    ended_s: float
    """When the last of it was heard, which may have been cut short."""
    share: float
    """How much of its loud parts was heard."""


LATE_S = 0.3
"""How much later than the part before it a part may be heard: a busy machine lets a bot falter."""

LOUD = 1000


def heard_of(heard: Samples, said: Samples, rate_hz: int = RATE_HZ, after_s: float = 0.0) -> Utterance:
    """Return how `said` was heard for the first time after `after_s`, tenth of a second by tenth."""
    size, step = rate_hz // 10, rate_hz // 50
    first, last = (int(place) for place in np.flatnonzero(np.abs(said) > LOUD)[[0, -1]])
    skipped = round(after_s * rate_hz)
    alike = likenesses(heard[skipped:], said[first : first + 6 * size])
    assert alike.max() > 0.7, f"at best {alike.max():.2f} alike"
    place = int(np.argmax(alike > 0.9 * alike.max()))  # the first of the best
    place += int(np.argmax(alike[place : place + step]))
    begun = lag = skipped + place - first
    parts = [start for start in range(first, last, size) if np.abs(said[start : start + size]).max() > LOUD]
    found, last_found, end = 0, first, 0
    for start in parts:
        if start - last_found > 2 * LATE_S * rate_hz:
            break
        part, around = said[start : start + size], lag + start - step // 4
        window = heard[around : around + size + round(LATE_S * rate_hz)]
        place, likeness = find(window, part) if len(window) > size else (0, 0.0)
        if likeness > 0.9:
            found, last_found = found + 1, start
            lag, end = around + place - start, around + place + len(part)
    return Utterance(begun / rate_hz, end / rate_hz, found / len(parts))
