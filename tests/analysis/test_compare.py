"""Two answers of a server held against each other: what a caller would notice is a difference, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis.compare import Answer, Difference, answer_in, differences, read_answer
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.capture.items import Ended, Item, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import in_runs
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.errors import NothingError
from audiosocket_cli.model import Side
from support.captured import a_call, as_lines, cut, sent, steady, whole
from support.segments import lost_before_the_end


def word(number: int, seconds: float = 0.6) -> Samples:
    """Sound that is like no other word's."""
    rng = np.random.default_rng(number)
    return (rng.normal(0, 4000, round(8000 * seconds))).clip(-30000, 30000).astype(np.int16)


def said(
    words: Sequence[tuple[float, Samples]], frames: Sequence[tuple[float, Frame]] = (), end_s: float = 20.0
) -> list[Item]:
    """A call in which the server says words at their times, silence between them, and sends frames at theirs."""
    call = a_call()
    sound = np.zeros(round(8000 * end_s), np.int16)
    for start_s, samples in words:
        start = round(8000 * start_s)
        sound[start : start + len(samples)] = samples[: len(sound) - start]
    spoken = cut(sound)
    items = sent(call, Side.SERVER, spoken, steady(0.0, len(spoken)))
    items += sent(call, Side.SERVER, [frame for _, frame in frames], [at_s for at_s, _ in frames])
    return whole(call, [], sorted(items, key=lambda item: item.at_s), end_s)


def answer(*words: tuple[float, Samples], frames: Sequence[tuple[float, Frame]] = (), end_s: float = 20.0) -> Answer:
    made = Answer()
    made.take(in_runs(said(words, frames, end_s)))
    return made


def texts(found: list[Difference]) -> list[str]:
    return [f"{one.what} {one.difference}" for one in found]


OLD = ((1.0, word(1)), (3.0, word(2)), (5.0, word(3)))


def test_an_answer_is_like_itself() -> None:
    assert differences(answer(*OLD), answer(*OLD)) == []
    assert [(round(one.start_s, 2), round(one.end_s, 2)) for one in answer(*OLD).stretches] == [
        (1.0, 1.6), (3.0, 3.6), (5.0, 5.6),
    ]  # fmt: skip


@settings(max_examples=20)
@given(st.floats(-0.15, 0.15), st.floats(0.3, 1.0))
def test_what_is_within_the_tolerances_is_the_same(late_s: float, gain: float) -> None:
    new = [(at_s + late_s, (samples * gain).astype(np.int16)) for at_s, samples in OLD]
    assert differences(answer(*OLD), answer(*new)) == []


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ([OLD[0], (3.5, word(2)), OLD[2]], ["speech begins 500 ms later"]),
        ([OLD[0], (2.5, word(2)), OLD[2]], ["speech begins 500 ms earlier"]),
        ([OLD[0], OLD[2]], ["speech of 0.60 s is missing"]),
        ([*OLD, (7.0, word(4))], ["speech of 0.60 s is new"]),
        ([OLD[0], (3.0, word(2, 1.2)), OLD[2]], ["speech is 600 ms longer"]),
    ],
    ids=["later", "earlier", "missing", "new", "longer"],
)
def test_one_change_is_one_difference_and_the_rest_stays_in_place(
    new: list[tuple[float, Samples]], expected: list[str]
) -> None:
    assert texts(differences(answer(*OLD), answer(*new), least_correlation=0.6)) == expected


def test_other_words_in_the_same_place_sound_different() -> None:
    (found,) = differences(answer(*OLD), answer(OLD[0], (3.0, word(9)), OLD[2]))
    assert found.difference.startswith("sounds different (correlation 0.")
    assert (found.expected_s, found.seen_s) == (pytest.approx(3.0), pytest.approx(3.0))


HANGUP = Frame(Kind.HANGUP)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([(8.0, HANGUP)], [(8.1, HANGUP)], []),
        ([(8.0, HANGUP)], [(9.0, HANGUP)], ["hangup comes 1000 ms later"]),
        ([(8.0, HANGUP)], [], ["hangup is missing"]),
        ([], [(8.0, Frame(Kind.DTMF, b"1"))], ["dtmf is new"]),
        ([(8.0, HANGUP)], [(8.0, Frame(Kind.ERROR, b"\4"))], ["hangup is error (out of memory) now"]),
    ],
    ids=["same", "later", "missing", "new", "other"],
)
def test_what_the_server_did_is_compared_too(
    old: list[tuple[float, Frame]], new: list[tuple[float, Frame]], expected: list[str]
) -> None:
    assert texts(differences(answer(OLD[0], frames=old), answer(OLD[0], frames=new))) == expected


@pytest.mark.parametrize(
    ("aspects", "expected"),
    [
        (["speech"], ["speech of 0.60 s is missing"]),
        (["times"], ["speech begins 500 ms later", "hangup comes 1000 ms later"]),
        (["sound"], ["speech sounds different (correlation 0.0"]),
        (["end"], ["error (out of memory) is new"]),
        ([], []),
    ],
    ids=str,
)
def test_only_what_is_wanted_is_compared(aspects: list[str], expected: list[str]) -> None:
    other = (5.0, word(9))
    old = answer(*OLD, (7.0, word(4)), frames=[(8.0, HANGUP)])
    new = answer((1.5, word(1)), (3.0, word(2)), other, frames=[(9.0, HANGUP), (9.0, Frame(Kind.ERROR, b"\4"))])
    found = texts(differences(old, new, aspects=aspects))
    assert len(found) == len(expected), found
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found


def test_what_the_end_of_both_calls_cut_is_no_difference() -> None:
    """The caller hung up within the tolerance: what the server would have said next is not missing."""
    assert differences(answer(*OLD, end_s=5.6), answer(*OLD, end_s=5.45)) == []


def test_who_closed_first_is_who_ended_it() -> None:
    made = Answer()
    call = a_call()
    made.take([Ended(call, 2.0, Side.SERVER, False), Ended(call, 2.1, Side.CALLER, False), Over(call)])
    assert [(one.at_s, one.what) for one in made.happenings] == [(2.0, "closed")]
    other = Answer()
    other.take([Ended(call, 2.0, Side.CALLER, False), Ended(call, 2.1, Side.SERVER, False), Over(call)])
    assert other.happenings == []


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_who_closed_first_ended_it_though_a_frame_before_that_is_missing(side: Side) -> None:
    made = answer_in(Capture(io.BytesIO(lost_before_the_end(side)).read, "x"))
    assert [one.what for one in made.happenings] == ["closed"] * (side is Side.SERVER)


def test_the_first_call_of_a_capture_is_read_or_the_one_that_is_named() -> None:
    def capture() -> Capture:
        return Capture(io.BytesIO("".join(as_lines(said(list(OLD)))).encode()).read, "calls.jsonl")

    assert len(read_answer(capture()).stretches) == 3
    assert len(read_answer(capture(), "11111111").stretches) == 3
    with pytest.raises(NothingError, match=r"cannot compare with calls\.jsonl: the server says nothing in it"):
        read_answer(capture(), "2222")
