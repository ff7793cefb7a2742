"""Events that are too large are made to fit, and say what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.outbox.event_size import fit

DIGITS = [{"digit": "5", "at_s": number / 10, "in_band": False} for number in range(10_000)]
LARGE: dict[str, Any] = {
    "event": "ended",
    "uuid": "a9282f54-1c4c-496d-b05b-ce13102ef095",
    "files": ["call.wav"],
    "call": {"duration_s": 900.0, "dtmf": DIGITS, "caller": {"gaps": [[1.0, 2.0]] * 5000}, "findings": ["one", "two"]},
    "id": "the-id",
}


def test_an_event_that_fits_is_not_touched() -> None:
    body = json.dumps(LARGE).encode()
    assert fit(body, len(body)) is body


@pytest.mark.parametrize("most", [400_000, 100_000, 5000, 400])
def test_lists_are_shortened_and_what_is_left_out_is_counted(most: int) -> None:
    body = fit(json.dumps(LARGE).encode(), most)
    assert body is not None
    assert len(body) <= most
    event = json.loads(body)
    call, left_out = event["call"], event["left_out"]
    assert call["dtmf"] == DIGITS[: len(call["dtmf"])]
    assert len(call["dtmf"]) + left_out["call.dtmf"] == 10_000
    assert len(call["caller"]["gaps"]) + left_out.get("call.caller.gaps", 0) == 5000
    assert call["findings"] == ["one", "two"], "short lists stay whole"
    assert event["files"] == ["call.wav"]
    assert event["id"] == "the-id"


def test_no_more_is_left_out_than_has_to_be() -> None:
    body = json.dumps(LARGE).encode()
    fitted = fit(body, 400_000)
    assert fitted is not None
    assert len(fitted) > 100_000


def test_what_is_large_without_lists_does_not_fit() -> None:
    assert fit(json.dumps({"event": "finding", "finding": "x" * 1000}).encode(), 500) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=8), inner, max_size=8),
    max_leaves=60,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=8), st.integers(10, 2000))
def test_whatever_it_holds_it_fits_or_there_is_none(event: dict[str, Any], most: int) -> None:
    event.pop("left_out", None)
    fitted = fit(json.dumps(event).encode(), most)
    if fitted is not None:
        assert len(fitted) <= most
        shorter = json.loads(fitted)
        missing = shorter.pop("left_out", {})
        assert shorter.keys() == event.keys()
        assert all(count > 0 for count in missing.values())
