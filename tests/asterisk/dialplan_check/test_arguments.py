"""Arguments as applications get them, and what stands for variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.dialplan_check.arguments import assignment, expanded, separated, split_at, variables_in


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("a", ["a"]),
        ("a,b,", ["a", "b", ""]),
        ("a(b,c),d", ["a(b,c)", "d"]),
        ("[::1]:9,x", ["[::1]:9", "x"]),
        ('"a,b",c', ["a,b", "c"]),
        ("${F(a,b)},c", ["${F(a,b)}", "c"]),
        ("$[${A}?1,2:3],c", ["$[${A}?1,2:3]", "c"]),
        ("a\\,b,c", ["a,b", "c"]),
        ("${A,b", ["${A,b"]),
        ("a),b", ["a)", "b"]),
        ("a\\", ["a\\"]),
    ],
)
def test_arguments_are_split_outside_brackets_quotes_and_variables(text: str, parts: list[str]) -> None:
    assert separated(text) == parts


def test_destinations_are_split_inside_brackets_too() -> None:
    assert split_at("A/c(x&y)&B/${F(a&b)}", "&") == ["A/c(x", "y)", "B/${F(a&b)}"]


def test_variables_in_variables_are_replaced_as_far_as_they_are_known() -> None:
    known = {"HOST": "${NAME}.local", "NAME": "bot", "X": "${X}x"}.get
    assert expanded("${HOST}:${PORT}", known) == "bot.local:${PORT}"
    assert expanded("${NAME:1}${F(${NAME})}", known) == "${NAME:1}${F(${NAME})}"
    assert len(expanded("${X}", known)) < 2000


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("A=b=c", ("A", "b=c")),
        ("__A=", ("A", "")),
        ("GLOBAL(A)=b", ("A", "b")),
        ("CHANNEL(language)=de", None),
        ("A", None),
    ],
)
def test_assignments(data: str, found: tuple[str, str] | None) -> None:
    assert assignment(data) == found


@given(st.text(alphabet='${}[](),"\\a&:', max_size=30))
def test_nothing_is_lost_of_a_text_without_a_delimiter(text: str) -> None:
    assert "|".join(split_at(text, "|")) == "".join(split_at(text, "&")) or "&" in text or "\\" in text
    for variable in variables_in(text):
        assert text[variable.start : variable.start + 2] == "${"
        assert separated(text)
