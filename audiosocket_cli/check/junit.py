"""A report as JUnit XML: a suite for each group of cases.

A case fails there when it makes the command fail. Other cases that failed, are unknown or do not apply are skipped,
with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiosocket_cli.check.model import CaseResult, Report, Verdict
from audiosocket_cli.junit import JunitCase, JunitSuite, suites_xml


def junit_xml(report: Report) -> bytes:
    """Return the whole file."""
    groups: dict[str, list[CaseResult]] = {}
    for result in report.results:
        groups.setdefault(result.case.group, []).append(result)
    return suites_xml("audiosocket check", [_suite(report, name, results) for name, results in groups.items()])


def _suite(report: Report, name: str, results: Sequence[CaseResult]) -> JunitSuite:
    cases = [_case(report, result) for result in results]
    return JunitSuite(f"audiosocket check {name}", report.target, report.started_at, cases)


def _case(report: Report, result: CaseResult) -> JunitCase:
    case, counts = result.case, report.counts(result)
    return JunitCase(
        case.id,
        f"audiosocket.check.{case.group}",
        sum(attempt.elapsed_s for attempt in result.attempts),
        failure=result.observed if counts else None,
        skipped=None if counts or result.verdict is Verdict.PASS else _reason(report, result),
        kind=case.level.value,
        detail="\n".join([
            f"requirement: {case.requirement}", f"expected: {case.expected}", f"observed: {result.observed}",
            f"Asterisk: {case.asterisk}", f"cure: {case.cure}", "", *result.worst.evidence,
        ]),
        log=result.worst.log,
    )  # fmt: skip


def _reason(report: Report, result: CaseResult) -> str:
    known = ", known" if report.is_known(result) else ""
    what = f"{result.case.level.value} failed{known}" if result.verdict is Verdict.FAIL else result.verdict.value
    return f"{what}: {result.observed}"
