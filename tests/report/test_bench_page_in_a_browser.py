"""The page of a load in a real browser: what is drawn, in which colours, and by mouse, keys and on paper."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from audiosocket_cli.report.bench_page import bench_page
from support.bench_results import bench_result
from support.browser import DESKTOP, PHONE, serious_faults, shown, until

NAMES = ("new.json", "old.json")

INKED = """() => window.benchPage.plots.map(({plot}) => {
  const {width, height} = plot.ctx.canvas
  const copy = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d")
  copy.drawImage(plot.ctx.canvas, 0, 0)
  const pixels = copy.getImageData(0, 0, width, height).data
  const colours = new Set()
  for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] === 255) colours.add(
    `#${[0, 1, 2].map(i => pixels[at + i].toString(16).padStart(2, "0")).join("")}`)
  return [...colours]
})"""
"""The colours that are drawn in each plot without any transparency."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages by what they show: one result, two of them, and one that was kept without anything over time."""
    folder = tmp_path_factory.mktemp("pages")
    new, old = bench_result(450.0, failing="lost").as_file(), bench_result(300.0).as_file()
    older = {name: value for name, value in old.items() if name != "series"}
    made = {"one": [old], "two": [new, old], "older": [older], "mixed": [new, older]}
    for name, contents in made.items():
        (folder / f"{name}.html").write_bytes(bench_page(contents, NAMES[: len(contents)]))
    return {name: (folder / f"{name}.html").as_uri() for name in made}


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, pages: dict[str, str], size: tuple[int, int], scheme: Any) -> None:
    with shown(browser, pages["two"], size, scheme) as page:
        assert serious_faults(page) == []
        assert fits(page)
        blue = "#0b57a8" if scheme == "light" else "#8cbcf5"
        inked = page.evaluate(INKED)
        assert len(inked) == 2 * 8 + 4
        assert all(blue in colours for colours in inked)


@pytest.mark.parametrize("name", ["one", "older", "mixed"])
def test_every_shape_of_page_fits_and_says_nothing_on_the_console(
    browser: Browser, pages: dict[str, str], name: str
) -> None:
    with shown(browser, pages[name], PHONE) as page:
        assert fits(page)
        assert serious_faults(page) == []
        assert page.locator("canvas").count() == {"one": 7 + 4, "older": 4, "mixed": 8 + 4}[name]


def test_it_follows_a_change_of_colours_and_is_light_on_paper(browser: Browser, pages: dict[str, str]) -> None:
    with shown(browser, pages["one"], scheme="light") as page:
        assert "#0b57a8" in page.evaluate(INKED)[0]
        page.emulate_media(color_scheme="dark")
        until(page, f"({INKED})()[0].includes('#8cbcf5')")
        page.emulate_media(color_scheme="dark", media="print")
        until(page, f"({INKED})()[0].includes('#0b57a8')")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("details.numbers").first.is_visible()


def test_it_follows_the_width_of_the_window(browser: Browser, pages: dict[str, str]) -> None:
    with shown(browser, pages["one"]) as page:
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        until(page, "window.benchPage.plots.every(({plot, place}) => plot.width === place.clientWidth)")
        assert fits(page)


def test_keys_move_the_cursor_and_say_what_is_there(browser: Browser, pages: dict[str, str]) -> None:
    with shown(browser, pages["two"]) as page:
        first = page.locator(".drawn").first
        said = page.locator(".said").first
        first.focus()
        page.keyboard.press("ArrowRight")
        assert said.text_content() == "time 0 s, p50 not measured, p95 not measured, p99 not measured"
        page.keyboard.press("ArrowRight")
        text = said.text_content() or ""
        assert text.startswith("time 1 s, p50 ")
        assert text.count(" ms") == 3
        page.keyboard.press("End")
        assert (said.text_content() or "").startswith("time 29 s")
        assert page.locator(".u-legend").nth(2).inner_text().startswith("time29 s")  # of another chart
        page.keyboard.press("PageUp")
        assert (said.text_content() or "").startswith("time 19 s")


def test_dragging_zooms_all_charts_and_escape_takes_it_back(browser: Browser, pages: dict[str, str]) -> None:
    scale = "window.benchPage.plots.slice(0, 4).map(({plot}) => [plot.scales.x.min, plot.scales.x.max])"
    with shown(browser, pages["two"]) as page:
        whole = page.evaluate(scale)
        assert whole == [[0, 30]] * 4
        over = page.locator(".u-over").first
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 2 / 3, box["y"] + 40, steps=4)
        page.mouse.up()
        until(page, f"{scale}.every(([from, to]) => from > 8 && to < 22)")
        page.locator(".drawn").first.focus()
        page.keyboard.press("Escape")
        until(page, f"{scale}[0].join() === '0,30'")


def test_a_fold_has_the_numbers_of_its_chart(browser: Browser, pages: dict[str, str]) -> None:
    with shown(browser, pages["two"]) as page:
        fold = page.locator("details.numbers").first
        fold.locator("summary").click()
        tables = fold.locator("table")
        tables.nth(1).wait_for()
        assert tables.first.locator("caption").text_content() == "Answer over time, new.json; “\u2013” is not measured"
        rows = tables.first.locator("tbody tr")
        assert rows.count() == 30
        assert rows.nth(5).locator("td").all_text_contents() == ["\u2013"] * 3
        assert 300 < float(rows.nth(6).locator("td").first.text_content() or "") < 700
        assert serious_faults(page) == []
        spread = page.locator("[data-histogram=connect] details")
        spread.locator("summary").click()
        spread.locator("table").wait_for()
        counts = spread.locator("tbody tr td:nth-child(3)").all_text_contents()
        assert sum(map(int, counts)) == 4 * 30


NO_TOGGLE = "window.addEventListener('toggle', (event) => event.stopImmediatePropagation(), true);"
"""What browsers tell of a fold some time after it was opened never comes."""

OPEN_AT_ONCE = """new MutationObserver(() => {
  for (const fold of document.querySelectorAll("details.numbers")) fold.open = true;
}).observe(document, { childList: true, subtree: true });"""
"""Open each fold as soon as it is there, before the page's own scripts run."""

ROWS = "[...document.querySelectorAll('details.numbers')].map((fold) => fold.querySelectorAll('tbody tr').length)"


def test_a_fold_has_its_numbers_when_it_opens(browser: Browser, pages: dict[str, str]) -> None:
    with shown(browser, pages["two"], script=NO_TOGGLE) as page:
        assert set(page.evaluate(ROWS)) == {0}
        page.evaluate("document.querySelectorAll('details.numbers summary').forEach((summary) => summary.click())")
        assert min(page.evaluate(ROWS)) >= 30
        page.evaluate("document.querySelectorAll('details.numbers summary').forEach((summary) => summary.click())")
        assert page.locator("details.numbers[open]").count() == 0


def test_a_fold_that_was_opened_before_the_page_was_ready_has_its_numbers(
    browser: Browser, pages: dict[str, str]
) -> None:
    with shown(browser, pages["two"], script=NO_TOGGLE + OPEN_AT_ONCE) as page:
        assert min(page.evaluate(ROWS)) >= 30
