"""Audio at all nine rates, from a file through a call into a file: as loud, as long, and nothing that was not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.codec import KIND_BY_RATE, kind_name, kind_of
from support.running import COMMAND, Serve

Floats = NDArray[np.float64]

SWEEP_RATE_HZ = 48000
SWEEP_S = 3.0
SWEEP_TOP_HZ = 23000.0
PEAK = 0.5
STEP_S = 0.05

RATES = list(KIND_BY_RATE)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sine that rises from 0 to 23 kHz in 3 s, at 48 kHz, and ends without a click, which would be of all pitches."""
    seconds = np.arange(round(SWEEP_RATE_HZ * SWEEP_S)) / SWEEP_RATE_HZ
    fade = np.sin(np.pi / 2 * np.minimum(1.0, (SWEEP_S - seconds) / 0.03)) ** 2
    path = tmp_path / "sweep.wav"
    soundfile.write(path, PEAK * fade * np.sin(np.pi * SWEEP_TOP_HZ / SWEEP_S * seconds**2), SWEEP_RATE_HZ, "FLOAT")
    return path


def judge(heard: Floats, rate_hz: int) -> None:
    """Hold a sweep that went through a call against the sweep that it was."""
    assert len(heard) == round(SWEEP_S * rate_hz)
    size = round(STEP_S * rate_hz)
    steps = heard[: len(heard) // size * size].reshape(-1, size)
    power_db = 20 * np.log10(np.sqrt((steps**2).mean(axis=1)) / (PEAK / np.sqrt(2)) + 1e-9)
    starts_hz = np.arange(len(steps)) * STEP_S / SWEEP_S * SWEEP_TOP_HZ
    ends_hz = starts_hz + STEP_S / SWEEP_S * SWEEP_TOP_HZ
    inside = (ends_hz < 0.9 * min(rate_hz, SWEEP_RATE_HZ) / 2) & (starts_hz > 0)
    beyond = starts_hz > rate_hz / 2 * 1.02
    assert np.abs(power_db[inside]).max() < 0.1
    assert power_db[beyond].max(initial=-120.0) < -60  # it would be heard folded back
    if rate_hz > SWEEP_RATE_HZ:
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
        image = np.fft.rfftfreq(len(heard), 1 / rate_hz) > SWEEP_RATE_HZ / 2
        assert 10 * np.log10(spectrum[image].sum() / spectrum.sum()) < -60


def in_threes() -> list[list[int]]:
    """The nine rates as many at a time as a small machine can start while it keeps time."""
    return [RATES[first : first + 3] for first in range(0, len(RATES), 3)]


def start(*args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, *map(str, args)], stdout=subprocess.DEVNULL)


def test_a_sweep_that_callers_play_is_recorded_as_it_was(serve: Serve, sweep: Path, tmp_path: Path) -> None:
    serving = serve("--record", "calls/{peer}.wav", "--calls", len(RATES))
    for rates in in_threes():
        playing = [start("play", sweep, serving.target, "--rate", rate_hz) for rate_hz in rates]
        assert [process.wait(30) for process in playing] == [0, 0, 0]
    assert serving.end(0)[0] == 0
    recordings = [soundfile.read(path) for path in sorted((tmp_path / "calls").glob("*.wav"))]
    assert sorted(rate_hz for _, rate_hz in recordings) == RATES
    for heard, rate_hz in recordings:
        judge(heard, rate_hz)


def test_a_sweep_that_a_server_plays_is_recorded_as_it_was(serve: Serve, sweep: Path, tmp_path: Path) -> None:
    serving = serve("--play", sweep, "--hangup")
    for rates in in_threes():
        recording = [
            start("record", tmp_path / f"{hz}.wav", serving.target, "--kind", kind_name(kind_of(hz))) for hz in rates
        ]
        assert [process.wait(30) for process in recording] == [0, 0, 0]
    for expected_hz in RATES:
        samples, rate_hz = soundfile.read(tmp_path / f"{expected_hz}.wav")
        assert rate_hz == expected_hz
        first = np.flatnonzero(samples)[0]
        heard = samples[max(0, first - 2) :]
        judge(heard[: round(SWEEP_S * rate_hz)], rate_hz)
