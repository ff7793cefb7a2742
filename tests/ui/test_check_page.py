"""The page of servers by cases: its structure, what a cell opens, and how it fits windows of any width."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.matrix import matrix_of
from audiosocket_cli.check.model import Report, Verdict
from audiosocket_cli.ui.check_page import check_page
from audiosocket_cli.ui.check_report import report_lines
from support.checked import FAIL, INFO_ID, MUST_ID, PASS, SHOULD_ID, SKIP, UNKNOWN, report, result
from support.markup import measured, parsed, text_of, with_class

MARKUP = "<img src=x onerror=alert(1)></pre></details><script>alert(2)</script>"


def shown(*reports: Report) -> Element:
    return parsed(check_page(matrix_of(reports)))


def row_of(root: Element, case_id: str) -> Element:
    (row,) = (each for each in root.iter("tr") if each.get("id") == case_id)
    return row


def test_servers_are_columns_and_cases_are_rows() -> None:
    first = report([result(MUST_ID, PASS), result(SHOULD_ID, FAIL)], name="first")
    second = report([result(MUST_ID, FAIL), result(INFO_ID, UNKNOWN)], name="second")
    root = shown(first, second)
    (table,) = root.iter("table")
    heads = [(text_of(each), each.get("scope")) for each in table.find("thead").iter("th")]  # type: ignore[union-attr]
    assert heads == [("case", "col"), ("level", "col"), ("first", "col"), ("second", "col")]
    assert [text_of(each) for each in table.iter("th") if each.get("scope") == "rowgroup"] == [
        "frame/",
        "kind/",
        "pace/",
    ]
    for row in table.iter("tr"):
        assert row.get("role") == "row"
        assert sum(int(cell.get("colspan", "1")) for cell in row) == 4
        assert {cell.get("role") for cell in row} <= {"cell", "rowheader", "columnheader"}
    chips = {case_id: [text_of(chip) for chip in with_class(row_of(root, case_id), "chip")]
             for case_id in (MUST_ID, SHOULD_ID, INFO_ID)}  # fmt: skip
    assert chips == {MUST_ID: ["✓ passed", "✗ failed"], SHOULD_ID: ["✗ failed"], INFO_ID: ["? unknown"]}
    assert [text_of(cell) for cell in row_of(root, SHOULD_ID).iter("td")][2] == f"{SHOULD_ID}, second: not run"
    assert text_of(next(root.iter("h1"))) == "Which servers survive Asterisk?"


def test_each_server_has_its_verdict_first() -> None:
    bad = report([result(MUST_ID, FAIL), result(SHOULD_ID, FAIL)], notes=["it died once"])
    good = report([result(MUST_ID, FAIL)], known=frozenset([MUST_ID]), name="good")
    first, second = with_class(shown(bad, good), "card")
    assert text_of(first).startswith("127.0.0.1:9092 ✗ failed 1 case (1 MUST) of 2: 0 passed, 2 failed")
    assert "note: it died once" in text_of(first)
    assert text_of(second).startswith("good ✓ passed no case that counts failed, of 1")
    assert "known failures: frame/coalesced" in text_of(second)


def test_a_cell_opens_what_proves_it() -> None:
    failure = result(MUST_ID, PASS, FAIL, observed="heard 1 of the 10", evidence=["   0.000 s  caller  uuid"],
                     log=["Traceback"], capture=Path("/seen/frame-coalesced.pcapng"))  # fmt: skip
    root = shown(report([failure], command=["node", "server.js", "{port}"]))
    (details,) = row_of(root, MUST_ID).iter("details")
    assert [each.tag for each in details] == ["summary", "div"]
    assert text_of(details[0]) == f"{MUST_ID}, 127.0.0.1:9092: ✗ failed"
    (names,) = details.iter("dl")
    found = dict(zip(map(text_of, names.iter("dt")), map(text_of, names.iter("dd")), strict=True))
    case = failure.case
    assert found["verdict"] == "failed, and makes the whole verdict negative"
    assert found["required"] == case.requirement
    assert found["expected"] == case.expected
    assert found["observed"] == "heard 1 of the 10"
    assert found["Asterisk"].startswith(case.asterisk)
    assert found["cure"] == case.cure
    assert found["attempts"] == "pass, fail"
    assert found["evidence"] == "0.000 s caller uuid"
    assert found["its log"] == "Traceback"
    assert found["again"].startswith(
        "audiosocket check --only frame/coalesced -- node server.js '{port}' audiosocket dump"
    )
    assert text_of(next(root.iter("h1"))) == "Does 127.0.0.1:9092 survive Asterisk?"


def test_a_failure_that_is_a_finding_leads_to_its_page() -> None:
    text = text_of(row_of(shown(report([result(SHOULD_ID, FAIL), result(MUST_ID, FAIL)])), SHOULD_ID))
    assert "audiosocket help finding audio-slow" in text
    assert "help finding" not in text_of(row_of(shown(report([result(SHOULD_ID, PASS)])), SHOULD_ID))
    assert "finding    audio-slow (audiosocket help finding audio-slow)" in "\n".join(
        report_lines(report([result(SHOULD_ID, FAIL)]))
    )


def test_what_passed_needs_no_cure() -> None:
    (details,) = row_of(shown(report([result(MUST_ID, PASS)])), MUST_ID).iter("details")
    assert [text_of(each) for each in details.iter("dt")] == ["required", "expected", "observed", "Asterisk"]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_no_verdict_is_told_by_colour_alone(verdict: Verdict) -> None:
    (chip,) = with_class(row_of(shown(report([result(MUST_ID, verdict)])), MUST_ID), "chip")
    sign, word = text_of(chip).split()
    assert (sign, word) == {PASS: ("✓", "passed"), FAIL: ("✗", "failed"), SKIP: ("\u2013", "skipped"),
                            UNKNOWN: ("?", "unknown")}[verdict]  # fmt: skip
    assert chip[0].get("aria-hidden") == "true"


def test_a_known_failure_says_so_and_does_not_count() -> None:
    root = shown(report([result(MUST_ID, FAIL)], known=frozenset([MUST_ID])), report([result(MUST_ID, FAIL)]))
    known, new = with_class(row_of(root, MUST_ID), "chip")
    assert (text_of(known), known.get("class")) == ("✗ known", "chip fail")
    assert (text_of(new), new.get("class")) == ("✗ failed", "chip fail counts")
    verdicts = [text_of(each) for each in row_of(root, MUST_ID).iter("dd") if text_of(each).startswith("failed")]
    assert verdicts == ["failed, and does not count", "failed, and makes the whole verdict negative"]


def test_what_no_server_fails_can_be_left_out() -> None:
    root = shown(report([result(MUST_ID, FAIL), result("frame/largest", PASS), result("uuid/late", SKIP)]))
    assert {row.get("id"): row.get("class") for row in root.iter("tr") if row.get("id")} == {
        MUST_ID: None, "frame/largest": "fine", "uuid/late": "fine"
    }  # fmt: skip
    assert [each.get("class") for each in root.iter("tbody")] == [None, "fine"]
    (box,) = root.iter("input")
    assert [text_of(each) for each in root.iter("label") if each.get("for") == box.get("id")] == [
        "only cases that some server fails"
    ]


def test_markup_of_a_server_is_text() -> None:
    hurt = result(MUST_ID, FAIL, observed=MARKUP, evidence=[MARKUP], log=[MARKUP, "\x1b[31mred"])
    root = shown(report([hurt], name=MARKUP, notes=[MARKUP], command=[MARKUP]))
    assert not [each for each in root.iter() if each.tag in ("script", "img")]
    assert any(each.text == f"{MARKUP}\n\\u001b[31mred" for each in row_of(root, MUST_ID).iter("pre"))


def test_ids_are_not_shared() -> None:
    ids = [each.get("id") for each in shown(report(result(case.id, PASS) for case in CASES)).iter() if each.get("id")]
    assert len(ids) == len(set(ids)) > len(CASES)


def whole(name: str, shift: int) -> Report:
    """A report with all cases, long words, and each verdict."""
    long = "/".join(["x" * 40] * 4)
    verdicts = list(Verdict)
    results = [
        result(case.id, verdicts[(number + shift) % 4], observed=f"it wrote {long}", evidence=[f"0.000 s  {long}"],
               log=[long, "{" + "y" * 300])
        for number, case in enumerate(CASES)
    ]  # fmt: skip
    return report(results, name=name, notes=[f"see {long}"])


@pytest.mark.parametrize(("width", "servers"), [(360, 1), (390, 5), (820, 5), (1280, 5), (1280, 12)])
def test_nothing_is_beyond_the_right_edge(width: int, servers: int, tmp_path: Path) -> None:
    names = ["bot:9092", "@fonoster/streams 0.15.20", "asterisk-ai-voice-agent", "z" * 50, "127.0.0.1:49152"]
    page = check_page(matrix_of([whole(names[each % 5] + str(each), each) for each in range(servers)]))
    found = measured(page, width, tmp_path)
    assert len(found) == servers * len(CASES) + 2
    assert [each for each in found if each["scrollWidth"] > each["clientWidth"] or each["wide"]][:1] == []
    assert {each["clientWidth"] for each in found} <= set(range(width - 20, width + 1))
