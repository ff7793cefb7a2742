"""Audio at all nine rates, from a file through a call into a file: as loud, as long, and nothing that was not there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


Made = dict[int, tuple[Path, dict[str, Any]]]
"""By rate: a recording, and the JSON of its call."""


def start(*args: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *map(str, args)], stdout=subprocess.PIPE, text=True)


def until_undisturbed(call_at: Callable[[list[int]], Made], heard: str) -> dict[int, Path]:
    """Make a call at each rate, and again where a busy machine made a pause: that is recorded as one, as it should be.

    As many are made at a time as a small machine can start while it keeps time.
    """
    good: dict[int, Path] = {}
    for _ in range(5):
        left = [rate_hz for rate_hz in RATES if rate_hz not in good]
        for first in range(0, len(left), 3):
            for rate_hz, (path, call) in call_at(left[first : first + 3]).items():
                if not call[heard].get("gap_count"):
                    good[rate_hz] = path
    return good


def test_a_sweep_that_callers_play_is_recorded_as_it_was(serve: Serve, sweep: Path, tmp_path: Path) -> None:
    serving = serve("--record", "calls/{peer}.wav", "--json")

    def call_at(rates: list[int]) -> Made:
        playing = [start("play", sweep, serving.target, "--rate", rate_hz) for rate_hz in rates]
        for process in playing:
            process.communicate(timeout=30)
        assert [process.returncode for process in playing] == [0] * len(rates)
        ended = [json.loads(serving.wait_for('"event": "ended"')) for _ in rates]
        made = [(tmp_path / event["files"][0], event["call"]) for event in ended]
        return {soundfile.info(path).samplerate: (path, call) for path, call in made}

    recordings = until_undisturbed(call_at, "caller")
    assert sorted(recordings) == RATES
    for rate_hz, path in recordings.items():
        judge(soundfile.read(path)[0], rate_hz)


def test_a_sweep_that_a_server_plays_is_recorded_as_it_was(serve: Serve, sweep: Path, tmp_path: Path) -> None:
    serving = serve("--play", sweep, "--hangup")

    def call_at(rates: list[int]) -> Made:
        paths = {rate_hz: tmp_path / f"{rate_hz}.wav" for rate_hz in rates}
        recording = [
            start("record", path, serving.target, "--kind", kind_name(kind_of(rate_hz)), "--force", "--json")
            for rate_hz, path in paths.items()
        ]
        told = [process.communicate(timeout=30)[0] for process in recording]
        assert [process.returncode for process in recording] == [0] * len(rates)
        ended = [json.loads(text.splitlines()[-1]) for text in told]
        return {rate_hz: (paths[rate_hz], event["call"]) for rate_hz, event in zip(rates, ended, strict=True)}

    recordings = until_undisturbed(call_at, "server")
    assert sorted(recordings) == RATES
    for expected_hz, path in recordings.items():
        samples, rate_hz = soundfile.read(path)
        assert rate_hz == expected_hz
        first = np.flatnonzero(samples)[0]
        heard = samples[max(0, first - 2) :]
        judge(heard[: round(SWEEP_S * rate_hz)], rate_hz)
