"""The page of a day in a real browser: sorting, filters, the open call and its sound, links, keys, access."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from audiosocket_cli.report.day import write_day
from support.browser import DESKTOP, PHONE, serious_faults, shown, until
from support.days import make_day

CALLS = 120
MARKUP = '</script><img src=x onerror="document.title=1"><b>bold</b>'


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a day with more calls than are shown at once, its recordings beside it."""
    folder = tmp_path_factory.mktemp("day")
    make_day(folder / "calls", CALLS, length_s=(3, 9))
    return write_day([folder / "calls"], folder / "day.html").path


@pytest.fixture
def page(browser: Browser, day: Path) -> Iterator[Page]:
    with shown(browser, day.as_uri()) as window:
        yield window


def calls_of(day: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (day.parent / "calls").glob("*.json")]


def column(page: Page, name: str) -> list[str]:
    return page.locator(f"tr.row > .col-{name}").all_inner_texts()


def fragment(page: Page) -> str:
    found: str = page.evaluate("decodeURIComponent(location.hash)")
    return found


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["light desktop", "dark phone"])
def test_everybody_can_use_it(
    browser: Browser, tmp_path: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    make_day(tmp_path / "calls", 12, days=2, length_s=(3, 6))
    day = write_day([tmp_path / "calls"], tmp_path / "day.html").path
    with shown(browser, day.as_uri(), size, scheme) as page:
        assert serious_faults(page) == []
        page.locator("tr.row th button").first.click()
        page.locator("tr.panel .stage").wait_for()
        assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_worst_calls_come_first(page: Page, day: Path) -> None:
    def rank(call: dict[str, Any]) -> tuple[Any, ...]:
        slowest = (call["turns"]["latency_ms"] or {"max": 0})["max"]
        best = (call["ended_how"] != "fault", -len(call["finding_ids"]), -call["caller"]["gaps_s"], -slowest)
        return *best, call["started_at"]

    ordered = sorted(calls_of(day), key=rank)
    shown_calls = page.locator("tr.row").evaluate_all("rows => rows.map(row => row.dataset.call)")
    assert shown_calls[:10] == [call["uuid"] for call in ordered[:10]]
    assert page.locator("[aria-sort]").count() == 0


def test_a_click_on_a_head_sorts_and_a_second_turns_the_order(page: Page, day: Path) -> None:
    page.get_by_role("button", name="Length").click()
    lengths = [call["duration_s"] for call in calls_of(day)]
    assert float(column(page, "length")[0].split()[0]) == pytest.approx(max(lengths), abs=0.06)
    assert page.locator("th.col-length").get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Length").click()
    assert float(column(page, "length")[0].split()[0]) == pytest.approx(min(lengths), abs=0.06)
    assert page.locator("th.col-length").get_attribute("aria-sort") == "ascending"
    assert fragment(page) == "#sort=length"


def test_what_was_not_measured_is_last_in_either_order(page: Page, day: Path) -> None:
    known = sum(call["turns"]["latency_ms"] is not None for call in calls_of(day))
    assert 0 < known < 100, "the day has none, or too many"
    for _ in range(2):
        page.get_by_role("button", name="Answer after").click()
        is_known = ["not measured" not in text for text in column(page, "latency")]
        assert is_known == [True] * known + [False] * (100 - known)


def test_words_and_figures_filter(page: Page, day: Path) -> None:
    calls = calls_of(day)
    page.locator("#find").fill("192.0.2.3 length>4")
    expected = [call for call in calls if call["peer"].startswith("192.0.2.3") and call["duration_s"] > 4]
    assert page.locator("#count").inner_text() == f"{len(expected)} calls of {CALLS}"
    assert page.locator("tr.row").count() == len(expected) > 0
    assert page.locator("#totals .figure").first.inner_text() == str(len(expected))
    assert fragment(page) == "#find=192.0.2.3+length>4"
    page.locator("#find").fill("nothing like it")
    assert page.locator("#none").is_visible()
    page.locator("#clear").click()
    assert page.locator("#count").inner_text() == f"{CALLS} calls"
    assert fragment(page) == ""


def test_chips_of_findings_and_kinds_filter(page: Page, day: Path) -> None:
    calls = calls_of(day)
    chip = page.locator("#findings button").first
    found = chip.inner_text().split()[0]
    expected = sum(found in call["finding_ids"] for call in calls)
    chip.click()
    assert page.locator("tr.row").count() == expected
    pressed = page.locator("#findings button").first
    assert pressed.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.textContent").startswith(found), "it keeps the focus"
    page.locator("#kinds button", has_text="with digits").click()
    both = sum(found in call["finding_ids"] and bool(call["dtmf"]) for call in calls)
    assert page.locator("tr.row").count() == both
    assert fragment(page) == f"#finding={found}&only=digits"


def test_an_hour_filters(page: Page, day: Path) -> None:
    busiest = page.locator("#heat button[data-hour='10']")
    expected = sum("T10:" in call["started_at"] for call in calls_of(day))
    assert busiest.get_attribute("aria-label") == f"10:00, {expected} calls"
    busiest.click()
    assert page.locator("tr.row").count() == expected
    assert fragment(page) == "#hour=10"
    assert page.locator("#heat button[data-hour='10']").get_attribute("aria-pressed") == "true"
    page.locator("#heat button[data-hour='10']").click()
    assert fragment(page) == ""


def test_a_row_opens_its_call(page: Page, day: Path) -> None:
    page.locator("#findings button").first.click()
    button = page.locator("tr.row th button").first
    key = button.get_attribute("data-call")
    (call,) = (each for each in calls_of(day) if each["uuid"] == key)
    button.click()
    panel = page.locator("tr.panel")
    assert button.get_attribute("aria-expanded") == "true"
    text = panel.inner_text()
    assert call["uuid"] in text
    assert call["ended_reason"] in text
    assert call["findings"][0].rsplit(" [", 1)[0] in text
    assert "Cure:" in text
    assert f"audiosocket help finding {call['finding_ids'][0]}" in text
    assert panel.locator("table.turns tbody tr").count() == len(call["turns"]["list"])
    assert fragment(page).endswith(f"&call={key}")
    page.keyboard.press("Escape")
    assert panel.count() == 0
    assert page.evaluate("document.activeElement.dataset.call") == key


def test_the_recording_plays_and_the_cursor_follows(page: Page) -> None:
    page.locator("tr.row th button").first.click()
    page.locator("table.turns .at").last.click()
    until(page, "document.querySelector('audio').currentTime > 0 && !document.querySelector('audio').paused")
    until(page, "parseFloat(document.querySelector('.cursor').style.left) > 10")
    page.evaluate("document.querySelector('audio').pause()")
    box = page.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 20)
    quarter = "Math.abs(document.querySelector('audio').currentTime / document.querySelector('audio').duration - 0.25)"
    until(page, f"{quarter} < 0.2")


