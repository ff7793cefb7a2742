"""The facts of a call: its sides, its digits, its notes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.codec import DIGITS
from audiosocket_cli.model import MAX_DIGITS, MAX_RESULT, Call, Digit, Side, now_utc


def a_call(me: Side = Side.SERVER) -> Call:
    return Call(me, "peer", UUID(int=1), now_utc(), Pacer(0.02))


@pytest.mark.parametrize("me", Side)
def test_each_side_is_named_by_who_spoke(me: Side) -> None:
    pairs = dict(a_call(me).by_side(["heard"], ["said"]))
    assert list(pairs) == [Side.CALLER, Side.SERVER]
    assert pairs[me] == ["said"]
    assert pairs[me.other] == ["heard"]


def test_the_end_is_counted_from_the_start() -> None:
    call = a_call()
    call.duration_s = 90.5
    assert call.ended_at - call.started_at == timedelta(seconds=90.5)


def test_a_press_that_comes_as_a_tone_and_a_frame_is_one() -> None:
    call = a_call()
    assert call.press(Digit(1.0, "5", in_band=True))
    assert not call.press(Digit(1.1, "5"))
    assert call.press(Digit(2.0, "6"))
    assert not call.press(Digit(2.05, "6", in_band=True))
    assert call.presses() == [Digit(1.1, "5"), Digit(2.0, "6")]
    assert call.notes == ["digits come as frames and as tones at once: each is counted as a frame only [digits-twice]"]


@given(st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(DIGITS), st.booleans()), max_size=60))
def test_presses_are_in_the_order_of_time_and_no_more_than_came(pressed: list[tuple[float, str, bool]]) -> None:
    call = a_call()
    kept = sum(call.press(Digit(*one)) for one in sorted(pressed))
    presses = call.presses()
    assert presses == sorted(presses, key=lambda digit: digit.at_s)
    assert len(presses) <= kept == len(call.digits)


def test_digits_that_no_fingers_press_are_counted_and_left_out() -> None:
    call = a_call()
    for _ in range(100):
        call.press(Digit(0.0, "1"))
    assert (len(call.digits), call.digits_left_out) == (50, 50)
    for _ in range(MAX_DIGITS + 100):
        call.press(Digit(1e6, "1"))
    assert (len(call.digits), call.digits_left_out) == (MAX_DIGITS, 200)


def test_a_note_is_kept_once_and_of_too_many_the_first() -> None:
    call = a_call()
    told: list[str] = []
    call.note("note 0")
    call.report_notes(lambda of, text: told.append(text))
    for number in range(40):
        call.note(f"note {number // 2}")
    assert call.notes == told == [f"note {number}" for number in range(19)] + ["and more of the kind [more-findings]"]


def test_in_band_is_told_only_where_it_is_so() -> None:
    assert Digit(1.23456, "5").as_dict() == {"at_s": 1.235, "digit": "5"}
    assert Digit(1.0, "5", in_band=True).as_dict() == {"at_s": 1.0, "digit": "5", "in_band": True}


@pytest.mark.parametrize("result", ["sales", "a b, c", "K\u00f6ln", "x" * MAX_RESULT, "'; DROP"])
def test_a_result_is_kept_and_told_at_once_and_the_last_counts(result: str) -> None:
    call, told = a_call(), list[str]()
    call.report_result(told.append)
    assert call.take_result("first") is None
    assert call.take_result(result) is None
    assert call.result == result
    assert told == ["first", result]


@pytest.mark.parametrize("result", ["", "x" * (MAX_RESULT + 1), "a\nb", "a\0b", "\x1b[2J", "\u202e", "\ud83d"])
def test_what_could_not_be_shown_is_no_result_and_leaves_the_last(result: str) -> None:
    call, told = a_call(), list[str]()
    call.report_result(told.append)
    call.take_result("first")
    assert call.take_result(result) == f"{result[:50]!r} is not a result: it has 1 to 200 printable characters"
    assert call.result == "first"
    assert told == ["first"]


def test_variables_are_in_an_environment_under_their_own_names() -> None:
    call = a_call()
    assert call.environment() == {}
    call.variables = {"tier": "gold", "Case": ""}
    assert call.environment() == {"AUDIOSOCKET_VAR_tier": "gold", "AUDIOSOCKET_VAR_Case": ""}
