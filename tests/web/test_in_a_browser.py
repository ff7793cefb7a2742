"""The pages in a real browser: live calls as they come and go, hanging up, what is hostile, and logging in."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import DESKTOP, PHONE, serious_faults, shown
from support.peers import FRAME, opening, read_to_end
from support.web import TOKEN, Web, calling, recorded, running

HOSTILE = "<img src=x onerror=alert(1)>\u202eevil\u0007"
SHOWN = "<img src=x onerror=alert(1)>\\u202eevil\\u0007"
EXAMPLE = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "calls"


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Web]:
    with running("--record", folder, "--echo") as started:
        recorded(started, 7, "0042")
        yield started


def test_a_call_comes_is_heard_and_goes_without_a_reload(browser: Browser, web: Web) -> None:
    with shown(browser, web.url) as page:
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#nobody")).to_be_visible()
        with calling(web, 1, "12") as peer:
            row = page.locator(".call")
            expect(row).to_have_count(1)
            expect(row.locator("code")).to_have_text(opening()[0])
            expect(row.locator(".digits")).to_have_text("12")
            expect(page.locator("#live-count")).to_have_text("1")
            meter = row.get_by_role("meter", name="Level of the caller in dBFS")
            for _ in range(100):
                peer.sendall(FRAME * 25)
                page.wait_for_timeout(100)
                level_dbfs = int(meter.get_attribute("aria-valuenow") or "-90")
                if level_dbfs != -90:
                    break
            assert -60 < level_dbfs <= 0
            expect(page.locator("#news")).to_contain_text("New call from 127.0.0.1")
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)
        expect(page.locator(".call.ended .note").first).to_have_text("caller closed")
        expect(page.locator(".row", has_text=opening()[0])).to_be_visible()
        expect(page.locator(".call")).to_have_count(0)


def test_hanging_up_asks_first(browser: Browser, web: Web) -> None:
    with calling(web, 2) as peer, shown(browser, web.url) as page:
        page.get_by_role("button", name="Hang up").click()
        expect(page.get_by_role("button", name="Keep")).to_be_focused()
        page.get_by_role("button", name="Keep").click()
        assert web.ask("/api/calls").json["count"] == 1
        page.get_by_role("button", name="Hang up").click()
        page.get_by_role("button", name="Hang up now").click()
        assert read_to_end(peer)[-1].kind == 0
        expect(page.locator(".call .note").first).to_contain_text("hung up through --web")


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_everybody_can_use_it(browser: Browser, web: Web, size: tuple[int, int], scheme: str) -> None:
    with calling(web, 3, "9" * 40), calling(web, uuid_of=EXAMPLE), shown(browser, web.url, size, scheme) as page:  # type: ignore[arg-type]
        expect(page.locator(".call")).to_have_count(2)
        expect(page.locator(".row").first).to_be_visible()
        page.locator("summary:visible").first.click()
        expect(page.get_by_text("[uuid-example]")).to_be_visible()
        assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_hostile_is_shown_as_text(browser: Browser, web: Web, folder: Path) -> None:
    ended = {"schema": "audiosocket.call/1", "uuid": HOSTILE, "peer": HOSTILE, "result": HOSTILE, "dtmf": [],
             "started_at": "2026-11-30T00:00:00Z", "duration_s": 1.0, "ended_reason": HOSTILE,
             "finding_ids": [], "findings": [HOSTILE]}  # fmt: skip
    (folder / "hostile.json").write_text(json.dumps(ended))
    with calling(web, 4) as peer, shown(browser, web.url) as page:
        peer.sendall(b"\x03\x00\x011" * 10_000)
        expect(page.locator(".call")).to_have_count(1)
        page.locator("#find").fill("evil")
        expect(page.locator("#ended-state")).to_have_text("No call matches.")
        page.locator("#find").fill("")
        row = page.locator(".row", has_text=SHOWN)
        expect(row.locator("a")).to_have_text(SHOWN)
        expect(row.locator(".end")).to_have_text(SHOWN)
        call = web.ask("/api/calls").json["calls"][0]
        answer = web.ask(f"/api/calls/{call['id']}/hangup", "POST", f"result={quote('<b>bold</b>')}")
        assert answer.status == 200
        expect(page.locator(".call .result")).to_have_text("result <b>bold</b>")
        assert page.locator("img, b").count() == 0
    (folder / "hostile.json").unlink()


def test_ended_calls_are_found_and_lead_to_their_page_and_back(browser: Browser, web: Web) -> None:
    with shown(browser, web.url) as page:
        for typed, count in (("0042", 1), ("0043", 0), ("=0042", 1), ("00000000-0000-0000-0000-000000000007", 1)):
            page.locator("#find").fill(typed)
            expect(page.locator("#ended-count")).to_have_text(str(count))
        page.locator(".row a").click()
        expect(page.locator("#picture")).to_be_visible()
        page.get_by_role("link", name="all calls").click()
        expect(page.locator("#state")).to_have_text("Live")


def test_a_browser_logs_in_and_out(browser: Browser) -> None:
    with running(AUDIOSOCKET_WEB_TOKEN=TOKEN) as web, shown(browser, web.url) as page:
        assert page.url.endswith("/login?next=/")
        assert serious_faults(page) == []
        page.get_by_label("Password").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.get_by_text("add --record DIR")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()


class Told:
    """What a page is told by its stream, in place of a server that would have to be begun anew, or hold a thousand
    calls."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def give(self, name: str, facts: dict[str, Any]) -> None:
        self._page.evaluate(
            "([name, facts]) => streams.at(-1).dispatchEvent(new MessageEvent(name, { data: JSON.stringify(facts) }))",
            [name, facts],
        )


