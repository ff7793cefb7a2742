"""A list of calls in 80 columns, the figures below it, and lengths and sizes as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.calls_index.retention import Removal
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.calls_index.totals import Totals
from audiosocket_cli.ui.calls_list import (
    call_lines,
    length_text,
    local_minute,
    problem_line,
    removal_line,
    size_text,
    total_lines,
)
from support.many_calls import START, call_of


def test_a_table_fits_80_columns_whatever_is_in_it() -> None:
    odd = {"uuid": "x" * 99, "peer": "y" * 999, "started_at": "9999-12-31T23:59:59Z", "duration_s": 1e11,
           "dtmf": [{"digit": "1"}] * 9999, "ended_by": "somebody else", "result": "z" * 300,
           "finding_ids": [f"finding-number-{number}" for number in range(40)],
           "caller": {"gaps_s": 1e9}, "turns": {"latency_ms": {"max": 1e12}}}  # fmt: skip
    lines = list(call_lines([row_of(odd), *(row_of(call_of(number, START)) for number in range(50))]))
    assert [line for line in lines if len(line) > 80] == []
    assert lines[0].split() == ["STARTED", "CALL", "PEER", "LENGTH", "DIGITS", "ANSWER", "GAPS", "ENDED"]
    assert "…" in lines[1]


def test_a_line_says_what_is_known_and_a_dash_what_is_not() -> None:
    known = {"uuid": "92a62f6d-f053", "peer": "[2001:db8::1]:4000", "duration_s": 125.0, "ended_by": "server",
             "started_at": "2026-11-30T12:00:00Z", "dtmf": [{"digit": d} for d in "0042"],
             "caller": {"gaps_s": 0.25}, "turns": {"latency_ms": {"max": 1234}},
             "finding_ids": ["audio-late"]}  # fmt: skip
    heading, line, findings, unknown = call_lines([row_of(known), row_of({}, name="odd.json")])
    assert line[17:] == "92a62f6d [2001:db8::1]     2m05s 0042      1.23 s  0.2 s server"
    assert findings.split() == ["audio-late"]
    assert unknown.split() == ["–", "odd.json", "–", "–", "–", "–", "–"]  # noqa: RUF001
    assert unknown.index("–", 1) == heading.index("PEER")  # noqa: RUF001


def test_no_calls_have_no_table() -> None:
    assert list(call_lines([])) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3599.6, "1h00m"),
        (7322, "2h02m"),
        (1e5, "1d03h"),
    ],
)
def test_a_length_is_short(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


def test_a_size_has_its_unit() -> None:
    assert [size_text(size) for size in (0, 999, 1000, 2.5e6, 1.2e9, 5e13)] == [
        "0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "1.2 GB", "50.0 TB",
    ]  # fmt: skip


def test_a_time_at_the_end_of_the_calendar_is_still_a_time() -> None:
    assert local_minute("9999-12-31T23:59:59.000+00:00")[:4] in ("9999", "1000")


def test_figures_say_how_many_are_shown_and_what_was_not_measured() -> None:
    day = "2026-11-30T12:00:00.000+00:00"
    totals = Totals(1234, 7200, 12, 3, 1200, 2500, day, day, [700, 900], {" a ": 5, " a b ": 2})
    text = "\n".join(total_lines(totals, 50))
    assert text == (
        "1,234 calls, 2.0 hours, 2026-11-30, 50 of them shown (--limit)\n"
        "12 with digits, 3 with gaps, 7 with findings: a 7, b 2\n"
        "answers after 0.70 s (median of all calls' medians), at most 2.50 s\n"
        "turns not measured: 34 calls"
    )
    many = Totals(1, 1, 0, 0, 1, by_finding_ids={f" f{n} ": 1 for n in range(9)})
    assert "and 4 more" in "\n".join(total_lines(many, 1))


def test_problems_and_removals_are_told_in_a_line() -> None:
    assert (
        problem_line(9, [(Path("a.json"), "empty")])
        == "left out 9 JSON files without a call (a.json: empty; and 8 more)"
    )
    row = row_of({}, folder="calls", name="a.json")
    assert removal_line(Removal(row, ["a.wav", "a.json"], 4096)).split(maxsplit=1)[1] == "calls/a.json: 2 files, 4.1 kB"
    assert removal_line(Removal(row, kept="its folder moved")).endswith("calls/a.json: kept, its folder moved")
