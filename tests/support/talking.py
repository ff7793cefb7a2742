"""Talking to a bot that hears words: what a caller says, and what was heard of what a bot says."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import soundfile

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


def find(heard: Samples, said: Samples) -> tuple[int, float]:
    """Return where `said` fits best into `heard`, and the coefficient of correlation there."""
    size = len(heard) + len(said)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    energy = np.cumsum(np.concatenate([[0.0], heard.astype(np.float64) ** 2]))
    count = len(heard) - len(said) + 1
    norms = np.sqrt(np.maximum(energy[len(said) :] - energy[:count], 1.0) * np.dot(said.astype(np.float64), said))
    likeness = product[:count] / norms
    lag = int(np.argmax(likeness))
    return lag, float(likeness[lag])


def heard_of(heard: Samples, said: Samples, rate_hz: int = RATE_HZ) -> tuple[float, float]:
    """Return when `said` was heard, from when to when, in seconds, if perhaps it was cut short. It begins whole."""
    lag, likeness = find(heard, said[:rate_hz])
    assert likeness > 0.9, f"only {likeness:.2f} alike at {lag / rate_hz:.2f} s"
    step, end = rate_hz // 50, 0
    for start in range(0, min(len(said), len(heard) - lag) - step + 1, step):
        ours, theirs = said[start : start + step].astype(float), heard[lag + start : lag + start + step].astype(float)
        norm = np.sqrt(np.dot(ours, ours) * np.dot(theirs, theirs))
        if norm and np.dot(ours, theirs) / norm > 0.8:
            end = start + step
    return lag / rate_hz, (lag + end) / rate_hz
