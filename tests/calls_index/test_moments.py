"""Points in time as people write them, against a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from audiosocket_cli.calls_index.moments import parse_age_s, parse_keep_s, parse_moment
from audiosocket_cli.errors import UsageError


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """Noon in a zone with summer time."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield datetime(2026, 11, 30, 12).astimezone()
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2h", False, "2026-11-30T09:00:00.000+00:00"),
        ("90", False, "2026-11-30T10:58:30.000+00:00"),
        ("7d", False, "2026-11-23T11:00:00.000+00:00"),
        ("400d", False, "2025-10-26T11:00:00.000+00:00"),
        ("today", False, "2026-11-29T23:00:00.000+00:00"),
        ("today", True, "2026-11-30T23:00:00.000+00:00"),
        ("yesterday", False, "2026-11-28T23:00:00.000+00:00"),
        ("2026-11-01", True, "2026-11-01T23:00:00.000+00:00"),
        ("2026-07-01", False, "2026-06-30T22:00:00.000+00:00"),
        ("2026-11-30 14:00", False, "2026-11-30T13:00:00.000+00:00"),
        ("2026-11-30T14:00Z", False, "2026-11-30T14:00:00.000+00:00"),
        ("2026-11-30T14:00:01.5+05:30", False, "2026-11-30T08:30:01.500+00:00"),
        (" 9:05 ", False, "2026-11-30T08:05:00.000+00:00"),
        ("14:00", True, "2026-11-30T13:00:00.000+00:00"),
    ],
)
def test_a_time_is_read(text: str, end: bool, expected: str, now: datetime) -> None:
    assert parse_moment(text, now, end=end) == expected


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-13-01", "25:00", "-2h", "9999-12-31", "nan", "x" * 99, "2026-11-30 14:00 Europe/Berlin"],
)
def test_what_is_not_a_time_is_refused_in_one_line(text: str, now: datetime) -> None:
    with pytest.raises(UsageError, match="is not a time: write how long ago") as error:
        parse_moment(text, now, end=True)
    assert len(str(error.value)) < 200


def test_an_age_may_be_longer_than_a_year_in_days() -> None:
    assert parse_age_s("90d") == 90 * 86400
    assert parse_age_s("3650d") == 3650 * 86400
    assert parse_age_s("1h30m") == 5400
    for text in ("99999d", "0d", "0", "1y", "-1d", ""):
        with pytest.raises(UsageError):
            parse_age_s(text)


@pytest.mark.parametrize("text", ["90", " 90 ", "1.5", "0d", "", "x", "90D", "100000d", "-1d"])
def test_how_long_calls_are_kept_needs_a_unit(text: str) -> None:
    assert parse_keep_s("90d") == parse_keep_s(" 2160h ") == 90 * 86400
    with pytest.raises(UsageError, match="how long calls are kept: write"):
        parse_keep_s(text)