def test_a_link_leads_to_a_call_wherever_it_is(browser: Browser, day: Path) -> None:
    with shown(browser, day.as_uri() + "#sort=when") as page:
        page.get_by_role("button", name="Next").click()
        key = page.locator("tr.row th button").last.get_attribute("data-call")
    with shown(browser, f"{day.as_uri()}#sort=when&call={key}") as page:
        assert page.locator("tr.panel").count() == 1
        assert page.locator("tr.open th button").get_attribute("data-call") == key
        assert page.locator("#pages span").inner_text() == f"101 to {CALLS} of {CALLS} calls"
        page.evaluate("location.hash = 'only=gaps'")
        until(page, "document.querySelector('tr.panel') === null")
        assert page.locator("#kinds [aria-pressed=true]").inner_text().startswith("with gaps")


STRANGE = ["sort=constructor&page=99999&hour=99&weekday=-1&only=x", "call=%22%5D&find=constructor>1",
           "finding=constructor,__proto__", "%E0%A4%A"]  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_a_strange_address_does_no_harm(browser: Browser, day: Path, text: str) -> None:
    with shown(browser, f"{day.as_uri()}#{text}") as page:
        assert page.locator("#count").inner_text().split()[0] in (str(CALLS), "0")


def test_keys_lead_from_call_to_call(page: Page) -> None:
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.locator("tr.row th button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    keys = page.locator("tr.row th button").evaluate_all("all => all.map(each => each.dataset.call)")
    assert page.locator("tr.open").get_attribute("data-call") == keys[1]


def test_times_can_be_those_of_the_reader(browser: Browser, day: Path) -> None:
    with shown(browser, day.as_uri() + "#sort=when", timezone_id="Asia/Kolkata") as page:
        before = column(page, "when")[0]
        page.locator("#zone").check()
        hours, minutes, seconds = map(int, before.strip().split(":"))
        later = hours * 60 + minutes + 330
        expected = f"{later // 60 % 24:02}:{later % 60:02}:{seconds:02}"
        assert expected in [each.split("\n")[0].split()[0] for each in column(page, "when")]
        assert "zone=local" in fragment(page)


def test_all_chosen_calls_are_printed(browser: Browser, day: Path) -> None:
    with shown(browser, day.as_uri()) as page:
        assert page.locator("tr.row").count() == 100
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("tr.row").count() == CALLS
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("tr.row").count() == 100


def test_hostile_text_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    hostile = {
        "schema": "audiosocket.call/1", "uuid": MARKUP, "peer": MARKUP, "started_at": "2026-11-30T10:00:00Z",
        "ended_by": MARKUP, "ended_how": MARKUP, "ended_reason": MARKUP, "result": MARKUP, "duration_s": 1e300,
        "dtmf": [{"digit": "1"}] * 10_000, "findings": [f"{MARKUP} [constructor]"], "finding_ids": ["constructor"],
        "recording": {"files": [f"{MARKUP}.wav"], "error": MARKUP}, "turns": {"list": [{"side": MARKUP}]},
    }  # fmt: skip
    (calls / "a#?%<.json").write_text(json.dumps(hostile))
    path = write_day([calls], tmp_path / "day.html").path
    with shown(browser, path.as_uri()) as page:
        page.locator("tr.row th button").click()
        assert page.locator("tr.panel dd").first.inner_text() == MARKUP
        assert page.locator("b", has_text="bold").count() == 0
        assert page.locator("img").count() == 0
        assert page.title() == "Calls in calls"
        assert "9,900 more characters" in page.locator("tr.panel").inner_text()
        assert "undefined" not in page.inner_text("main")
        assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP[0]


def test_a_call_of_which_nothing_is_known_says_so(browser: Browser, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    (calls / "a.json").write_text('{"schema": "audiosocket.call/1"}')
    path = write_day([calls], tmp_path / "day.html").path
    with shown(browser, path.as_uri()) as page:
        cells = page.locator("tr.row .unmeasured .unseen").all_inner_texts()
        assert cells.count("not measured") == 7
        page.locator("tr.row th button").click()
        text = page.locator("tr.panel").inner_text()
        assert "There is no recording of this call beside this page." in text
        assert "Not measured." in text
        assert "NaN" not in page.inner_text("main")
        assert "null" not in page.inner_text("main")
