"""The page of a call in a real browser: what is drawn, what mouse, fingers and keys do, and that all can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from audiosocket_cli.report.call_page import call_page
from support.browser import DESKTOP, PHONE, serious_faults, shown, until
from support.page_calls import hostile, minute

HIDDEN_SCROLL = "document.documentElement.scrollWidth > window.innerWidth"

PIXELS = """(x, y, width, height) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const drawing = canvas.getContext("2d", { willReadFrequently: true });
  drawing.drawImage(document.getElementById("picture"), x, y, width, height, 0, 0, width, height);
  return drawing.getImageData(0, 0, width, height).data;
}"""
"""A part of the large picture; the copy spares the page the browser's advice on reading from its canvas."""

COLOURS = f"""([name, left, right]) => {{
  const {{ scene, axis, palette }} = callView;
  const track = scene.tracks.find((each) => each.side === name);
  const wanted = palette.side(name);
  const at = (second) => Math.round(axis.x(second) * scene.ratio);
  const pixels = ({PIXELS})(at(left), track.top * scene.ratio, at(right) - at(left), track.heights.wave * scene.ratio);
  let count = 0;
  for (let at = 0; at < pixels.length; at += 4) {{
    const parts = [...pixels.slice(at, at + 3)].map((part) => part.toString(16).padStart(2, "0"));
    if ("#" + parts.join("") === wanted) count++;
  }}
  return count / (pixels.length / 4);
}}"""
"""The share of a side's colour in its waveform between two seconds."""

SHADES = f"""() => {{
  const {{ scene, axis }} = callView;
  const track = scene.tracks[0];
  const top = (track.top + track.height - track.heights.tiles + 20) * scene.ratio;
  return new Set(new Uint32Array(({PIXELS})(0, top, axis.width * scene.ratio, 30).buffer)).size;
}}"""
"""How many colours there are in the caller's spectrogram."""

CORNER = f"[...({PIXELS})(2, 2, 1, 1)].slice(0, 3)"


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return minute()


@pytest.fixture(scope="module")
def page_of_a_minute(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("pages") / "minute.html", data)


def written(path: Path, data: dict[str, Any]) -> str:
    """Write the page of a call, and return its address."""
    path.write_bytes(call_page(data))
    return path.as_uri()


def in_view(window: Page) -> tuple[float, float]:
    """The seconds that the large picture shows."""
    start, end = window.evaluate("[callView.axis.start, callView.axis.end]")
    return start, end


def position(window: Page) -> float:
    at: float = window.evaluate("callView.position")
    return at


