"""All pages in a real browser, as people open and use them: from folders with odd names, enlarged, by keys alone, with
little motion, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.matrix import matrix_of
from audiosocket_cli.check.model import Verdict
from audiosocket_cli.report.bench_page import bench_page
from audiosocket_cli.report.call_page import call_page
from audiosocket_cli.report.day import write_day
from audiosocket_cli.ui.check_page import check_page
from support.bench_results import bench_result
from support.browser import serious_faults, shown, until
from support.checked import report, result
from support.days import make_day
from support.page_calls import beside, minute, spoken, talked

ODD = "calls of 30.11. #7, 100% (ö & co)"
NAMES = ["call", "day", "bench", "check"]
ENLARGED = (640, 450)
"""A window of 1280 by 900, enlarged to 200 %."""

COLOUR_OF_TEXT = "getComputedStyle(document.body).color"
DARK_TEXT = "rgb(27, 30, 35)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of each kind, in a folder whose name an address has to escape."""
    folder = tmp_path_factory.mktemp("pages") / ODD
    folder.mkdir()
    turns = talked(60)
    sound = beside(spoken(turns, "caller", 60), spoken(turns, "server", 60, seed=2), folder / "call.wav")
    (folder / "call.html").write_bytes(call_page(minute(sound=sound)))
    make_day(folder / "calls", 30, length_s=(3, 9))
    write_day([folder / "calls"], folder / "day.html")
    results = [bench_result(latency).as_file() for latency in (450.0, 300.0)]
    (folder / "bench.html").write_bytes(bench_page(results, ["new.json", "old.json"]))
    verdicts = list(Verdict)
    cases = [result(case.id, verdicts[number % 4]) for number, case in enumerate(CASES)]
    (folder / "check.html").write_bytes(check_page(matrix_of([report(cases, name="bot:9092")])))
    return folder


def url(folder: Path, name: str) -> str:
    return (folder / f"{name}.html").as_uri()


def reach(page: Page, selector: str) -> None:
    """Go on with the tab key until an element has the focus, which can be seen."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "() => [document.activeElement, document.activeElement.nextElementSibling].filter(Boolean)"
                ".map(each => getComputedStyle(each).outlineStyle)"
            )
            assert set(outline) != {"none"}, f"nobody sees that {selector} has the focus"
            return
    raise AssertionError(f"the tab key does not lead to {selector}")


@pytest.mark.parametrize("name", NAMES)
def test_enlarged_and_without_motion_all_can_use_it(browser: Browser, folder: Path, name: str) -> None:
    with shown(browser, url(folder, name), ENLARGED, "dark", reduced_motion="reduce") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= ENLARGED[0]
        assert serious_faults(page) == []
        assert page.evaluate("document.getAnimations().length") == 0


def test_a_call_is_heard_and_searched_by_keys_alone(browser: Browser, folder: Path) -> None:
    with shown(browser, url(folder, "call")) as page:
        reach(page, "#play")
        page.keyboard.press("Enter")
        until(page, "document.getElementById('sound').currentTime > 0.1")
        page.keyboard.press("Enter")
        until(page, "document.getElementById('sound').paused")
        reach(page, "#later")
        page.keyboard.press("Enter")
        assert page.inner_text("#told") == "0:04.0 Digit 0."
        reach(page, "#strip")
        page.keyboard.press("Home")
        assert page.evaluate("callView.position") == 0
        reach(page, "[data-turn='2']")
        page.keyboard.press("Enter")
        assert page.evaluate("callView.position") == page.evaluate("callView.data.turns[2].start_s")


def test_a_day_is_filtered_and_opened_by_keys_alone(browser: Browser, folder: Path) -> None:
    with shown(browser, url(folder, "day")) as page:
        reach(page, "#kinds button")
        page.keyboard.press("Enter")
        assert page.locator("#kinds [aria-pressed=true]").count() == 1
        page.keyboard.press("Enter")
        reach(page, "tr.row th button")
        page.keyboard.press("Enter")
        page.locator("tr.panel").wait_for()
        reach(page, "audio")
        page.keyboard.press("Escape")
        assert page.locator("tr.panel").count() == 0


def test_a_check_is_opened_by_keys_alone(browser: Browser, folder: Path) -> None:
    with shown(browser, url(folder, "check")) as page:
        reach(page, "td summary")
        page.keyboard.press("Enter")
        page.locator(".evidence").first.wait_for()


@pytest.mark.parametrize("name", NAMES)
def test_paper_is_light_whatever_the_screen_is(browser: Browser, folder: Path, name: str, tmp_path: Path) -> None:
    with shown(browser, url(folder, name), scheme="dark") as page:
        assert page.evaluate(COLOUR_OF_TEXT) != DARK_TEXT
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(COLOUR_OF_TEXT) == DARK_TEXT
        style = "getComputedStyle(document.documentElement)"
        colours = [page.evaluate(f"{style}.getPropertyValue('--{side}')") for side in ("caller", "server")]
        assert colours in (["#2b67a8", "#a9570c"], ["", ""])  # those of a light page; some pages have no sides
        assert page.pdf(path=tmp_path / "page.pdf").startswith(b"%PDF")


def test_a_day_is_a_table_on_paper(browser: Browser, folder: Path) -> None:
    with shown(browser, url(folder, "day"), (600, 900)) as page:
        assert page.evaluate("getComputedStyle(document.querySelector('tr.row')).display") == "flex"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.querySelector('tr.row')).display") == "table-row"
