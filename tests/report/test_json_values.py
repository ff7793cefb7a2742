"""Values of JSON by strangers: bounded, finite, safe to show."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.report.json_values import MAX_NUMBER, count_of, list_of, mapping_of, number_of, text_of

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(any_json)
def test_whatever_comes_is_a_bounded_text_and_a_finite_number(value: Any) -> None:
    assert text_of(value).isprintable()
    assert len(text_of(value, 10)) <= 10
    number = number_of(value)
    assert number is None or 0 <= number <= MAX_NUMBER
    assert isinstance(list_of(value), list)
    assert mapping_of(value) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**4000, -1, True, "1", None, [1]])
def test_what_is_not_a_number_in_the_range_is_none(value: Any) -> None:
    assert number_of(value) is None
    assert count_of(value) is None


def test_numbers() -> None:
    assert (number_of(1), number_of(-26.5, least=-200), count_of(3.0)) == (1.0, -26.5, 3)


def test_texts() -> None:
    assert text_of("a" * 501) == "a" * 499 + "…"
    assert text_of("<b>\u202e\x1b[2J") == "<b>\\u202e\\u001b[2J"
    assert text_of(json.loads('"\\ud800"')) == "?"
