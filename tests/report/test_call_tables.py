"""Findings, marks, facts and links of a call in words."""

from __future__ import annotations

import pytest

from audiosocket_cli.report.call_tables import MAX_ROWS, address_of, findings_section, links_of, marks_section
from support.page_calls import FINDINGS, MARKS


def test_a_finding_has_its_cure_its_place_and_where_to_read_on() -> None:
    section = findings_section([*FINDINGS, {**FINDINGS[0], "at_s": None, "cure": "", "about": ""}])
    first, other = section.findall("article")
    text = "".join(first.itertext())
    assert "Cure: Lower the level" in text
    assert "audiosocket help finding clipped" in text
    assert [each.get("data-at") for each in first.iter("button")] == ["41.000"]
    assert not list(other.iter("button"))
    assert "Cure" not in "".join(other.itertext())


def test_a_call_without_findings_says_so() -> None:
    assert "No findings." in "".join(findings_section([]).itertext())
    assert "Nothing is marked" in "".join(marks_section([]).itertext())


def test_marks_are_listed_up_to_a_limit_that_is_said() -> None:
    assert len(marks_section(MARKS).findall(".//tbody/tr")) == len(MARKS)
    section = marks_section(MARKS[:1] * (MAX_ROWS + 5))
    assert len(section.findall(".//tbody/tr")) == MAX_ROWS
    assert "5 more are in the picture." in "".join(section.itertext())


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", " JavaScript:alert(1)", "//other.example/", "http://other.example/", "data:text/html,x",
     "java\nscript:alert(1)", "\\\\other.example\\"],
)  # fmt: skip
def test_a_link_that_would_lead_elsewhere_is_text(href: str) -> None:
    assert address_of(href, "calls/") == ""
    assert links_of([("name", href)], "")[0].find("a") is None


def test_links_are_seen_from_the_base() -> None:
    link = links_of([("Sound", "a%20call.wav")], "../calls/")[0].find("a")
    assert link is not None
    assert link.get("href") == "../calls/a%20call.wav"
