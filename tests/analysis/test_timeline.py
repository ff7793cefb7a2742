"""Placing audio in time: exact starts, absorbed jitter, real gaps, nothing dropped."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.timeline import MAX_GAPS, Gap, Timeline

D = 0.02


def place(arrivals: Iterable[float], *, until_s: float = float("inf"), duration_s: float = D) -> Timeline[int]:
    timeline: Timeline[int] = Timeline()
    for number, at_s in enumerate(arrivals):
        timeline.add(at_s, duration_s, number)
    timeline.place(until_s)
    return timeline


def starts(arrivals: Iterable[float], duration_s: float = D) -> list[float]:
    """Where each frame starts."""
    timeline: Timeline[int] = Timeline()
    for number, at_s in enumerate(arrivals):
        timeline.add(at_s, duration_s, number)
    position_s, result = 0.0, []
    for silence_s, _ in timeline.place(float("inf")):
        position_s += silence_s
        result.append(position_s)
        position_s += duration_s
    assert position_s == pytest.approx(timeline.end_s)
    return result


def test_steady_frames_lie_end_to_end_from_where_the_first_was_spoken() -> None:
    assert starts([0.5 + n * D for n in range(5)]) == pytest.approx([0.48, 0.50, 0.52, 0.54, 0.56])


def test_a_first_frame_with_the_uuid_starts_the_file() -> None:
    assert starts([0.0, 0.02, 0.04]) == pytest.approx([0.0, 0.02, 0.04])


def test_jitter_leaves_no_gap() -> None:
    rng = random.Random(1)
    arrivals = sorted(1.0 + n * D + rng.uniform(0, 0.05) for n in range(500))
    timeline = place(arrivals)
    assert timeline.gaps == []
    assert timeline.end_s == pytest.approx(1.0 + 499 * D, abs=0.02)


def test_a_pause_becomes_silence_of_its_length() -> None:
    arrivals = [D * (n + 1) for n in range(50)] + [3.0 + D * (n + 1) for n in range(50)]
    timeline = place(arrivals)
    assert timeline.gaps == [Gap(pytest.approx(1.0), pytest.approx(2.0))]
    assert timeline.end_s == pytest.approx(4.0)


def test_what_comes_before_the_first_audio_is_no_gap() -> None:
    timeline = place([5.0, 5.02])
    assert timeline.gaps == []
    assert timeline.end_s == pytest.approx(5.02)


def test_a_stall_followed_by_its_audio_in_a_burst_leaves_no_trace() -> None:
    before = [D * (n + 1) for n in range(10)]
    burst = [0.6 + n * 0.001 for n in range(20)]  # 0.4 s of audio within 20 ms
    after = [0.62 + D * n for n in range(1, 10)]
    timeline = place(before + burst + after)
    assert timeline.gaps == []
    assert timeline.end_s == pytest.approx(39 * D)


def test_the_start_after_a_pause_is_told_by_its_least_delayed_frame() -> None:
    late_first = [2.0 + 0.045, 2.0 + 0.046, 2.0 + 0.047, *(2.0 + D * n for n in range(3, 50))]
    assert starts([D, 2 * D, *late_first])[2] == pytest.approx(2.0 - D, abs=1e-6)


def test_audio_after_silence_already_written_follows_it() -> None:
    timeline: Timeline[str] = Timeline()
    timeline.add(D, D, "a")
    timeline.place(1.0)
    assert timeline.pad(1.0) == pytest.approx(1.0 - D)
    timeline.add(1.0, 0.2, "spoken before 1.0, arrived with it")
    assert [silence_s for silence_s, _ in timeline.place(1.0)] == [0.0]
    assert timeline.end_s == pytest.approx(1.2)
    assert timeline.worst_ahead_s == pytest.approx(0.2)


def test_a_pause_written_in_pieces_is_one_gap() -> None:
    timeline: Timeline[str] = Timeline()
    timeline.add(D, D, "a")
    timeline.place(0.5)
    for until_s in (0.5, 1.0, 1.5):
        timeline.pad(until_s)
    timeline.add(2.0, D, "b")
    timeline.place(3.0)
    assert timeline.gaps == [Gap(pytest.approx(D), pytest.approx(1.96))]


def test_less_than_a_gap_is_not_padded() -> None:
    timeline = place([D, 2 * D])
    assert timeline.pad(2 * D + 0.05) == 0.0


def test_what_follows_on_is_placed_at_once_and_what_comes_after_a_pause_when_it_is_settled() -> None:
    timeline: Timeline[int] = Timeline()
    for n in range(5):
        timeline.add(0.1 * n, 0.1, n)
    for n in range(5):
        timeline.add(0.1 * n + 2, 0.1, n + 5)
    assert timeline.place(0.0) == [(0.0, n) for n in range(5)]
    assert timeline.place(1.9) == []
    assert timeline.place(2.0) == [(pytest.approx(1.4), 5), *((0.0, n) for n in range(6, 10))]


@given(
    steps=st.lists(st.floats(0, 2), min_size=1, max_size=60),
    settles=st.lists(st.floats(0, 0.6), min_size=1, max_size=60),
)
def test_nothing_is_dropped_or_reordered_and_time_is_never_behind(steps: list[float], settles: list[float]) -> None:
    timeline: Timeline[int] = Timeline()
    now_s, items = 0.0, []
    for number, step_s in enumerate(steps):
        now_s += step_s
        timeline.add(now_s, D, number)
        items += timeline.place(now_s - settles[number % len(settles)])
        timeline.pad(now_s - 0.5)
    items += timeline.place(float("inf"))
    assert [item for _, item in items] == list(range(len(steps)))
    assert all(silence_s >= 0 for silence_s, _ in items)
    # The last frame ends no earlier than a gap's length before it arrived.
    assert timeline.end_s >= now_s - 0.06 - 1e-9


def test_last_audio_that_we_read_late_follows_on() -> None:
    timeline = place([D, 2 * D])
    for _ in range(3):
        timeline.add(0.3, D, 0, held_s=0.24)
    timeline.place(float("inf"))
    assert timeline.gaps == []
    assert timeline.end_s == pytest.approx(5 * D)


def test_audio_that_we_read_late_comes_after_the_pause_when_what_follows_says_so() -> None:
    timeline = place([D, 2 * D])
    timeline.add(0.3, D, 0, held_s=0.24)
    for n in range(1, 10):
        timeline.add(0.3 + n * D, D, n)
    timeline.place(float("inf"))
    assert timeline.gaps == [Gap(pytest.approx(2 * D), pytest.approx(0.3 - 3 * D))]


def test_of_more_pauses_than_are_listed_the_others_are_counted() -> None:
    timeline: Timeline[None] = Timeline()
    for number in range(MAX_GAPS + 5):
        timeline.add(0.02 + number, 0.02, None)
        timeline.place(math.inf)
        timeline.pad(0.5 + number)  # each pause grows in two steps
    assert (len(timeline.gaps), timeline.gap_count) == (MAX_GAPS, MAX_GAPS + 5)
    assert timeline.gaps[-1].length_s == pytest.approx(0.98)
    assert timeline.gaps_s == pytest.approx((MAX_GAPS + 4) * 0.98 + 0.48)
    assert timeline.longest_gap_s == pytest.approx(0.98)


# Silence that is sent sparsely.


def placed_quiet(frames: list[tuple[float, bool]], end_s: float) -> Timeline[bool]:
    """Place frames of 20 ms, each with when it arrived and whether it is digital silence."""
    timeline: Timeline[bool] = Timeline(is_quiet=bool)
    for at_s, quiet in frames:
        timeline.add(at_s, 0.02, quiet)
        timeline.place(at_s - 0.5)
        timeline.pad(at_s - 0.5)
    timeline.place(float("inf"))
    timeline.pad(end_s)
    return timeline


@pytest.mark.parametrize(
    ("frames", "gaps"),
    [
        ([(0.1 * number, True) for number in range(1, 60)], []),
        ([(0.1 * number + 0.04 * (number % 3), True) for number in range(1, 60)], []),
        ([(0.1 * (number // 2 * 2), True) for number in range(2, 60)], []),
        ([(0.1 * number, False) for number in range(1, 5)], [(0.1, 0.08), (0.2, 0.08), (0.3, 0.08)]),
        ([(0.02 * number + 0.15 * (number > 50), True) for number in range(1, 100)], [(1.0, 0.15)]),
        ([(0.1 * number + 3 * (number > 20), True) for number in range(1, 40)], [(2.0, 3.08)]),
        ([(0.1 * step, True) for step in range(1, 11)] + [(0.02 * step, False) for step in range(54, 80)], []),
        (
            [(0.02 * step, False) for step in range(1, 51)] + [(0.1 * step, True) for step in range(12, 30)],
            [(1.0, 0.18)],
        ),
    ],
    ids=[
        "every 100 ms", "with jitter", "two at a time", "speech in single frames", "a stall in silence without a break",
        "a stall of sparse silence", "speech after it", "what speech ends with",
    ],
)  # fmt: skip
def test_silence_in_single_frames_has_no_gaps_and_a_stall_has(
    frames: list[tuple[float, bool]], gaps: list[tuple[float, float]]
) -> None:
    timeline = placed_quiet(frames, frames[-1][0])
    assert [(round(gap.start_s, 2), round(gap.length_s, 2)) for gap in timeline.gaps] == gaps
    assert timeline.gap_count == len(gaps)
    assert timeline.gaps_s == pytest.approx(sum(length for _, length in gaps))


@pytest.mark.parametrize("size", [1, 20, 40])
def test_a_stall_in_silence_without_a_break_is_a_gap_wherever_it_comes(size: int) -> None:
    missed = []
    for before in range(1, 400 // size):
        timeline: Timeline[bool] = Timeline(is_quiet=bool)
        # A pause of 60 ms, as a key press makes it, and from then on the silence is less than the time that has passed.
        times = [0.1] + [0.16 + 0.02 * size * (number + 1) for number in range(before)]
        for at_s in [*times, times[-1] + 0.8 + 0.02 * size]:
            timeline.add(at_s, 0.02 * size if at_s > 0.1 else 0.1, True)
            timeline.place(at_s - 0.02)
        timeline.place(float("inf"))
        if round(timeline.gaps_s, 2) != 0.86:
            missed.append(before)
    assert missed == []
