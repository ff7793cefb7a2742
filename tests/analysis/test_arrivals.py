"""The pace of arrivals: what audio is, whatever the network does to its times."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.arrivals import Arrivals
from support.captured import run_at


def pace_of(at_s: np.ndarray, duration_s: float) -> float:  # type: ignore[type-arg]
    arrivals = Arrivals()
    arrivals.note(run_at(at_s, duration_s))
    return arrivals.pace


@pytest.mark.parametrize("ptime_ms", [10, 20, 60])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9], ids=["steady", "jittery", "very jittery"])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0], ids=["half of its label", "as its label", "twice its label"])
def test_jitter_makes_no_pace(ptime_ms: int, share: float, speed: float) -> None:
    rng = np.random.default_rng(1)
    step_s = ptime_ms / 1000
    at_s = np.arange(400) * step_s
    at_s = np.sort(at_s + rng.uniform(0, share * step_s, 400))
    assert pace_of(at_s, step_s * speed) == pytest.approx(speed, rel=0.05)


def test_pauses_and_bursts_make_no_pace() -> None:
    at_s = np.arange(600) * 0.02
    at_s[200:] += 3.0  # a pause
    at_s[400:410] = at_s[409]  # a stall
    assert pace_of(at_s, 0.02) == pytest.approx(1.0, rel=0.02)


def test_a_second_of_audio_is_needed() -> None:
    assert pace_of(np.arange(50) * 0.02, 0.02) == 0.0
    assert pace_of(np.arange(60) * 0.02, 0.02) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [1, 7, 45, 700])
def test_jitter_is_smoothed_from_arrival_to_arrival_however_they_are_batched(size: int) -> None:
    rng = np.random.default_rng(2)
    at_s = np.arange(2000) * 0.02 + rng.uniform(0, 0.015, 2000)
    at_s[500:] += 1.5  # a pause is no jitter
    expected_s = 0.0
    for step_s in np.diff(at_s):
        if abs(step_s - 0.02) <= 0.04:
            expected_s += (abs(step_s - 0.02) - expected_s) / 16
    arrivals = Arrivals()
    for start in range(0, 2000, size):
        arrivals.note(run_at(at_s[start : start + size], 0.02))
    assert arrivals.jitter_s == pytest.approx(expected_s, rel=1e-6)


def test_what_a_network_holds_back_and_lets_go_does_not_come_at_one_pace() -> None:
    jittery, held_back = Arrivals(), Arrivals()
    jittery.note(run_at(np.arange(400) * 0.02 + np.random.default_rng(3).uniform(0, 0.018, 400), 0.01))
    assert jittery.is_steady
    held_back.note(run_at(np.cumsum(np.repeat([0.04, 0.01, 0.03, 0.01], 100)), 0.02))
    assert not held_back.is_steady


@pytest.mark.parametrize(("slow", "is_slow"), [(150, False), (250, False), (400, True)])
def test_audio_is_slow_where_most_of_it_is(slow: int, *, is_slow: bool) -> None:
    """A slow link delivers at changing paces, all below 1; a pause makes a short call seem slow at its edges alone."""
    arrivals = Arrivals()
    steps = np.concatenate([np.resize([0.03, 0.05], slow), np.full(500 - slow, 0.02)])
    arrivals.note(run_at(np.cumsum(steps), 0.02))
    assert arrivals.is_slow == is_slow