def place_of(window: Page, at_s: float, y: float = 100) -> tuple[float, float]:
    """Where a second is in the window."""
    x, left, top = window.evaluate(
        "(at) => { const box = document.getElementById('over').getBoundingClientRect();"
        " return [callView.axis.x(at), box.left, box.top]; }", at_s
    )  # fmt: skip
    return left + x, top + y


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_use_it(
    browser: Browser, page_of_a_minute: str, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with shown(browser, page_of_a_minute, size, scheme) as window:
        until(window, f"({SHADES})() > 12")
        assert not window.evaluate(HIDDEN_SCROLL)
        assert serious_faults(window) == []
        assert window.evaluate(COLOURS, ["caller", 4.0, 6.0]) > 0.1  # it speaks
        assert window.evaluate(COLOURS, ["caller", 8.0, 10.0]) < 0.05
        assert window.evaluate(COLOURS, ["server", 8.0, 10.0]) > 0.1


def test_a_click_seeks_a_drag_zooms_and_a_double_click_shows_the_whole(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        window.mouse.click(*place_of(window, 30.0))
        assert position(window) == pytest.approx(30.0, abs=0.1)
        assert window.inner_text("#now").startswith("0:30.0")
        assert window.get_attribute("#strip", "aria-valuetext") == "30 s"
        window.mouse.move(*place_of(window, 20.0))
        window.mouse.down()
        window.mouse.move(*place_of(window, 35.0), steps=4)
        window.mouse.up()
        assert in_view(window) == pytest.approx((20.0, 35.0), abs=0.2)
        assert position(window) == pytest.approx(30.0, abs=0.1)  # a drag does not seek
        window.mouse.dblclick(*place_of(window, 25.0))
        assert in_view(window) == (0.0, 60.0)


def test_a_selection_can_be_given_up(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        window.mouse.move(*place_of(window, 20.0))
        window.mouse.down()
        window.mouse.move(*place_of(window, 35.0), steps=4)
        window.keyboard.press("Escape")
        window.mouse.up()
        assert in_view(window) == (0.0, 60.0)


def test_a_wheel_zooms_with_ctrl_and_moves_sideways(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        window.mouse.move(*place_of(window, 15.0))
        window.keyboard.down("Control")
        window.mouse.wheel(0, -60)
        window.mouse.wheel(0, -60)
        window.keyboard.up("Control")
        until(window, "callView.axis.span < 30")
        start, end = in_view(window)
        assert (15.0 - start) / (end - start) == pytest.approx(0.25, abs=0.02)  # what is under the pointer stays
        window.mouse.wheel(200, 0)
        until(window, f"callView.axis.start > {start + 1}")
        window.mouse.wheel(0, 300)
        until(window, "window.scrollY > 0")


def test_a_touchpad_zooms_in_safari_too(browser: Browser, page_of_a_minute: str) -> None:
    """Which tells of two fingers by events of its own."""
    with shown(browser, page_of_a_minute) as window:
        window.evaluate(
            """() => {
              const { left, width } = document.getElementById("over").getBoundingClientRect();
              for (const [name, scale] of [["gesturestart", 1], ["gesturechange", 2], ["gesturechange", 4]]) {
                const event = Object.assign(new Event(name), { scale, clientX: left + width / 2, clientY: 0 });
                document.getElementById("over").dispatchEvent(event);
              }
            }"""
        )
        assert in_view(window) == pytest.approx((22.5, 37.5), abs=0.2)


def test_two_fingers_zoom_and_one_moves(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute, PHONE, has_touch=True, is_mobile=True) as window:
        session = window.context.new_cdp_session(window)

        def touch(kind: str, *seconds_x: float) -> None:
            points = [{"x": x, "y": place_of(window, 0)[1], "id": number} for number, x in enumerate(seconds_x)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", 150)
        touch("touchStart", 150, 250)
        touch("touchMove", 100, 300)
        touch("touchEnd")
        until(window, "callView.axis.span < 35")
        start, _ = in_view(window)
        touch("touchStart", 300)
        touch("touchMove", 280)
        touch("touchMove", 200)
        touch("touchEnd")
        until(window, f"callView.axis.start > {start + 3}")
        at = position(window)
        touch("touchStart", 200)
        touch("touchEnd")
        until(window, f"callView.position !== {at}")


def test_keys_move_zoom_and_step_through_the_marks(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        for key, at_s in (("ArrowRight", 1), ("Shift+ArrowRight", 6), ("ArrowLeft", 5), ("Shift+ArrowLeft", 0)):
            window.keyboard.press(key)
            assert position(window) == pytest.approx(at_s, abs=0.01), key
        for key, at_s in (("]", 4.0), ("]", 4.3), ("[", 4.0)):
            window.keyboard.press(key)
            assert position(window) == pytest.approx(at_s, abs=0.01), key
        assert window.inner_text("#told") == "0:04.0 Digit 0."
        assert window.locator("tr.chosen button[data-mark='0']").get_attribute("aria-current") == "true"
        window.keyboard.press("[")
        assert window.inner_text("#told") == "No mark before this one."
        window.keyboard.press("+")
        assert in_view(window)[1] - in_view(window)[0] == pytest.approx(30.0)
        window.keyboard.press("-")
        assert in_view(window) == (0.0, 60.0)
        window.keyboard.press("+")
        window.keyboard.press("0")
        assert in_view(window) == (0.0, 60.0)
        window.keyboard.press("?")
        assert window.is_visible("#keys dl")
        window.focus("#strip")
        window.keyboard.press("End")
        assert window.get_attribute("#strip", "aria-valuenow") == "60"


def test_buttons_do_what_keys_do(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        window.click("#later")
        assert position(window) == pytest.approx(4.0, abs=0.01)
        window.click("#closer")
        window.click("#closer")
        assert in_view(window)[1] - in_view(window)[0] == pytest.approx(15.0)
        window.click("#wider")
        window.click("#all")
        assert in_view(window) == (0.0, 60.0)
        high = window.evaluate("callView.scene.height")
        window.click("text=Waveform")
        assert window.evaluate("callView.scene.height") != high
        assert window.evaluate("callView.scene.tracks[0].heights.tiles") == 0
        window.keyboard.press("]")  # the click did not keep the keys
        assert position(window) == pytest.approx(4.3, abs=0.01)


def test_a_turn_leads_to_its_place(browser: Browser, page_of_a_minute: str, data: dict[str, Any]) -> None:
    with shown(browser, page_of_a_minute) as window:
        number, turn = next((n, each) for n, each in enumerate(data["turns"]["list"]) if each["kind"] == "interruption")
        window.evaluate("callView.axis.show(0, 5)")
        before = window.evaluate("document.getElementById('over').toDataURL()")
        window.click(f"[data-turn='{number}']")
        assert position(window) == pytest.approx(turn["start_s"], abs=0.01)
        start, end = in_view(window)
        assert start <= turn["start_s"]
        assert turn["end_s"] <= end
        assert window.locator("tr.chosen").inner_text().startswith("0:44")
        assert window.inner_text("#told").startswith("Caller, 0:44")
        until(
            window, "(before) => document.getElementById('over').toDataURL() !== before", before
        )  # what was chosen is seen
        window.mouse.click(*place_of(window, turn["start_s"] - 0.5))
        assert window.locator("tr.chosen").count() == 0
        window.click("text=800 ms before its end")  # anywhere in its row
        assert position(window) == pytest.approx(turn["start_s"], abs=0.01)


def test_a_flag_tells_its_mark_and_several_in_one_are_opened(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        x, y = place_of(window, 41.0, y=10)
        window.mouse.move(x + 6, y)
        assert window.inner_text("#tip") == "The server's sound is clipped."
        window.mouse.click(x + 6, y)
        assert position(window) == pytest.approx(41.0)
        assert window.inner_text("#told") == "0:41.0 The server's sound is clipped."
        x, y = place_of(window, 4.3, y=30)
        window.mouse.click(x + 6, y)
        assert in_view(window)[1] < 10
        until(window, "callView.scene.flags.flags.every((flag) => flag.numbers.length === 1)")


def test_the_strip_seeks_and_moves_what_is_in_view(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        box = window.locator("#strip").bounding_box()
        assert box
        middle = box["y"] + box["height"] / 2
        window.evaluate("callView.axis.show(0, 10)")
        window.mouse.click(box["x"] + box["width"] / 2, middle)
        assert position(window) == pytest.approx(30.0, abs=0.2)
        assert in_view(window) == pytest.approx((25.0, 35.0), abs=0.2)
        window.mouse.move(box["x"] + box["width"] / 2, middle)
        window.mouse.down()
        window.mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
        window.mouse.up()
        assert in_view(window) == pytest.approx((10.0, 20.0), abs=0.2)


def test_colours_follow_the_system_and_the_picture_the_window(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, page_of_a_minute) as window:
        until(window, f"({CORNER}).every((part) => part > 240)")
        window.emulate_media(color_scheme="dark")
        until(window, f"({CORNER}).every((part) => part < 40)")
        window.set_viewport_size({"width": 700, "height": 800})
        until(window, "callView.scene.picture.width < 700")
        assert not window.evaluate(HIDDEN_SCROLL)


def test_paper_has_the_whole_call_in_light_colours(browser: Browser, page_of_a_minute: str, tmp_path: Path) -> None:
    with shown(browser, page_of_a_minute, scheme="dark") as window:
        window.evaluate("callView.axis.show(3, 5)")
        window.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert in_view(window) == (0.0, 60.0)
        assert min(window.evaluate(CORNER)) > 240
        window.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert in_view(window) == (3.0, 5.0)
        assert window.pdf(path=tmp_path / "call.pdf").startswith(b"%PDF")


def test_what_a_peer_sent_stays_text(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, written(tmp_path / "hostile.html", hostile())) as window:
        assert window.inner_text("h1").startswith("<img src=x onerror")
        assert window.title().startswith("<img src=x")
        window.mouse.move(*place_of(window, 1.0, y=10))
        window.keyboard.press("]")
        assert "<img src=x" in window.inner_text("#told")
        assert window.locator("img").count() == 0
        assert not window.evaluate(HIDDEN_SCROLL)
        window.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        until(window, "callView.axis.width < 390")
        assert not window.evaluate(HIDDEN_SCROLL)
        assert window.evaluate("callView.scene.flags.flags.length") < 200


def test_an_address_may_end_in_a_second(browser: Browser, page_of_a_minute: str) -> None:
    with shown(browser, f"{page_of_a_minute}#t=33.5") as window:
        assert window.inner_text("#now") == "0:33.5"
        assert window.inner_text("#day-time") == "09:12:36"
        window.evaluate("location.hash = '#t=12'")
        until(window, "callView.position === 12")
        window.evaluate("location.hash = '#t=<b>'")
        assert position(window) == 12


def test_sides_that_are_not_apart_are_one_track(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    mixed = {**data["tracks"][0], "side": "mixed", "stretches": None, "spectrogram": None}
    mono = {**data, "tracks": [mixed], "turns": None, "sound": {**data["sound"], "layout": "mono"}}
    with shown(browser, written(tmp_path / "mono.html", mono)) as window:
        assert window.inner_text("#note") == "The sound has both sides in one channel."
        assert window.is_disabled("input[name=heard][value=server]")
        assert not window.is_visible("#shown")
        assert window.evaluate(COLOURS, ["mixed", 4.0, 6.0]) > 0.1


def test_a_call_of_which_nothing_was_recorded_is_a_page_too(
    browser: Browser, data: dict[str, Any], tmp_path: Path
) -> None:
    bare = {**data, "tracks": [], "sound": None, "turns": None}
    with shown(browser, written(tmp_path / "bare.html", bare)) as window:
        assert not window.is_visible("#play")
        assert window.is_visible("text=There is no sound to play")
        window.keyboard.press("Space")
        window.keyboard.press("]")
        assert window.inner_text("#told") == "0:04.0 Digit 0."
        assert window.inner_text("#now") == "0:04.0"
        assert serious_faults(window) == []
