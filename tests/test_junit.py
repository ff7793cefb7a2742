"""JUnit XML that the schema of Jenkins' xunit plugin takes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from audiosocket_cli.junit import JunitCase, JunitSuite, suites_xml
from support.junit import valid

CASES = [
    JunitCase("good", "a.b", 1.25),
    JunitCase("bad", "a.b", 0.5, failure="3 differences", kind="answer", detail="one\ntwo", log=["oops"]),
    JunitCase("gone", "a.b", 0.0, error="cannot connect", kind="network"),
    JunitCase("left out", "a.b", 0.0, skipped="a signal came"),
]


def test_each_outcome_has_its_element_and_is_counted() -> None:
    (suite,) = valid(suites_xml("all", [JunitSuite("some", "bot:9092", "2026-11-29T20:00:00.123+00:00", CASES)]))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time", "timestamp")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "1.750",
                      "timestamp": "2026-11-29T20:00:00"}  # fmt: skip
    good, bad, gone, left_out = suite
    assert list(good) == []
    assert (bad[0].tag, bad[0].get("message"), bad[0].text, bad.findtext("system-out")) == (
        "failure", "3 differences", "one\ntwo", "oops"
    )  # fmt: skip
    assert [(each.tag, each.get("message")) for case in (gone, left_out) for each in case] == [
        ("error", "cannot connect"), ("skipped", "a signal came")
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["\0\x1b[31m", "<&>\"'", "\ud800 \uffff", "a\r\nb\tc", "é … 𝄞"])
def test_whatever_text_holds_the_file_is_valid(text: str) -> None:
    case = JunitCase(text, text, 0.0, failure=text, kind="x", detail=text, log=[text])
    root: ElementTree.Element = valid(suites_xml("all", [JunitSuite("some", text, "2026-11-29T20:00:00", [case])]))
    assert len(list(root.iter("testcase"))) == 1
