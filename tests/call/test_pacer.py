"""The pacer on a fake clock."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.pacer import EARLY_S, Pacer


def test_frame_n_is_due_at_start_plus_n_times_20_ms() -> None:
    pacer = Pacer(5.0)
    taken = []
    for _ in range(3000):
        taken.append(pacer.take(pacer.deadline_s))
    assert taken == pytest.approx([5.0 + n * 0.02 for n in range(3000)])
    assert (pacer.late, pacer.slips) == (0, 0)


def test_sending_slowly_does_not_move_the_deadlines() -> None:
    pacer = Pacer(0.0)
    now_s = 0.0
    for _ in range(3000):
        now_s = max(now_s, pacer.deadline_s) + 0.003  # each send takes 3 ms
        pacer.take(now_s)
    assert pacer.deadline_s == pytest.approx(60.0)


def test_a_late_frame_is_counted_with_its_lateness() -> None:
    pacer = Pacer(0.0)
    pacer.take(0.009)
    pacer.take(0.020 + 0.012)
    assert pacer.late == 1
    assert pacer.worst_lateness_s == pytest.approx(0.012)


@pytest.mark.parametrize(("stall_s", "burst", "slips"), [(0.045, 3, 0), (0.0595, 4, 0), (0.0605, 1, 1)])
def test_a_stall_is_caught_up_at_once_only_as_far_as_a_bridge_can_hold(stall_s: float, burst: int, slips: int) -> None:
    pacer = Pacer(0.0)
    sent = 0
    while pacer.deadline_s <= stall_s + EARLY_S:
        pacer.take(stall_s)
        sent += 1
    assert (sent, pacer.slips) == (burst, slips)


def test_a_long_stall_moves_the_schedule_instead_of_bursting() -> None:
    pacer = Pacer(0.0)
    pacer.take(0.0)
    sent = 0
    while pacer.deadline_s <= 1.0:
        pacer.take(1.0)
        sent += 1
    assert sent == 1
    assert pacer.deadline_s == pytest.approx(1.02)
    assert (pacer.slips, pacer.slipped_s) == (1, pytest.approx(0.98))


def test_restart_sets_the_next_deadline_and_keeps_the_figures() -> None:
    pacer = Pacer(0.0)
    pacer.take(0.015)
    pacer.restart(3.0)
    assert pacer.deadline_s == 3.0
    assert (pacer.taken, pacer.late) == (1, 1)


def test_a_postponed_frame_and_all_after_it_are_due_later_and_none_is_late() -> None:
    pacer = Pacer(10.0)
    pacer.take(10.0)
    pacer.postpone(10.019)
    assert pacer.deadline_s == pytest.approx(10.024)
    assert pacer.take(10.024) == pytest.approx(10.024)
    assert pacer.deadline_s == pytest.approx(10.044)
    assert (pacer.late, pacer.slips, pacer.taken) == (0, 0, 2)
    assert pacer.postponed_s == pytest.approx(0.004)


def test_a_frame_that_is_postponed_late_is_due_soon_and_is_not_caught_up() -> None:
    pacer = Pacer(10.0)
    pacer.postpone(10.05)
    assert pacer.deadline_s == pytest.approx(10.054)
    pacer.take(10.054)
    assert pacer.deadline_s == pytest.approx(10.074)
    assert (pacer.late, pacer.slips) == (0, 0)
    assert pacer.postponed_s == pytest.approx(0.054)
