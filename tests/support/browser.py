"""Pages in a real browser: what it says on its console, what it asks for, and whether everybody can use them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from support.running import need

DESKTOP = (1280, 900)
PHONE = (390, 844)

_PATIENCE_S = 60
"""Much longer than anything takes on a slow machine."""


@contextlib.contextmanager
def started_browser() -> Iterator[Browser]:
    """Start Debian's Chromium. While it runs, asyncio.run() does not work on this thread. What a test expects of a page
    may take as long as anything does on a slow machine."""
    expect.set_options(timeout=_PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def shown(
    browser: Browser, url: str, size: tuple[int, int] = DESKTOP, scheme: Literal["light", "dark"] = "light",
    script: str = "", **more: Any,
) -> Iterator[Page]:  # fmt: skip
    """Open a page in a window of this size, in CSS pixels; afterwards nothing may have been said on its console, and
    nothing asked for elsewhere. `script` runs before those of the page. `more` goes to `Browser.new_context`."""
    said: list[str] = []
    asked: list[str] = []
    own = url.partition("#")[0].rpartition("/")[0] + "/"

    def on_console(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **more)
    try:
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_S * 1000)
        if script:
            page.add_init_script(script)
        page.on("console", on_console)
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        yield page
        assert said == []
        assert [each for each in asked if not each.startswith((own, "data:", "blob:"))] == []
    finally:
        context.close()


def until(page: Page, expression: str, arg: object = None) -> None:
    """Wait until an expression, or a function of `arg`, is true in a page. (Playwright's own wait needs eval(), which
    pages with a strict policy forbid.)"""
    end_s = time.monotonic() + _PATIENCE_S
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end_s, f"still not: {expression}"
        page.wait_for_timeout(30)


def serious_faults(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical on a page, a line each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
