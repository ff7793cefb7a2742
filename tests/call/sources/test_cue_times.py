"""When frames are due that are played again, by each timing."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.sources.actions import Cue
from audiosocket_cli.call.sources.cue_times import FAST_FRAMES, FAST_STEP_S, CueTimes, ReplayOptions, Timing
from audiosocket_cli.codec import Frame, Kind

FRAME = Frame(Kind.SLIN, bytes(320))


def due_s(options: ReplayOptions, *at_s: float | None, end_s: float = 0.0) -> list[float]:
    """When each cue is due, and then the end."""
    times, found = CueTimes(options, end_s), []
    for cue_s in at_s:
        times.plan(Cue(cue_s, FRAME), goes_on=False)
        found.append(times.due_s)
        times.say(FRAME)
    times.plan(None, goes_on=False)
    return [*found, times.due_s]


@pytest.mark.parametrize(
    ("options", "expected_s"),
    [
        (ReplayOptions(), [0.0, 0.021, 1.5, 1.52, 2.0]),
        (ReplayOptions(speed=2), [0.0, 0.0105, 0.75, 0.76, 1.0]),
        (ReplayOptions(Timing.MEDIA), [0.0, 0.02, 0.04, 0.06, 2.0]),
        (ReplayOptions(fill=True), [0.0, 0.02, 0.04, 0.06, 0.08]),
    ],
    ids=["recorded", "twice as fast", "media", "for Asterisk"],
)
def test_frames_are_due_at_their_time_or_when_the_one_before_is_said(
    options: ReplayOptions, expected_s: list[float]
) -> None:
    assert due_s(options, 0.0, 0.021, 1.5, None, end_s=2.0) == pytest.approx(expected_s)


def test_fast_is_a_step_for_so_many() -> None:
    count = 3 * FAST_FRAMES
    assert due_s(ReplayOptions(Timing.FAST), *[1.0] * count)[-2] == pytest.approx(3 * FAST_STEP_S)


def test_silence_fills_the_time_until_a_frame_is_due() -> None:
    times, cue, filled = CueTimes(ReplayOptions(fill=True), 0.0), Cue(1.0, FRAME), 0
    times.plan(cue, goes_on=False)
    while times.has_to_wait(cue, goes_on=False):
        times.fill()
        filled += 1
    assert filled == 50
    assert times.due_s == pytest.approx(1.0)
