"""Rows as CSV: what csv reads back is the row; nothing is a formula."""

from __future__ import annotations

import csv

from audiosocket_cli.calls_index.csv_lines import csv_lines
from audiosocket_cli.calls_index.row import Row, row_of
from support.many_calls import START, call_of


def test_a_line_is_a_row() -> None:
    row = row_of(call_of(42, START) | {"dtmf": [{"digit": d} for d in "0042"], "result": 'a "b", c'}, name="a.json")
    lines = list(csv_lines([row]))
    (read,) = csv.DictReader(lines)
    assert tuple(read) == Row._fields
    assert read["digits"] == "0042"
    assert read["result"] == 'a "b", c'
    assert float(read["caller_dbfs"]) == row.caller_dbfs
    assert read["finding_ids"].split() == list(row.finding_ids)
    assert read["files"].split("/") == list(row.files)


def test_what_is_not_known_is_empty_and_no_text_is_a_formula() -> None:
    row = row_of({"result": "=HYPERLINK(1)", "peer": "@x", "ended_reason": "-1+2", "caller": {"level_dbfs": -5.5}})
    (read,) = csv.DictReader(csv_lines([row]))
    assert (read["result"], read["peer"], read["ended_reason"]) == ("'=HYPERLINK(1)", "'@x", "'-1+2")
    assert (read["caller_dbfs"], read["duration_s"], read["answers"]) == ("-5.5", "", "")
