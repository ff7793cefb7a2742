"""The page of a day as it is written: its structure, what it says without scripts, and that text stays text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from audiosocket_cli.report.day_call import DayCall, day_call
from audiosocket_cli.report.day_data import day_data, day_of
from audiosocket_cli.report.day_folder import ALONE, BROKEN, GONE, OTHERS, Beside, Kind
from audiosocket_cli.report.day_page import day_page, told
from support.markup import parsed, text_of, with_class

MARKUP = '</script><script>document.title = "owned"</script><img src=x onerror=alert(1)>'
ASSETS = Path(__file__).parents[2] / "audiosocket_cli" / "report" / "assets"


def made(*calls: DayCall, beside: Beside | None = None, left_out: int = 0) -> Element:
    day = day_of("Calls in day", calls, beside or Beside())
    day.left_out = left_out
    return parsed(day_page(day, day_data(day, str)))


def call_of(**content: Any) -> DayCall:
    return day_call(content, key="a", folder="", name="a.json")


def element(root: Element, name: str) -> Element:
    (found,) = (each for each in root.iter() if each.get("id") == name)
    return found


def test_the_page_has_its_data_and_runs_its_own_scripts_only() -> None:
    root = made(call_of(uuid="abc"))
    found = json.loads(element(root, "day").text or "")
    assert found["schema"] == "audiosocket.day/1"
    assert "abc" in found["calls"][0]
    (policy,) = (each.get("content", "") for each in root.iter("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "script-src 'unsafe" not in policy
    scripts = [each for each in root.iter("script") if each.get("type") is None]
    assert policy.count("'sha256-") == len(scripts) == len(list(ASSETS.glob("day_*.js")))


def test_markup_of_a_call_is_text_of_the_data() -> None:
    root = made(call_of(uuid=MARKUP, peer=MARKUP, result=MARKUP, findings=[MARKUP], finding_ids=[MARKUP]))
    assert MARKUP in json.loads(element(root, "day").text or "")["calls"][0]
    assert list(root.iter("img")) == []


def test_what_is_beside_calls_is_told_with_its_first_names() -> None:
    beside = Beside()
    for number in range(12):
        beside.note(OTHERS, f"{number}.txt")
    beside.note(BROKEN, f"{MARKUP}: not JSON")
    text = [text_of(each) for each in next(with_class(made(beside=beside), "beside")).iter("details")]
    assert text[0].startswith("12 other files 0.txt 1.txt")
    assert text[0].endswith("9.txt 2 more")
    assert text[1] == f"1 JSON file that cannot be read {MARKUP}: not JSON"


def test_nothing_beside_is_not_told() -> None:
    assert list(with_class(made(call_of()), "beside")) == []


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [
        (GONE, 1, "1 call whose recording is not there"),
        (ALONE, 1200, "1,200 recordings without JSON: little is known of the call"),
    ],
)
def test_kinds_are_counted(kind: Kind, count: int, expected: str) -> None:
    assert told(kind, count) == expected


def test_no_call_and_too_many_are_said() -> None:
    assert "There is no call here." in text_of(made())
    assert "1 more call that began earlier: a page holds 10,000" in text_of(made(call_of(), left_out=1))


def test_the_rule_of_the_order_is_on_the_page() -> None:
    root = made(replace(call_of(), error="disk full"))
    names = dict(zip(map(text_of, root.iter("dt")), map(text_of, root.iter("dd")), strict=True))
    assert names["worst first"].startswith("calls that failed or whose recording is not whole; then by the number of")
    assert "latency>1.5" in names["search"]


@pytest.mark.parametrize("path", sorted(ASSETS.glob("day*")), ids=lambda path: path.name)
def test_scripts_and_styles_are_small_plain_and_never_make_markup(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 120
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:", "https:"):
        assert word not in "\n".join(lines).replace("http://www.w3.org/2000/svg", "")
