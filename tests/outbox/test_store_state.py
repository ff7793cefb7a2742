"""A store that is away: how long to wait, and one line when it goes and when it is back."""

from __future__ import annotations

import pytest

from audiosocket_cli.outbox.back_off import MAX_WAIT_S
from audiosocket_cli.outbox.store_state import StoreState
from audiosocket_cli.stores.store_error import StoreError, StoreFault

AWAY = StoreError("s3://calls/a.wav: the connection is refused", StoreFault.AWAY)
DENIED = StoreError("s3://calls/a.wav: the store answered 403 AccessDenied", StoreFault.DENIED)


class Clocked:
    """A state with a clock of the test's, and all lines that it told."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.lines: list[str] = []
        self.state = StoreState("s3://calls", lambda: 7, self.lines.append, lambda: self.now_s)

    def fail(self, error: StoreError) -> float:
        """Fail when it is time to try again; returns the new wait."""
        self.now_s += self.state.wait_s()
        return self.state.failed(error)


def test_waits_grow_to_a_minute() -> None:
    clocked = Clocked()
    waits = [clocked.fail(AWAY) for _ in range(12)]
    for number, wait_s in enumerate(waits):
        expected = min(2.0**number, MAX_WAIT_S)
        assert 0.5 * expected <= wait_s <= expected
    clocked.state.succeeded()
    assert clocked.state.wait_s() == 0
    assert clocked.fail(AWAY) <= 1.0


def test_a_store_that_is_away_for_weeks_is_still_tried_each_minute() -> None:
    clocked = Clocked()
    assert all(clocked.fail(AWAY) <= MAX_WAIT_S for _ in range(30_000))


def test_one_line_when_it_goes_and_one_when_it_is_back() -> None:
    clocked = Clocked()
    for _ in range(10):
        clocked.fail(AWAY)
    clocked.now_s = 1000 + 90
    clocked.state.succeeded()
    clocked.state.succeeded()
    assert clocked.lines == [
        "cannot upload to s3://calls/a.wav: the connection is refused (7 calls to send; calls go on, trying again)",
        "s3://calls takes uploads again after 1.5 min (7 calls to send)",
    ]


def test_one_bad_answer_is_not_worth_a_line() -> None:
    clocked = Clocked()
    for _ in range(5):
        clocked.fail(AWAY)
        clocked.state.succeeded()
    assert clocked.lines == []


def test_failures_of_what_was_on_its_way_count_as_one() -> None:
    clocked = Clocked()
    first_s = clocked.state.failed(AWAY)
    assert [clocked.state.failed(AWAY) for _ in range(3)] == [pytest.approx(first_s)] * 3
    assert clocked.lines == []


def test_what_only_people_can_mend_is_told_at_once_and_repeated_slowly() -> None:
    clocked = Clocked()
    assert clocked.fail(DENIED) > 5
    assert len(clocked.lines) == 1
    for _ in range(5):
        assert 5 < clocked.fail(DENIED) <= 60
    assert len(clocked.lines) == 1
    clocked.fail(AWAY)
    assert len(clocked.lines) == 2, "why it fails now is another reason"
