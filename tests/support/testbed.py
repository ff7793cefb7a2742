"""Calls that a real Asterisk places, by scripts/asterisk-testbed, and what was heard in them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples
from support.running import missing

Place = Callable[..., dict[str, Any]]
"""Places a call to a server, and returns the testbed's account of it: the fixture `place`."""

TESTBED = Path(__file__).parents[2] / "scripts" / "asterisk-testbed"


NORMAL_HANGUP = ("Failed to receive frame from channel", "Failed to forward frame from AudioSocket server")
"""What the application logs, once, whenever the caller hangs up (`audiosocket_run`): the second when it was just about
to hand the caller a frame of ours."""


def testbed(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    return subprocess.run([sys.executable, TESTBED, *args], capture_output=True, text=True, timeout=150, check=False)


testbed.__test__ = False  # type: ignore[attr-defined]


@contextlib.contextmanager
def running_asterisk() -> Iterator[None]:
    """Have an Asterisk run; one that was running before stays."""
    was_running = testbed("status").returncode == 0
    started = testbed("start")
    if started.returncode:
        missing(f"no Asterisk to test with ({started.stderr.strip()})")
    yield
    if not was_running:
        assert testbed("stop").returncode == 0


def messages(account: dict[str, Any]) -> list[str]:
    return [entry["message"] for entry in account["audiosocket_log"]]


def only_a_normal_hangup(account: dict[str, Any]) -> bool:
    """Whether Asterisk has nothing to complain about but that the caller hung up."""
    found = messages(account)
    return found == [] or (len(found) == 1 and found[0].startswith(NORMAL_HANGUP))


def heard_at_far_end(account: dict[str, Any]) -> tuple[Samples, int]:
    """The recording of what the caller heard, made inside Asterisk."""
    samples, rate_hz = soundfile.read(account["recordings"][-1]["path"], dtype="int16")
    return samples, rate_hz


def speechlike(seconds: float, rate_hz: int = 8000) -> Samples:
    """Noise of speech's bandwidth in syllables of its own pattern: no part of it is like another."""
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * rate_hz)))
    frequencies = np.fft.rfftfreq(round(seconds * rate_hz), 1 / rate_hz)
    spectrum[(frequencies < 200) | (frequencies > 3000)] = 0
    signal = np.fft.irfft(spectrum, round(seconds * rate_hz))
    syllables = np.repeat(rng.uniform(0.3, 1.0, round(seconds * 5) + 1), rate_hz // 5)[: len(signal)]
    return (signal / np.abs(signal).max() * syllables * 20000).astype(np.int16)


def best_match(heard: Samples, said: Samples) -> tuple[int, float]:
    """Lag in samples and correlation coefficient where `said` fits best into `heard`."""
    size = len(heard) + len(said)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    lag = int(np.argmax(product[: len(heard) - len(said) + 1]))
    part: NDArray[np.float64] = heard[lag : lag + len(said)].astype(np.float64)
    norm = np.sqrt(np.dot(part, part) * np.dot(said.astype(np.float64), said.astype(np.float64)))
    return lag, float(np.dot(part, said.astype(np.float64)) / norm)
