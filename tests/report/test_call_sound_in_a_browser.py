"""The sound of a call's page in a real browser: it plays, of both sides or of one, from the page or from beside it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from audiosocket_cli.report.call_page import call_page
from support.browser import shown, until
from support.page_calls import RATE, Sound, beside, embedded, minute

HEARD = """async (wanted) => {
  const { context, ...sides } = callView.sound.nodes;
  const heard = [];
  for (const [name, { pan }] of Object.entries(sides)) {
    const meter = context.createAnalyser();
    const samples = new Float32Array(meter.fftSize);
    pan.connect(meter);
    await new Promise((done) => setTimeout(done, 100));
    meter.getFloatTimeDomainData(samples);
    pan.disconnect(meter);
    if (Math.max(...samples.map(Math.abs)) > 0.01) heard.push(name);
  }
  return heard.join() === wanted;
}"""
"""Whether these sides, and no others, go to the loudspeakers."""


def tone(pitch_hz: float) -> Sound:
    """Return a minute of a tone: so both sides are heard all the time."""
    return (8000 * np.sin(2 * np.pi * pitch_hz * np.arange(60 * RATE) / RATE)).astype(np.int16)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return minute(sound=embedded(tone(300), tone(500)))


def plays(window: Page) -> bool:
    """Whether the sound goes on."""
    at = window.evaluate("document.getElementById('sound').currentTime")
    until(window, f"document.getElementById('sound').currentTime > {at + 0.2}")
    return True


def test_it_plays_and_stops_and_each_side_can_be_heard_alone(
    browser: Browser, data: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "call.html"
    path.write_bytes(call_page(data))
    with shown(browser, path.as_uri()) as window:
        window.click("text=Play")
        assert plays(window)
        until(window, "document.getElementById('play').textContent === '⏸ Pause'")
        until(window, HEARD, "caller,server")
        window.check("input[name=heard][value=caller]", force=True)
        until(window, HEARD, "caller")
        window.check("input[name=heard][value=server]", force=True)
        until(window, HEARD, "server")
        window.evaluate("document.activeElement.blur()")
        window.keyboard.press("Space")
        until(window, "document.getElementById('sound').paused")
        assert window.evaluate("callView.position") > 0.2


def test_the_picture_turns_a_page_where_the_sound_leaves_it(
    browser: Browser, data: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "call.html"
    path.write_bytes(call_page(data))
    with shown(browser, path.as_uri()) as window:
        window.evaluate("callView.axis.show(0, 0.5)")
        window.click("text=Play")
        until(window, "callView.axis.start > 0.45 && callView.position < callView.axis.end")


def test_sound_that_no_browser_can_play_is_said(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    broken = {**data["sound"], "src": "data:audio/wav;base64,bm8gc291bmQ="}
    path = tmp_path / "call.html"
    path.write_bytes(call_page({**data, "sound": broken}))
    with shown(browser, path.as_uri()) as window:
        window.wait_for_selector("text=This browser cannot play the sound in this page.")
        assert window.is_disabled("#play")
        window.keyboard.press("]")
        assert window.inner_text("#now") == "0:04.0"


@pytest.fixture(scope="module")
def neighbour(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with its sound beside it."""
    folder = tmp_path_factory.mktemp("beside")
    sound = beside(tone(300), tone(500), folder / "call.wav")
    path = folder / "call.html"
    path.write_bytes(call_page({**data, "sound": sound}))
    return path


def test_from_disk_a_sound_beside_the_page_plays_with_both_sides(browser: Browser, neighbour: Path) -> None:
    with shown(browser, neighbour.as_uri()) as window:
        assert "one side alone can be heard with" in window.inner_text("#note")
        assert window.is_disabled("input[name=heard][value=caller]")
        window.click("text=Play")
        assert plays(window)
        assert window.evaluate("callView.sound.nodes") is None


class QuietHandler(SimpleHTTPRequestHandler):
    """Files of a folder over HTTP."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(neighbour: Path) -> Iterator[str]:
    """The address of a server that has the page and the sound beside it."""
    handler = functools.partial(QuietHandler, directory=str(neighbour.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_from_a_server_each_side_can_be_heard_alone(browser: Browser, address: str) -> None:
    with shown(browser, f"{address}/call.html") as window:
        assert window.inner_text("#note") == ""
        window.check("input[name=heard][value=server]", force=True)
        window.click("text=Play")
        assert plays(window)
        until(window, HEARD, "server")
