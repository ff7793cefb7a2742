"""The pages in a real browser: live calls as they come and go, hanging up, what is hostile, and logging in."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

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
                if meter.get_attribute("aria-valuenow") != "-90":
                    break
            assert -60 < int(meter.get_attribute("aria-valuenow") or "-90") <= 0
            expect(page.locator("#news")).to_contain_text("New call from 127.0.0.1", timeout=30_000)
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)
        expect(page.locator(".call.ended .note").first).to_have_text("caller closed")
        expect(page.locator(".row", has_text=opening()[0])).to_be_visible(timeout=60_000)
        expect(page.locator(".call")).to_have_count(0, timeout=60_000)


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
        expect(page.locator("#ended-state")).to_have_text("No call fits.")
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
