"""The schedule of a bot that may answer at once: it follows answers, keeps the pace, and falls back to deadlines."""

from __future__ import annotations

from itertools import pairwise

import pytest

from audiosocket_cli.call.bots.answer_pacer import EARLY_S, PAUSE_S, AnswerPacer


def answered(pacer: AnswerPacer, times_s: list[float]) -> list[bool]:
    """Try an answer at each of these times; say which may go."""
    went = []
    for now_s in times_s:
        went.append(pacer.may_answer(now_s))
        if went[-1]:
            pacer.note_answer(now_s)
    return went


def test_without_answers_it_is_a_frame_each_20_ms() -> None:
    pacer = AnswerPacer(1.0)
    taken_s = [pacer.take(pacer.deadline_s) for _ in range(50)]
    assert taken_s == [pytest.approx(1.0 + number * 0.02) for number in range(50)]
    assert pacer.late == pacer.slips == 0


def test_an_answer_goes_at_once_and_silence_is_due_once_it_pauses() -> None:
    pacer = AnswerPacer(1.0)
    assert answered(pacer, [1.0]) == [True]
    assert pacer.deadline_s == pytest.approx(1.0 + PAUSE_S, abs=0.001)
    assert pacer.take(pacer.deadline_s) == pytest.approx(1.0 + PAUSE_S, abs=0.001)
    assert pacer.deadline_s == pytest.approx(1.02 + PAUSE_S, abs=0.001)


@pytest.mark.parametrize("jitter_ms", [[0], [3, -3], [0, 9, -4, 2, -8], [12, -2]], ids=str)
def test_answers_to_a_caller_go_at_once_however_the_frames_jitter(jitter_ms: list[int]) -> None:
    pacer = AnswerPacer(1.0)
    times_s = [1.1 + number * 0.02 + jitter_ms[number % len(jitter_ms)] / 1000 for number in range(500)]
    assert all(answered(pacer, times_s))


def test_a_caller_whose_clock_is_a_little_fast_is_followed() -> None:
    assert all(answered(AnswerPacer(1.0), [1.0 + number * 0.02 / 1.005 for number in range(20_000)]))


def test_what_comes_too_fast_has_to_wait() -> None:
    pacer = AnswerPacer(1.0)
    went = answered(pacer, [1.0 + number * 0.001 for number in range(1000)])
    at_s = [1.0 + number * 0.001 for number, did in enumerate(went) if did]
    assert 50 <= len(at_s) <= 53
    assert min(after - before for before, after in pairwise(at_s[2:])) > 0.0189
    assert not went[1]


def test_after_a_stall_of_ours_a_few_answers_may_come_closer_together() -> None:
    pacer = AnswerPacer(1.0)
    answered(pacer, [1.0, 1.02])
    assert answered(pacer, [1.079, 1.0791, 1.0792, 1.0793]) == [True, True, True, False]


def test_what_has_to_wait_is_due_20_ms_after_the_last_answer() -> None:
    pacer = AnswerPacer(1.0)
    answered(pacer, [1.0])
    assert pacer.hasten()
    assert pacer.deadline_s == pytest.approx(1.02, abs=0.001)
    assert not pacer.hasten()
    assert not pacer.may_answer(1.02 - EARLY_S - 0.002)


def test_a_few_waiting_answers_go_a_little_faster_until_none_waits() -> None:
    pacer = AnswerPacer(1.0)
    at_s = []
    for queued in (3, 2, 1, 0):
        pacer.note_queue(queued)
        at_s.append(pacer.take(pacer.deadline_s))
    assert at_s == [pytest.approx(1.0 + number * 0.019) for number in range(4)]
    assert pacer.is_eased
    assert pacer.deadline_s == pytest.approx(at_s[-1] + PAUSE_S)
    assert pacer.may_answer(at_s[-1] + 0.02)


def test_a_long_phrase_goes_at_its_own_pace() -> None:
    pacer = AnswerPacer(1.0)
    for number in range(20):
        pacer.note_queue(50 - number)
        assert pacer.take(pacer.deadline_s) == pytest.approx(1.0 + number * 0.02)
