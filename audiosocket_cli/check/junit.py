"""A report as JUnit XML, by the schema of Jenkins' xunit plugin (junit-10.xsd): a suite for each group of cases.

A case fails there when it makes the command fail. What else failed, could not be told or does not apply is skipped,
with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

from audiosocket_cli.check.model import CaseResult, Report, Verdict

_FORBIDDEN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


def junit_xml(report: Report) -> bytes:
    """Return the whole file."""
    root = ElementTree.Element("testsuites", name="audiosocket check")
    groups: dict[str, list[CaseResult]] = {}
    for result in report.results:
        groups.setdefault(result.case.group, []).append(result)
    for name, results in groups.items():
        root.append(_suite(report, name, results))
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _suite(report: Report, name: str, results: Sequence[CaseResult]) -> ElementTree.Element:
    failures = sum(map(report.counts, results))
    passes = sum(result.verdict is Verdict.PASS for result in results)
    suite = ElementTree.Element(
        "testsuite", name=f"audiosocket check {name}", tests=str(len(results)), failures=str(failures), errors="0",
        skipped=str(len(results) - failures - passes), time=f"{sum(map(_took_s, results)):.3f}",
        timestamp=report.started_at[:19], hostname=_clean(report.target),
    )  # fmt: skip
    suite.extend(_case(report, result) for result in results)
    return suite


def _took_s(result: CaseResult) -> float:
    return sum(attempt.elapsed_s for attempt in result.attempts)


def _case(report: Report, result: CaseResult) -> ElementTree.Element:
    case = result.case
    element = ElementTree.Element(
        "testcase", name=case.id, classname=f"audiosocket.check.{case.group}", time=f"{_took_s(result):.3f}"
    )
    if report.counts(result):
        failure = ElementTree.SubElement(element, "failure", type=case.level.value, message=_clean(result.observed))
        failure.text = _clean("\n".join([
            f"requirement: {case.requirement}", f"expected: {case.expected}", f"observed: {result.observed}",
            f"Asterisk: {case.asterisk}", f"cure: {case.cure}", "", *result.worst.evidence,
        ]))  # fmt: skip
    elif result.verdict is not Verdict.PASS:
        known = ", known" if case.id in (report.known or ()) else ""
        what = f"{case.level.value} failed{known}" if result.verdict is Verdict.FAIL else result.verdict.value
        ElementTree.SubElement(element, "skipped", message=_clean(f"{what}: {result.observed}"))
    if result.worst.log:
        ElementTree.SubElement(element, "system-out").text = _clean("\n".join(result.worst.log))
    return element


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
