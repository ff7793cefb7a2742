"""The page of a check in a real browser: everybody can use it, in any colours and at any width, and on paper."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.matrix import matrix_of
from audiosocket_cli.check.model import Report, Verdict
from audiosocket_cli.ui.check_page import check_page
from support.browser import DESKTOP, PHONE, serious_faults, shown
from support.checked import report, result


def checked(name: str, shift: int) -> Report:
    """A report with all cases and each verdict."""
    verdicts = list(Verdict)
    return report(
        (result(case.id, verdicts[(number + shift) % 4], evidence=["0.000 s  caller  uuid"], log=["Traceback"])
         for number, case in enumerate(CASES)), name=name,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[1, 3], ids=["one", "three"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of so many servers."""
    path = tmp_path_factory.mktemp("check") / "check.html"
    path.write_bytes(check_page(matrix_of([checked(f"bot{each}:9092", each) for each in range(request.param)])))
    return path.as_uri()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, url: str, size: tuple[int, int], scheme: Any) -> None:
    with shown(browser, url, size, scheme) as page:
        page.locator("td summary").first.click()
        page.locator(".evidence").first.wait_for()
        assert serious_faults(page) == []
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == {
            "light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"
        }[scheme]  # fmt: skip


def test_only_failures_are_left_where_that_is_asked_for(browser: Browser, url: str) -> None:
    with shown(browser, url) as page:
        rows = page.locator("tbody tr[id]:visible")
        assert rows.count() == len(CASES)
        page.get_by_label("only cases that some server fails").check()
        assert 0 < rows.count() < len(CASES)
        assert all("failed" in text for text in rows.all_inner_texts())


def test_on_paper_it_is_light_and_an_open_case_covers_no_other(browser: Browser, url: str) -> None:
    with shown(browser, url, (800, 1100), "dark") as page:
        page.locator("td summary").first.click()
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator(".filter").is_visible()
        evidence, second = page.locator(".evidence").first.bounding_box(), page.locator("tr[id]").nth(1).bounding_box()
        assert evidence is not None
        assert second is not None
        assert evidence["y"] + evidence["height"] <= second["y"]
        assert evidence["width"] > 600
