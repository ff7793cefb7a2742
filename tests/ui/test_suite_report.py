"""What came of many replayed calls: as text, as JUnit XML, and as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.analysis.compare import Difference
from audiosocket_cli.ui.suite_report import (
    CallReport,
    State,
    SuiteReport,
    call_json,
    suite_lines,
    suite_page,
    suite_xml,
)
from support.junit import valid
from support.markup import measured, parsed, text_of, with_class

FOUND = [
    Difference(1.0, None, "speech of 0.50 s", "is missing", "speech"),
    Difference(2.0, 3.0, "hangup", "comes", "times"),
]
TEXT = ["sent 10 frames", "the answer differs in 2 places:", "  head", "  one", "  two"]
MARKUP = "<script>alert(1)</script>"


def whole(**more: object) -> SuiteReport:
    calls = [
        CallReport("calls/good.pcapng", State.PASSED, text=["sent 10 frames", "the answer is as expected"],
                   elapsed_s=2.0),
        CallReport("calls/bad.pcapng", State.FAILED, "the answer differs in 2 places", TEXT, {"complete": True}, FOUND,
                   3.0, ["oops", MARKUP], ["audiosocket", "replay", "calls/bad.pcapng"]),
        CallReport("calls/x.pcapng", State.ERROR, "cannot connect"),
        CallReport("calls/y.pcapng", State.ERROR, "cannot connect"),
    ]  # fmt: skip
    return SuiteReport("bot:9092", calls, "2026-11-29T20:00:00.000+00:00", 12.0, **more)  # type: ignore[arg-type]


def test_the_verdict_is_first_and_what_failed_follows() -> None:
    assert suite_lines(whole(notes=["it died"])) == [
        "failed: 4 calls: 1 passed, 1 failed, 2 could not run",
        "bot:9092, 12 s",
        "note: it died",
        "",
        "failed: calls/bad.pcapng: the answer differs in 2 places",
        *(f"  {line}" for line in TEXT),
        "  its log    oops",
        f"             {MARKUP}",
        "  again      audiosocket replay calls/bad.pcapng",
        "",
        "could not run: cannot connect",
        "  calls/x.pcapng",
        "  calls/y.pcapng",
    ]
    good = SuiteReport("bot:9092", whole().calls[:1], "2026-11-29T20:00:00", 2.0)
    assert suite_lines(good) == ["passed: 1 call: 1 passed, 0 failed", "bot:9092, 2 s"]


def test_junit_is_valid_and_has_each_call() -> None:
    (suite,) = valid(suite_xml(whole()))
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["4", "1", "2"]
    good, bad, gone, _ = suite
    assert (good.get("name"), list(good)) == ("calls/good.pcapng", [])
    assert (bad[0].get("message"), bad[0].text) == ("the answer differs in 2 places", "\n".join(TEXT))
    assert bad.findtext("system-out") == f"oops\n{MARKUP}"
    assert gone[0].get("message") == "cannot connect"


def test_json_names_the_call_and_its_verdict() -> None:
    assert call_json(whole().calls[1]) == {
        "schema": "audiosocket.replay/1", "complete": True, "name": "calls/bad.pcapng", "verdict": "failed",
        "reason": "the answer differs in 2 places",
    }  # fmt: skip


def test_a_page_opens_what_differs() -> None:
    root = parsed(suite_page(whole()))
    assert not list(root.iter("script"))
    rows = list(root.iter("tr"))[1:]
    assert [text_of(next(with_class(row, "chip"))) for row in rows] == [
        "✓ passed", "✗ failed", "? could not run", "? could not run"
    ]  # fmt: skip
    assert [row.get("class") for row in rows] == ["fine", "", "", ""]
    (opened,) = with_class(rows[1], "evidence")
    names = dict(zip(map(text_of, opened.iter("dt")), map(text_of, opened.iter("dd")), strict=True))
    assert names["differences"].endswith("1.00 s - speech of 0.50 s is missing 2.00 s 3.00 s hangup comes")
    assert names["result"] == "sent 10 frames"
    assert names["its log"] == f"oops {MARKUP}"
    assert names["again"] == "audiosocket replay calls/bad.pcapng"


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_it_is_beyond_the_right_edge(width: int, tmp_path: Path) -> None:
    long = CallReport(
        "/".join(["x" * 60] * 4), State.FAILED, "y" * 200, ["z" * 300], {}, (), 3.0, ["w" * 300], ["v" * 300]
    )
    report = SuiteReport("bot:9092", [*whole().calls, long], "2026-11-29T20:00:00", 12.0, ["u" * 300])
    found = measured(suite_page(report), width, tmp_path)
    assert [each for each in found if each["scrollWidth"] > each["clientWidth"] or each["wide"]][:1] == []
