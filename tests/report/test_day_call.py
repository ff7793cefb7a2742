"""A call of a day, from JSON that anybody may have written."""

from __future__ import annotations

from typing import Any

import pytest

from audiosocket_cli.report.day_call import MAX_TEXT, cut, day_call, without_suffix

TURN = {"side": "server", "kind": "turn", "start_s": 1.5, "end_s": 2.0, "after_ms": 700}


def made(**content: Any) -> Any:
    return day_call(content, key="a", folder="", name="a.json")


def test_turns_and_findings_are_taken() -> None:
    call = made(findings=["odd [caller-ulaw]"], turns={"list": [TURN], "left_out": 3})
    assert call.findings == ("odd [caller-ulaw]",)
    assert call.turns == (("server", "turn", 1.5, 2.0, 700),)
    assert call.turns_left == 3


@pytest.mark.parametrize(
    "turn",
    [None, [], "turn", {}, {**TURN, "side": "nobody"}, {**TURN, "kind": []}, {**TURN, "start_s": float("nan")},
     {**TURN, "end_s": float("inf")}, {**TURN, "start_s": "1"}, {**TURN, "end_s": True}, {**TURN, "side": {}}],
)  # fmt: skip
def test_turns_that_cannot_be_are_left_out(turn: object) -> None:
    assert made(turns={"list": [turn, TURN]}).turns == (("server", "turn", 1.5, 2.0, 700),)


@pytest.mark.parametrize("after", [None, "x", float("nan"), True, 1e300, -1e300])
def test_a_wait_that_cannot_be_is_not_known(after: object) -> None:
    assert made(turns={"list": [{**TURN, "after_ms": after}]}).turns[0][4] is None


def test_an_answer_that_begins_early_comes_at_once() -> None:
    assert made(turns={"list": [{**TURN, "after_ms": -80}]}).turns[0][4] == 0


@pytest.mark.parametrize("content", [{"turns": 3}, {"turns": {"list": 3, "left_out": "many"}}, {"findings": {"a": 1}},
                                     {"findings": [1, None, ""]}, {"recording": []}])  # fmt: skip
def test_values_of_other_types_are_taken_for_none(content: dict[str, Any]) -> None:
    call = made(**content)
    assert (call.findings, call.turns, call.turns_left, call.error) == ((), (), 0, "")


def test_lines_and_texts_are_bounded_and_said() -> None:
    call = made(findings=["x" * 1000] * 50)
    assert len(call.findings) == 20
    assert call.findings_left == 30
    assert call.findings[0] == "x" * MAX_TEXT + "… (600 more characters)"


def test_turns_are_bounded_and_said() -> None:
    call = made(turns={"list": [TURN] * 1500, "left_out": 7})
    assert (len(call.turns), call.turns_left) == (1000, 507)


def test_texts_are_safe_to_show() -> None:
    assert cut("a\u202eb\nc\x1b[1m") == "a\\u202eb\\nc\\u001b[1m"
    assert cut(None) == ""
    assert made(recording={"error": "disk full"}).error == "disk full"


@pytest.mark.parametrize(("path", "expected"), [("a/b.json", "a/b"), ("a.b/c", "a.b/c"), ("a.part2.wav", "a.part2")])
def test_suffixes_go(path: str, expected: str) -> None:
    assert without_suffix(path) == expected
