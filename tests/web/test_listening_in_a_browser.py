"""Listening in from the page: the sound of each side arrives in a real browser, on its side, and goes when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from audiosocket_cli.audio.pcm import tone
from support.browser import DESKTOP, PHONE, serious_faults, shown, until
from support.peers import connected, opening
from support.running import Serve
from support.watched import in_frames
from support.web import Web, begin

CALLER_HZ, CALLER_DBFS = 440, -12.0
SERVER_HZ, SERVER_DBFS = 600, -15.0

LEVELS = "[...document.querySelectorAll('.listen-level')].map((one) => +one.style.getPropertyValue('--level'))"
SHOWN = f"(levels) => {LEVELS}.every((level, side) => Math.abs(level - levels[side]) < 0.01)"
"""Whether the meters show these levels. One of a tenth of a second in which a side had nothing to say shows less."""

EARS = """const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to === this.context.destination) {
    const sides = this.context.createChannelSplitter(2);
    window.ears = [0, 1].map((side) => new AnalyserNode(this.context, { fftSize: 1024, smoothingTimeConstant: 0 }));
    window.ears.forEach((ear, side) => connect.call(sides, ear, side));
    connect.call(this, sides);
  }
  return connect.call(this, to, ...more);
};
window.pitchOf = (ear) => {
  const found = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(found);
  return (found.indexOf(Math.max(...found)) * ear.context.sampleRate) / ear.fftSize;
};
window.loudnessOf = (ear) => {
  const samples = new Float32Array(ear.fftSize);
  ear.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
};"""
"""Hear what goes to the loudspeakers, left and right."""

HEARD = "(pitches_hz) => ears.every((ear, side) => Math.abs(pitchOf(ear) - pitches_hz[side]) < 10)"


def meter(level_dbfs: float) -> float:
    """The share of a meter that a level fills."""
    return 1 + level_dbfs / 60


@contextmanager
def speaking(web: Web) -> Iterator[threading.Event]:
    """A caller who says a tone, on time, until hung up on, or until the event is set."""
    stopping = threading.Event()
    frames = in_frames(tone(CALLER_HZ, 8000, 1.0, CALLER_DBFS))

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
    web = begin(serve, "--tone", str(SERVER_HZ))
    with speaking(web) as stopping, shown(browser, web.url, size, script=EARS) as page:
        listen_in(page)
        until(page, HEARD, [CALLER_HZ, SERVER_HZ])
        until(page, SHOWN, [meter(CALLER_DBFS), meter(SERVER_DBFS)])
        expect(page.locator(".listen-figures")).to_contain_text("ms late")
        assert serious_faults(page) == []
        stopping.set()
        expect(page.get_by_text("The call has ended").or_(page.locator("#nobody:visible")).first).to_be_visible()


def test_one_side_alone_and_silence(browser: Browser, serve: Serve) -> None:
    web = begin(serve)
    with speaking(web), shown(browser, web.url, script=EARS) as page:
        listen_in(page)
        until(page, SHOWN, [meter(CALLER_DBFS), 0])
        until(page, "loudnessOf(ears[0]) > 0.3")
        assert page.evaluate("loudnessOf(ears[1])") == 0
        page.get_by_role("slider", name="Caller").evaluate(
            "(one) => { one.value = 0; one.dispatchEvent(new Event('input')) }"
        )
        until(page, f"loudnessOf(ears[0]) < 0.001 && {LEVELS}[0] > 0.5")
        page.get_by_role("button", name="Listen").first.click()
        expect(page.get_by_text("Listening", exact=True)).to_have_count(0)
        web.until("/api/calls", lambda told: not told["calls"][0]["listeners"])


def test_a_page_that_is_not_secure_says_what_to_do(browser: Browser, serve: Serve) -> None:
    web = begin(serve)
    with speaking(web), shown(browser, web.url) as page:
        page.evaluate("() => Object.defineProperty(window, 'isSecureContext', { value: false })")
        page.get_by_role("button", name="Listen").first.click()
        expect(page.get_by_text("ssh -L")).to_be_visible()
