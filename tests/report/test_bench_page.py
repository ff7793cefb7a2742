"""The page of a load: what stands in it, in which order, and that text of files stays text."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.report.bench_page import bench_page
from support.bench_results import bench_result
from support.markup import parsed, text_of, with_class

MARKUP = "</script><img src=x onerror=alert(1)>\u202e"


def shown(*results: BenchResult | Mapping[str, Any], names: tuple[str, ...] = ("new.json", "old.json")) -> Element:
    """The page, of results or of what files hold."""
    contents = [json.loads(json.dumps(each.as_file())) if isinstance(each, BenchResult) else each for each in results]
    return parsed(bench_page(contents, names[: len(contents)]))


def section(root: Element, heading_id: str) -> list[Element]:
    """What follows a heading until the next."""
    (main,) = root.iter("main")
    found: list[Element] = []
    for each in main:
        if each.tag == "h2":
            if found:
                break
            if each.get("id") != heading_id:
                continue
        elif not found:
            continue
        found.append(each)
    return found


def rows(elements: list[Element]) -> list[list[str]]:
    """The rows of all tables in these."""
    return [[text_of(cell) for cell in row] for each in elements for row in each.iter("tr")]


def data_of(root: Element) -> dict[str, Any]:
    (held,) = (each for each in root.iter("script") if each.get("id") == "bench-data")
    content: dict[str, Any] = json.loads(held.text or "")
    return content


def test_the_verdict_is_first_then_thresholds_times_charts() -> None:
    root = shown(bench_result())
    assert [text_of(each) for each in root.iter("h1")] == ["Load test of 127.0.0.1:9092"]
    headings = [each.get("id") for each in root.iter("h2") if each.get("id")]
    assert headings == ["thresholds", "times", "over-time", "spread", "reasons", "findings", "settings"]
    (card, *_) = with_class(root, "card")
    assert text_of(card).startswith("new.json ✓ passed 2 of 2 thresholds, no errors in 120 calls 20 at once for 30 s")
    assert not list(with_class(root, "banner"))
    assert "No call failed." in text_of(root)
    assert "None in the first 5 calls of each process. Later calls are not looked at." in text_of(root)


def test_a_run_that_says_nothing_about_the_server_says_so_first_and_big() -> None:
    root = shown(bench_result(invalid=["a process that placed calls did not run for 1.20 s"]))
    (main,) = root.iter("main")
    assert [each.get("class") for each in main][:3] == [None, "banner", "servers"]
    assert text_of(main[1]).startswith(
        "INVALID These figures say nothing about the server: this machine did not keep up a process that placed calls "
        "did not run for 1.20 s What to do: use fewer --calls"
    )
    (card, *_) = with_class(root, "card")
    assert text_of(card).startswith("new.json ! INVALID 1 reason")


def test_a_comparison_with_an_invalid_result_says_so() -> None:
    root = shown(bench_result(), bench_result(invalid=["it was late"]))
    (banner,) = with_class(root, "banner")
    assert text_of(banner).startswith("INVALID The result to compare with, old.json, says nothing about the server")


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"failing": "the server reset it"}, "✗ failed errors<=0: it is 19"),
        ({"turn_ms": 900.0, "failing": "reset"}, "✗ failed 2 faults"),
        ({"thresholds": [], "failing": "reset"}, "! 19 errors in 120 calls"),
        ({"thresholds": ["error_rate<50%"], "failing": "reset"}, "! 19 errors 1 of 1 thresholds, in 120 calls"),
        ({"thresholds": []}, "✓ no errors in 120 calls"),
        ({"gone_s": 12.0}, "✗ failed the server was gone after 12 s: no call connected"),
    ],
    ids=str,
)
def test_verdicts(more: dict[str, Any], verdict: str) -> None:
    (card, *_) = with_class(shown(bench_result(**more)), "card")
    assert text_of(card).startswith(f"new.json {verdict}")


def test_thresholds_stand_with_what_they_found() -> None:
    asked = ["turn_p95<10ms", "errors<=0", "echo_p50<1s", "no_such<1"]
    found = rows(section(shown(bench_result(thresholds=asked)), "thresholds"))
    assert found[0] == ["threshold", "found", "verdict"]
    assert found[1][0] == "turn_p95<10ms"
    assert found[1][1].endswith(" ms")
    assert [row[2] for row in found[1:]] == ["✗ broken", "✓ holds", "✗ broken", "✗ broken"]
    assert [row[1] for row in found[2:]] == ["0", "\u2013", "\u2013"]


def test_what_got_worse_is_by_the_rule_of_compare_the_worst_first() -> None:
    root = shown(bench_result(450.0, failing="reset"), bench_result(300.0))
    found = rows(section(root, "worse"))
    assert found[0] == ["value", "change", "now", "before"]
    others = found.index(found[0], 1)
    assert [row[0] for row in found[1:others]] == ["error_rate", "turn_p95", "turn_p50"]
    assert [row[1].split()[-1] for row in found[1:others]] == ["worse"] * 3
    shares = [int(row[1].split()[1].rstrip("%")) for row in found[1:others]]
    assert shares == sorted(shares, reverse=True)
    assert 35 < shares[1] < 65
    assert {row[1] for row in found[others + 1 :]} == {"= same"}
    times = {row[0]: row for row in rows(section(root, "times"))}
    assert times["turn"][2].endswith("% worse")
    assert "was" in times["turn"][4]
    assert "worse" not in times["turn"][4]


def test_what_is_many_times_as_much_is_said_in_times_and_not_in_percent() -> None:
    root = shown(bench_result(9000.0), bench_result(300.0))
    found = {row[0]: row[1] for row in rows(section(root, "worse")) if len(row) == 4}
    assert re.fullmatch(r"▲ \d{2} times as much", found["turn_p95"])


def test_nothing_worse_is_said() -> None:
    root = shown(bench_result(), bench_result())
    assert "nothing got worse by more than a machine's timers differ (1 ms)." in text_of(root)


def test_what_was_not_measured_is_not_0() -> None:
    result = bench_result()
    result.figures.times["echo"].add_one(5.0)
    root = shown(result, bench_result())
    times = {row[0]: row for row in rows(section(root, "times"))}
    assert times["echo"][2] == "5.00 ms not measured before \u2013 cannot be compared"
    back = {row[0]: row for row in rows(section(shown(bench_result(), result), "times"))}
    assert back["echo"][2] == "\u2013 was 5.00 ms ▲ gone"
    assert "barge-in" not in times


def test_a_result_of_an_older_release_has_a_page_without_charts_over_time() -> None:
    old = bench_result().as_file()
    del old["series"], old["thresholds"]
    root = shown(old)
    assert "new.json: not measured over time" in text_of(root)
    assert data_of(root)["charts"] == []
    assert len(data_of(root)["histograms"]) == 4
    both = shown(bench_result(), old)
    assert "old.json: not measured over time" in text_of(both)
    assert [chart["plots"][1] for chart in data_of(both)["charts"]] == [None] * len(data_of(both)["charts"])


def test_findings_stand_with_their_cure_and_reasons_with_their_counts() -> None:
    root = shown(bench_result(findings=["0.2 s came at once [server-bursts]", "odd [no-such-thing]"], failing="lost"),
                 bench_result())  # fmt: skip
    first, second = with_class(root, "finding")
    assert text_of(first).startswith("0.2 s came at once in 30 of the first 5 calls of each process of new.json")
    assert "Cure: " in text_of(first)
    assert text_of(first).endswith("audiosocket help finding server-bursts")
    assert text_of(second) == "odd in 30 of the first 5 calls of each process of new.json"
    assert rows(section(root, "reasons")) == [["reason", "new.json", "old.json"], ["lost", "19", "0"]]


def test_many_reasons_are_bounded_and_that_is_said() -> None:
    result = bench_result()
    result.figures.reasons.update({f"reason {number}": 1 for number in range(33)})
    result.figures.find(f"odd [odd-{number}]" for number in range(25))
    result.settings["stages"] = [{"calls": 1, "duration_s": 2.0}] * 30
    root = shown(result)
    assert len(rows(section(root, "reasons"))) == 21
    assert "13 more reasons" in text_of(root)
    assert len(list(with_class(root, "finding"))) == 20
    assert "5 more findings" in text_of(root)
    assert "10 more stages" in text_of(root)


def test_who_cannot_see_a_chart_is_told_its_ranges() -> None:
    labels = [each.get("aria-label", "") for each in with_class(shown(bench_result(failing="lost")), "drawn")]
    assert len(labels) == 8 + 4
    assert labels[0].startswith("chart: Answer over time: p50 ")
    assert labels[4] == "chart: Calls open: calls open 0.0 to 20.0 calls"
    assert labels[5] == "chart: Failed calls: reset 0.0 to 1.0 calls"
    assert labels[8] == "histogram: Answer, new.json"


def test_text_of_a_file_is_text() -> None:
    hostile = bench_result(failing=MARKUP, invalid=[MARKUP], findings=[f"{MARKUP} [{MARKUP}]", f"{MARKUP} [clipped]"],
                           thresholds=[MARKUP])  # fmt: skip
    content = hostile.as_file() | {"started_at": MARKUP}
    content["settings"] = content["settings"] | {"target": MARKUP, "kind": MARKUP}
    root = shown(content, content, names=(MARKUP, MARKUP))
    assert not list(root.iter("img"))
    assert [each.get("id") for each in root.iter("script")] == ["bench-data", *[None] * 5]
    assert data_of(root)["names"] == [MARKUP.replace("\u202e", "\\u202e")] * 2
    assert "\u202e" not in "".join(root.itertext())


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {}}, {"settings": {"target": 3}}, {"usage": {"x": 1}}, {"invalid": 7}, {"series": {}},
        {"series": 3}, {"figures": {}}, {"thresholds": 5}, {"schema": "audiosocket.check/1"}, {"elapsed_s": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_file_is_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(FileError, match=r"cannot read .*new\.json"):
        bench_page([copy.deepcopy(bench_result().as_file()) | change], ["new.json"])


@pytest.mark.parametrize(
    ("names", "shown_as"),
    [
        (("/tmp/a/new.json", "b/old.json"), ["new.json", "old.json"]),
        (("a/result.json", "b/result.json"), ["a/result.json", "b/result.json"]),
    ],
)
def test_results_have_the_names_of_their_files(names: tuple[str, str], shown_as: list[str]) -> None:
    assert data_of(shown(bench_result(), bench_result(), names=names))["names"] == shown_as


@pytest.mark.parametrize("count", [0, 3])
def test_a_page_shows_one_or_two(count: int) -> None:
    with pytest.raises(UsageError, match=f"one result of bench, or two side by side, not {count}"):
        bench_page([bench_result().as_file()] * count, ["x"] * count)


def test_a_day_long_load_is_a_small_page() -> None:
    result = bench_result(seconds=900)
    page = bench_page([result.as_file(), result.as_file()], ["new.json", "old.json"])
    assert len(page) < 300_000
