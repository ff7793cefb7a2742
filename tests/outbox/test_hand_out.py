"""What is handed out, once each, and again when it was postponed, never out of order within a group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.outbox.hand_out import HandOut


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_new_numbers_are_due_at_once_and_once() -> None:
    out = HandOut(Clock())
    assert out.take_new([(1, "a"), (2, "b")]) == [1, 2]
    assert out.newest == 2
    assert out.take_due(10) == []


def test_what_was_postponed_holds_back_what_comes_after_it_in_its_group() -> None:
    clock = Clock()
    out = HandOut(clock)
    out.take_new([(1, "a"), (2, "a"), (3, "b")])
    out.postpone(1, 5)
    assert out.take_new([(4, "a"), (5, "b")]) == [5]
    assert out.held == 3
    clock.now_s += 4.9
    assert out.take_due(10) == []
    clock.now_s += 0.2
    assert out.take_due(10) == [1, 2, 4]
    assert [out.attempts(number) for number in (1, 2)] == [1, 0]


def test_the_latest_time_counts() -> None:
    clock = Clock()
    out = HandOut(clock)
    out.take_new([(1, "a"), (2, "a")])
    out.postpone(2, 1)
    out.postpone(1, 5)
    clock.now_s += 2
    assert out.take_due(10) == []
    clock.now_s += 4
    assert out.take_due(10) == [1, 2]


def test_what_is_settled_is_forgotten() -> None:
    clock = Clock()
    out = HandOut(clock)
    out.take_new([(1, "a"), (2, "a")])
    out.postpone(1, 1)
    out.settle(1)
    out.settle(2)
    out.settle(2)
    clock.now_s += 2
    assert out.take_due(10) == []
    assert out.take_new([(3, "a")]) == [3]
    assert out.attempts(1) == 0


@given(st.lists(st.tuples(st.sampled_from("npds"), st.integers(1, 30)), max_size=80))
def test_nothing_overtakes_within_a_group_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    """Whoever delivers always takes the oldest of a group first: what it has in hand is then in order."""
    clock = Clock()
    out = HandOut(clock)
    waiting: set[int] = set()
    in_hand: list[int] = []
    for step, at in steps:
        clock.now_s += 1
        if step == "n":
            number = out.newest + 1
            waiting.add(number)
            in_hand += out.take_new([(number, number % 3)])
        elif step == "d":
            in_hand += out.take_due(at)
        elif in_hand:
            number = in_hand[at % len(in_hand)]
            oldest = min(other for other in in_hand if other % 3 == number % 3)
            assert not {other for other in waiting if other % 3 == number % 3 and other < oldest}
            if step == "p":
                out.postpone(oldest, at)
                in_hand = [other for other in in_hand if other % 3 != number % 3]
            else:
                out.settle(oldest)
                in_hand.remove(oldest)
                waiting.remove(oldest)
        assert len(in_hand) == len(set(in_hand))
    clock.now_s += 100
    assert sorted(in_hand + out.take_due(100)) == sorted(waiting)
