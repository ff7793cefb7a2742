"""Frames at times of their own: each deadline as it was given, however late the schedule is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.pacer import MAX_CATCH_UP_S
from audiosocket_cli.call.sources.schedule import LOOK_AGAIN_S, Schedule


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=30), st.floats(0.0, MAX_CATCH_UP_S - 1e-6))
def test_each_frame_is_due_when_it_was_said_to_be(steps_s: list[float], late_s: float) -> None:
    schedule = Schedule()
    schedule.restart(100.0)
    due_s = 0.0
    for step_s in steps_s:
        assert schedule.deadline_s == pytest.approx(100.0 + due_s)
        schedule.hand_out(due_s + step_s)
        assert schedule.take(100.0 + due_s + late_s) == pytest.approx(100.0 + due_s)
        due_s += step_s
    assert schedule.deadline_s == pytest.approx(100.0 + due_s)
    assert schedule.at_s(1.5) == 1.5


def test_where_the_peer_does_not_read_all_that_follows_comes_later() -> None:
    schedule = Schedule()
    schedule.restart(100.0)
    schedule.hand_out(1.0)
    schedule.take(100.0)
    assert schedule.take(101.0) == 101.0
    assert schedule.deadline_s == pytest.approx(101.0 + LOOK_AGAIN_S)
    assert schedule.at_s(2.0) == pytest.approx(2.0 + LOOK_AGAIN_S)


def test_frames_that_go_out_late_are_counted() -> None:
    schedule = Schedule()
    schedule.restart(100.0)
    for late_s in (0.001, 0.2):
        schedule.hand_out(0.0)
        schedule.take(100.0 + late_s)
    assert (schedule.late, schedule.worst_lateness_s) == (1, pytest.approx(0.2))