KEEP_STREAMS = """window.streams = [];
window.EventSource = class extends EventSource { constructor(url) { super(url); streams.push(this); } };"""


def call_of(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"0-{number}", "uuid": str(uuid.UUID(int=number)), "state": "live", "peer": "192.0.2.1:5",
            "server": None, "started_at": "2026-11-30T10:00:00+00:00", "duration_s": 1.0, "result": None, "digits": "",
            "digit_count": 0, "findings": [], "levels_dbfs": [None, None], "listeners": [], **more}  # fmt: skip


def test_more_calls_than_are_listed_are_counted_as_the_server_counts_them(browser: Browser, web: Web) -> None:
    with shown(browser, web.url, script=KEEP_STREAMS) as page:
        expect(page.locator("#state")).to_have_text("Live")
        told = Told(page)
        told.give("calls", {"count": 1500, "calls": [call_of(number) for number in range(1, 1001)]})
        expect(page.locator("#live-count")).to_have_text("1500")
        expect(page.locator("#more-live")).to_have_text("1200 more calls are not shown.")
        told.give("call", call_of(1400, result="x"))  # one of those that the page does not know
        expect(page.locator("#live-count")).to_have_text("1500")
        told.give("call", call_of(1450, state="ended"))
        told.give("count", {"count": 1499})
        expect(page.locator("#live-count")).to_have_text("1499")
        assert page.locator(".call").count() == 300


def test_a_call_of_a_server_that_began_anew_is_another_though_its_id_is_the_same(browser: Browser, web: Web) -> None:
    with shown(browser, web.url, script=KEEP_STREAMS) as page:
        expect(page.locator("#state")).to_have_text("Live")
        told = Told(page)
        told.give("calls", {"count": 1, "calls": [call_of(1)]})
        told.give("call", call_of(1, state="ended", ended_by=None, ended_reason="server stopped"))
        expect(page.locator(".call.ended")).to_have_count(1)
        anew = call_of(1, uuid=str(EXAMPLE), started_at="2026-11-30T10:00:01+00:00")
        told.give("calls", {"count": 1, "calls": [anew]})
        expect(page.locator(".call:not(.ended) code")).to_have_text(str(EXAMPLE))
        expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        expect(page.locator(".call.ended")).to_have_count(0)
        page.wait_for_timeout(6_500)  # as long as an ended call stays: the row of the other must stay after it
        expect(page.locator(".call:not(.ended) code")).to_have_text(str(EXAMPLE))
