"""What counts, of attempts and of failures."""

from __future__ import annotations

import pytest

from audiosocket_cli.check.model import Attempt, CaseResult, Verdict, failed, passed
from support.checked import FAIL, INFO_ID, MUST_ID, PASS, SHOULD_ID, SKIP, UNKNOWN, report, result


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([PASS], PASS),
        ([PASS, PASS, FAIL, PASS], FAIL),
        ([PASS, UNKNOWN], UNKNOWN),
        ([UNKNOWN, FAIL], FAIL),
        ([SKIP], SKIP),
    ],
)
def test_one_failure_of_many_attempts_is_one(verdicts: list[Verdict], worst: Verdict) -> None:
    assert result(MUST_ID, *verdicts).verdict is worst


def test_a_must_counts_and_a_should_where_it_is_strict() -> None:
    results = [result(each, FAIL) for each in (MUST_ID, SHOULD_ID, INFO_ID)]
    assert [each.case.id for each in report(results).counting] == [MUST_ID]
    assert [each.case.id for each in report(results, strict=True).counting] == [MUST_ID, SHOULD_ID]
    assert [each.case.id for each in report(results).failures] == [MUST_ID, SHOULD_ID, INFO_ID]


def test_what_was_known_does_not_count_and_what_passes_now_is_mended() -> None:
    results = [result(MUST_ID, FAIL), result("frame/split-header", FAIL), result("uuid/late", PASS)]
    whole = report(results, known=frozenset([MUST_ID, "uuid/late", "frame/largest"]))
    assert [each.case.id for each in whole.counting] == ["frame/split-header"]
    assert whole.mended == ["uuid/late"]


def test_unknown_and_skipped_do_not_count() -> None:
    assert report([result(MUST_ID, UNKNOWN), result("uuid/late", SKIP)], strict=True).counting == []


def test_what_comes_to_no_verdict_has_not_passed() -> None:
    found = {name: result(MUST_ID, verdict) for name, verdict in (("skip", SKIP), ("unknown", UNKNOWN), ("pass", PASS))}
    assert [report(results).verdict for results in ([], [found["skip"]], [found["skip"], found["unknown"]])] == [
        UNKNOWN
    ] * 3
    assert report([found["skip"], found["pass"]]).verdict is PASS
    assert report([result(SHOULD_ID, FAIL)]).verdict is PASS
    assert report([result(MUST_ID, FAIL)], known=frozenset([MUST_ID])).verdict is PASS
    assert report([found["pass"], result(SHOULD_ID, FAIL)], strict=True).verdict is FAIL


def test_what_attempts_measured_is_in_order() -> None:
    attempts = [Attempt(passed("", seconds), 0.1) for seconds in (0.9, None, 0.5)]
    found = CaseResult(result(MUST_ID, PASS).case, [*attempts, Attempt(failed("", 2.0), 0.1)])
    assert found.measured_s == [0.5, 0.9, 2.0]
    assert [attempt.as_json()["measured_s"] for attempt in found.attempts] == [0.9, None, 0.5, 2.0]
