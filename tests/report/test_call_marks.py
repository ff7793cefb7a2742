"""Marks: digits, gaps, bursts, findings and the end, each in its place in time, and of very many the first."""

from __future__ import annotations

import math
from typing import Any

import pytest

from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.model import Side
from audiosocket_cli.report.call_marks import MAX_OF_KIND, Mark, longest_gap, marks_of

CALL: dict[str, Any] = {
    "ended_by": "caller", "ended_how": "hangup", "ended_reason": "caller hung up",
    "dtmf": [{"digit": "5", "at_s": 2.5}, {"digit": "#", "at_s": 1.25, "in_band": True}],
    "caller": {"gaps": [{"at_s": 3.0, "length_s": 0.5}, {"at_s": 5.0, "length_s": 2.0}]},
    "server": {"late_frames": 3},
    "bridge": {"connected_s": 0.2},
}  # fmt: skip


def told(marks: list[Mark]) -> list[tuple[float, str, str | None, str]]:
    return [(mark.at_s, mark.kind, mark.side, mark.label) for mark in marks]


def test_a_call_by_its_json() -> None:
    found = marks_of(CALL, [], 10.0)
    assert told(found.marks) == [
        (0.2, "bot", "server", "bot connected"),
        (1.25, "digit", "caller", "#"),
        (2.5, "digit", "caller", "5"),
        (3.0, "gap", "caller", "gap 0.50 s"),
        (5.0, "gap", "caller", "gap 2.00 s"),
        (10.0, "hangup", "caller", "hangup"),
    ]
    assert found.marks[1].text == "The caller pressed # as a tone."
    assert found.marks[-1].text == "The caller hung up."
    assert found.marks[3].as_json() == {
        "at_s": 3.0, "to_s": 3.5, "kind": "gap", "side": "caller", "label": "gap 0.50 s",
        "text": "Nothing came from the caller for 0.50 s.", "finding": None,
    }  # fmt: skip
    assert found.left_out == {}


def test_a_captured_call_by_its_rows() -> None:
    rows = [
        Row(1.0, Side.SERVER, "speech"),
        Row(2.0, Side.SERVER, "burst", "in 20 ms", audio_s=0.6),
        Row(2.1, None, "finding", "600 ms came at once [server-bursts]"),
        Row(3.0, Side.CALLER, "lost", "12 bytes missing"),
        Row(4.0, None, "comment", "somebody was here"),
        Row(9.0, Side.CALLER, "hangup"),
        Row(9.0, Side.CALLER, "closed"),
    ]
    found = marks_of({"ended_how": "hangup", "ended_by": "caller"}, rows, 9.0).marks
    assert told(found) == [
        (2.0, "burst", "server", "burst 0.60 s"),
        (2.1, "finding", None, "server-bursts"),
        (3.0, "mark", "caller", "lost"),
        (4.0, "mark", None, "somebody was here"),
        (9.0, "hangup", "caller", "hangup"),
    ]
    assert found[0].text == "0.60 s of the server's audio came in 20 ms."
    assert found[1].finding == "server-bursts"


def test_who_captured_it_says_how_it_ended() -> None:
    rows = [Row(9.0, Side.CALLER, "closed"), Row(9.0, None, "comment", "ended by caller (closed): caller closed")]
    (mark,) = marks_of({}, rows, 9.0).marks
    assert (mark.kind, mark.side, mark.text) == ("hangup", "caller", "Ended by caller (closed): caller closed.")


def test_of_very_many_the_first_are_there_and_the_rest_is_counted() -> None:
    call = {"dtmf": [{"digit": "1", "at_s": number / 100} for number in range(10_000)]}
    found = marks_of(call, [], 100.0)
    assert len(found.marks) == MAX_OF_KIND
    assert found.left_out == {"digit": 10_000 - MAX_OF_KIND}


@pytest.mark.parametrize("at_s", [math.nan, math.inf, -1, 1e300, "<b>", None, 12.0])
def test_what_lies_outside_of_the_call_is_counted(at_s: object) -> None:
    call = {"dtmf": [{"digit": "1", "at_s": at_s}], "caller": {"gaps": [{"at_s": at_s, "length_s": 1}]}}
    found = marks_of(call, [], 10.0)
    assert found.marks == []
    assert found.left_out == {"digit": 1, "gap": 1}


def test_the_end_is_where_the_call_ended_not_its_recording() -> None:
    assert told(marks_of({**CALL, "duration_s": 9.0}, [], 10.0).marks)[-1] == (9.0, "hangup", "caller", "hangup")
    assert told(marks_of({**CALL, "duration_s": -1}, [], 10.0).marks)[-1][0] == 10.0


def test_a_gap_ends_with_the_call() -> None:
    (gap,) = marks_of({"server": {"gaps": [{"at_s": 9.0, "length_s": 1e6}]}}, [], 10.0).marks
    assert (gap.at_s, gap.to_s) == (9.0, 10.0)


@pytest.mark.parametrize("value", [None, 1, "text", [1, "a", None], {"at_s": 1}, [[]]])
def test_json_of_any_shape_is_no_harm(value: object) -> None:
    call = dict.fromkeys(("dtmf", "caller", "server", "bridge", "ended_by", "ended_how", "ended_reason"), value)
    marks_of(call, [], 10.0)
    marks_of({"caller": {"gaps": value, "dtmf": value}}, [], 10.0)


def test_the_longest_gap() -> None:
    assert longest_gap(CALL, Side) == 5.0
    assert longest_gap(CALL, [Side.SERVER]) is None


@pytest.mark.parametrize(
    ("by", "how", "reason", "text"),
    [
        ("caller", "closed", "caller closed", "The caller closed the connection."),
        ("server", "hangup", "the bot hung up", "The server ended the call: the bot hung up."),
        ("caller", "fault", "a frame of kind {0x7f}", "The caller ended the call: a frame of kind {0x7f}."),
        ("{}", "hangup", "", "Somebody hung up."),
        ("caller", "{0}", "", "The caller ended the call: {0}."),
    ],
)
def test_the_end_is_told_as_a_sentence(by: str, how: str, reason: str, text: str) -> None:
    (mark,) = marks_of({"ended_by": by, "ended_how": how, "ended_reason": reason}, [], 3.0).marks
    assert mark.text == text
