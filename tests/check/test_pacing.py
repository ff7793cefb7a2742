"""Rates, bursts and lengths from arrivals."""

from __future__ import annotations

import pytest

from audiosocket_cli.check.pacing import made_up_once, pace_of, usual_ms, worst_burst_s
from audiosocket_cli.check.probe import HeardFrame
from audiosocket_cli.codec import Kind


def frames(times_s: list[float], size: int = 320, kind: int = Kind.SLIN) -> list[HeardFrame]:
    return [HeardFrame(at_s, kind, size) for at_s in times_s]


@pytest.mark.parametrize("step_s", [0.02, 0.0203, 0.0198])
def test_the_rate_is_that_of_the_clock(step_s: float) -> None:
    pace = pace_of(frames([number * step_s for number in range(300)]))
    assert pace.rate == pytest.approx(0.02 / step_s, abs=1e-6)
    assert pace.lasted_s == pytest.approx(299 * step_s)


def test_late_frames_weigh_little() -> None:
    times = [number * 0.02 for number in range(300)]
    times[297:] = [6.02, 6.02, 6.02]
    assert pace_of(frames(times)).rate == pytest.approx(1, abs=0.001)


def test_the_longest_stretch_without_a_pause_counts() -> None:
    first = [number * 0.02 for number in range(100)]
    second = [10 + number * 0.03 for number in range(200)]
    pace = pace_of(frames(first + second))
    assert pace.rate == pytest.approx(2 / 3)
    assert pace.lasted_s == pytest.approx(199 * 0.03)


def test_sparse_silence_is_not_continuous() -> None:
    assert pace_of(frames([number * 0.5 for number in range(20)])).lasted_s == 0
    assert pace_of([]).lasted_s == 0
    assert pace_of(frames([0.0] * 1000)).lasted_s == 0


@pytest.mark.parametrize(("together", "burst_s"), [(1, 0.0), (2, 0.02), (6, 0.1), (10, 0.18)])
def test_a_burst_is_what_comes_ahead_of_the_clock(together: int, burst_s: float) -> None:
    times = [number * 0.02 for number in range(50)] + [2.0] * together
    assert worst_burst_s(frames(times)) == pytest.approx(burst_s, abs=1e-6)


def test_what_catches_up_after_a_stall_is_a_burst() -> None:
    times = [number * 0.02 for number in range(50)] + [1.3] * 15
    assert worst_burst_s(frames(times)) == pytest.approx(0.28, abs=1e-6)


def test_long_frames_on_the_clock_are_no_burst() -> None:
    assert worst_burst_s(frames([number * 0.5 for number in range(10)], 8000)) == pytest.approx(0, abs=1e-6)


def test_the_usual_length_is_that_of_most_audio() -> None:
    heard = frames([0.0] * 9) + frames([1.0], 6400, Kind.SLIN16) + [HeardFrame(2.0, Kind.HANGUP, 0)]
    assert usual_ms(heard) == (200.0, 6400, Kind.SLIN16)
    assert usual_ms([HeardFrame(2.0, Kind.DTMF, 1)]) is None


def test_a_short_stall_that_is_made_up_for_is_told_from_a_burst() -> None:
    paced = [number * 0.02 for number in range(100)]
    stalled = [at_s if not 1.0 < at_s < 1.3 else 1.3 for at_s in paced]
    assert worst_burst_s(frames(stalled)) > 0.2
    assert made_up_once(frames(paced))
    assert made_up_once(frames(stalled))
    at_start = [max(0.0, at_s - 0.3) for at_s in paced]
    chunks = [at_s - at_s % 0.2 for at_s in paced]
    after_a_thought = [*paced, *([3.5] * 30)]
    for times in (at_start, chunks, after_a_thought):
        assert not made_up_once(frames(times))
