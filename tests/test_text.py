"""Text that a terminal only shows, and indented JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.text import json_lines, printable, shortened

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_lines_are_those_of_json(value: object) -> None:
    assert "\n".join(json_lines(value)) == json.dumps(value, indent=2, ensure_ascii=False)


@given(st.text())
def test_what_is_printable_is_and_stays_as_it_is(line: str) -> None:
    shown = printable(line)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown == line or not line.isprintable()


@pytest.mark.parametrize(
    ("line", "shown"),
    [("Grüße 1 €", "Grüße 1 €"), ("\x1b[2J", "\\u001b[2J"), ("a\nb\tc", "a\\nb\\tc"), ("\u202e", "\\u202e")],
)
def test_what_a_terminal_would_obey_is_spelled_out(line: str, shown: str) -> None:
    assert printable(line) == shown


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…")])
def test_a_text_that_is_too_long_ends_with_an_ellipsis(text: str, shown: str) -> None:
    assert shortened(text, 4) == shown
