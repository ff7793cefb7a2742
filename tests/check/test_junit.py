"""JUnit XML that the schema of Jenkins' xunit plugin takes, whatever was observed."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.junit import junit_xml
from audiosocket_cli.check.model import Report, Verdict
from support.checked import FAIL, MUST_ID, PASS, SHOULD_ID, SKIP, UNKNOWN, report, result
from support.junit import valid


def validated(whole: Report) -> ElementTree.Element:
    return valid(junit_xml(whole))


def mixed() -> Report:
    verdicts = list(Verdict)
    return report([result(case.id, verdicts[number % 4]) for number, case in enumerate(CASES)])


def test_a_report_with_each_verdict_is_valid() -> None:
    root = validated(mixed())
    suites = root.findall("testsuite")
    assert len(suites) == 12
    assert sum(int(suite.get("tests", "")) for suite in suites) == len(CASES)
    for suite in suites:
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))


def test_what_counts_is_a_failure_and_all_else_is_skipped_with_its_reason() -> None:
    results = [result(MUST_ID, FAIL, observed="heard nothing", log=["oops"]), result(SHOULD_ID, FAIL),
               result("uuid/late", PASS), result("uuid/split", UNKNOWN), result("kind/slin16", SKIP)]  # fmt: skip
    cases = {case.get("name"): case for case in validated(report(results)).iter("testcase")}
    failure = cases[MUST_ID].find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("MUST", "heard nothing")
    assert "cure: read by length" in (failure.text or "")
    assert cases[MUST_ID].findtext("system-out") == "oops"
    messages = {name: skip.get("message") for name, case in cases.items() for skip in case.findall("skipped")}
    assert messages == {
        SHOULD_ID: "SHOULD failed: it was a fail",
        "uuid/split": "unknown: it was a unknown",
        "kind/slin16": "skip: it was a skip",
    }
    assert list(cases["uuid/late"]) == []


def test_a_known_failure_is_skipped() -> None:
    root = validated(report([result(MUST_ID, FAIL)], known=frozenset([MUST_ID])))
    assert [skip.get("message") for skip in root.iter("skipped")] == ["MUST failed, known: it was a fail"]


@pytest.mark.parametrize("text", ["\0\x1b[31m", "<&>\"'", "\ud800 \uffff", "a\r\nb\tc", "é … 𝄞"])
def test_whatever_a_server_writes_is_valid(text: str) -> None:
    validated(report([result(MUST_ID, FAIL, observed=text, log=[text], evidence=[text])]))


def test_an_empty_report_is_valid() -> None:
    validated(report([]))
