"""Times and lengths as the page of a call says them."""

from __future__ import annotations

import pytest

from audiosocket_cli.report.call_words import clock, day_and_time, length, level, milliseconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (59.96, "1:00.0"),
        (62.34, "1:02.3"),
        (3599.99, "1:00:00.0"),
        (3725.5, "1:02:05.5"),
        (-1, "0:00.0"),
    ],
)
def test_a_place_in_a_call_has_minutes_and_tenths(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"), (0.64, "640 ms"), (0.9996, "1.00 s"), (9.996, "10.0 s"), (59.97, "1 min 0 s"), (304, "5 min 4 s"),
        (7320, "2 h 2 min"),
    ],
)  # fmt: skip
def test_a_length_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert length(seconds) == text


def test_what_was_not_measured_is_not_zero() -> None:
    assert milliseconds(None) == level(None) == "not measured"
    assert milliseconds(0) == "0 ms"
    assert level(-23.4) == "\N{MINUS SIGN}23 dBFS"


def test_a_time_is_read_as_people_write_it_and_other_text_stays() -> None:
    assert day_and_time("2026-11-30T09:12:03+00:00") == "30 November 2026, 09:12:03 UTC"
    assert day_and_time("2026-11-30T09:12:03") == "30 November 2026, 09:12:03"
    assert day_and_time("once") == "once"
