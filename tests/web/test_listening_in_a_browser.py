"""Listening in from the page: the sound of each side arrives in a real browser, on its side, and goes when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from audiosocket_cli.audio.pcm import tone
from support.browser import DESKTOP, PHONE, serious_faults, shown, until
from support.peers import connected, opening
from support.running import Serve
from support.watched import in_frames
from support.web import Web, begin

LEVELS = "() => [...document.querySelectorAll('.listen-level')].map((one) => +one.style.getPropertyValue('--level'))"


@contextmanager
def speaking(web: Web) -> Iterator[threading.Event]:
    """A caller who says a tone, on time, until hung up on, or until the event is set."""
    stopping = threading.Event()
    frames = in_frames(np.concatenate([tone(440, 8000, 1.0, -12.0)]))

    def run() -> None:
        with connected(web.serving, opening()[1]) as peer:
            begun_s, number = time.monotonic(), 0
            while not stopping.is_set():
                peer.sendall(frames[number % len(frames)])
                number += 1
                peer.setblocking(False)
                try:
                    while peer.recv(65536):
                        pass
                except BlockingIOError:
                    pass
                peer.setblocking(True)
                time.sleep(max(0.0, begun_s + number * 0.02 - time.monotonic()))
            peer.sendall(b"\0\0\0")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        web.until("/api/calls", lambda told: told["count"] == 1)
        yield stopping
    finally:
        stopping.set()
        thread.join(30)


def listen_in(page: Page) -> None:
    page.get_by_role("button", name="Listen").first.click()
    expect(page.get_by_text("Listening", exact=True)).to_be_visible()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_sound_of_each_side_arrives_on_its_side(browser: Browser, serve: Serve, size: tuple[int, int]) -> None:
    web = begin(serve, "--tone", "600")
    with speaking(web) as stopping, shown(browser, web.url, size) as page:
        listen_in(page)
        until(page, f"() => ({LEVELS})().every((level) => level > 0.5)")
        caller, server = page.evaluate(LEVELS)
        assert caller == pytest.approx(1 - 12 / 60, abs=0.05)
        assert server > 0.5
        expect(page.locator(".listen-figures")).to_contain_text("ms late")
        assert serious_faults(page) == []
        stopping.set()
        expect(page.get_by_text("The call has ended").or_(page.locator("#nobody:visible")).first).to_be_visible()


def test_one_side_alone_and_silence(browser: Browser, serve: Serve) -> None:
    web = begin(serve)
    with speaking(web), shown(browser, web.url) as page:
        listen_in(page)
        until(page, f"() => ({LEVELS})()[0] > 0.5")
        assert page.evaluate(LEVELS)[1] == 0
        page.get_by_role("slider", name="Caller").evaluate(
            "(one) => { one.value = 0; one.dispatchEvent(new Event('input')) }"
        )
        page.get_by_role("button", name="Listen").first.click()
        expect(page.get_by_text("Listening", exact=True)).to_have_count(0)
        web.until("/api/calls", lambda told: not told["calls"][0]["listeners"])


def test_a_page_that_is_not_secure_says_what_to_do(browser: Browser, serve: Serve) -> None:
    web = begin(serve)
    with speaking(web), shown(browser, web.url) as page:
        page.evaluate("() => Object.defineProperty(window, 'isSecureContext', { value: false })")
        page.get_by_role("button", name="Listen").first.click()
        expect(page.get_by_text("ssh -L")).to_be_visible()
