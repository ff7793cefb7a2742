"""Waits before the next try."""

from __future__ import annotations

from audiosocket_cli.outbox.back_off import wait_after


def test_waits_grow_to_a_bound_and_differ() -> None:
    waits = [wait_after(failures) for failures in range(1, 40)]
    assert 0.5 <= waits[0] <= 1.0
    assert all(30 <= wait_s <= 60 for wait_s in waits[6:])
    assert len(set(waits)) == len(waits)


def test_a_slow_beginning_has_the_same_bound() -> None:
    assert 7.5 <= wait_after(1, first_s=15.0) <= 15.0
    assert 30 <= wait_after(3, first_s=15.0) <= 60.0


def test_a_day_of_failures_is_as_good_as_an_hour_of_them() -> None:
    assert 30 <= wait_after(100_000) <= 60


def test_the_other_side_may_ask_for_more_but_not_for_ever() -> None:
    assert wait_after(1, 120.0) == 120.0
    assert wait_after(1, 1e9) == 3600.0
    assert wait_after(20, 0.0) >= 30.0
