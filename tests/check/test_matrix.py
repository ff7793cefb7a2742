"""Several reports beside each other."""

from __future__ import annotations

from audiosocket_cli.check.matrix import matrix_of
from support.checked import FAIL, INFO_ID, MUST_ID, PASS, SHOULD_ID, UNKNOWN, report, result


def test_cases_of_any_report_are_rows_in_the_order_of_the_catalogue() -> None:
    first = report([result(SHOULD_ID, FAIL), result(MUST_ID, PASS)])
    second = report([result(INFO_ID, UNKNOWN), result(MUST_ID, FAIL)])
    rows = matrix_of([first, second]).rows
    assert [row.case.id for row in rows] == [MUST_ID, INFO_ID, SHOULD_ID]
    verdicts = [[each and each.verdict for each in row.results] for row in rows]
    assert verdicts == [[PASS, FAIL], [None, UNKNOWN], [FAIL, None]]


def test_servers_of_one_name_are_told_apart() -> None:
    same, other = report([]), report([], name="other")
    assert matrix_of([same, other]).names == ["127.0.0.1:9092", "other"]
    assert matrix_of([same, other, same], ["old", "x", "new"]).names == [
        "127.0.0.1:9092 (old)", "other", "127.0.0.1:9092 (new)"
    ]  # fmt: skip
    assert matrix_of([same, same], ["a", "a"]).names == ["127.0.0.1:9092 (1)", "127.0.0.1:9092 (2)"]


def test_as_json_it_holds_verdicts() -> None:
    whole = matrix_of([report([result(MUST_ID, FAIL)], name="bot"), report([result(INFO_ID, PASS)])])
    assert whole.as_json() == {
        "schema": "audiosocket.check-report/1",
        "servers": [
            {"name": "bot", "target": "127.0.0.1:9092", "asterisk": "23.4", "passed": False},
            {"name": "127.0.0.1:9092", "target": "127.0.0.1:9092", "asterisk": "23.4", "passed": True},
        ],
        "cases": [
            {"id": MUST_ID, "level": "MUST", "verdicts": ["fail", None]},
            {"id": INFO_ID, "level": "INFO", "verdicts": [None, "pass"]},
        ],
    }
