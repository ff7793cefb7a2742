"""The pages of a call that a real Asterisk placed: what they show is where Asterisk says that it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import Samples
from support.browser import serious_faults, shown, until
from support.running import Serving, run
from support.testbed import Place, best_match, heard_at_far_end

pytestmark = pytest.mark.asterisk

Answer = Callable[..., Serving]

RATE_HZ = 8000

BOT = '''
"""Says a sentence each time that the caller has spoken and pauses, and hangs up at #."""

import asyncio

import numpy as np


async def answer(call):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hang_up_at_hash(call))
        tasks.create_task(talk(call))


async def hang_up_at_hash(call):
    async for digit in call.digits():
        if digit == "#":
            call.hangup("booked")


async def talk(call):
    has_spoken, quiet_s = False, 0.0
    async for frame in call.audio():
        loud = np.abs(np.frombuffer(frame, "<i2").astype(int)).max() > 1000
        quiet_s = 0.0 if loud else quiet_s + 0.02
        has_spoken = has_spoken or loud
        if has_spoken and quiet_s > 0.5:
            await call.play("said.wav")
            has_spoken = False
'''


def write_sounds(folder: Path) -> tuple[Samples, Samples]:
    """Write what the caller and the bot say, of two voices; returns both."""
    said = load_audio(HELLO, RATE_HZ)
    at = np.arange(0, len(said) - 1, 1.18)
    story = np.interp(at, np.arange(len(said)), said).astype(np.int16)
    soundfile.write(folder / "said.wav", said, RATE_HZ)
    soundfile.write(folder / "story.wav", story, RATE_HZ)
    return story, said


def span_s(said: Samples, within: Samples) -> tuple[float, float]:
    """Where speech begins and ends in a recording of it. Its first and last half second are looked for by themselves,
    as an Asterisk on a busy machine stands still for a moment."""
    loud = np.flatnonzero(np.abs(said.astype(int)) > 600)
    places = []
    for start, edge in ((loud[0], loud[0]), (loud[-1] - RATE_HZ // 2, loud[-1])):
        lag, likeness = best_match(within, said[start : start + RATE_HZ // 2])
        assert likeness > 0.8
        places.append(float(lag + edge - start) / RATE_HZ)
    return places[0], places[1]


def assert_turns(page: Page, caller: tuple[float, float], server: tuple[float, float]) -> None:
    """A turn of each side, where it was; its row in the table leads there."""
    turns = page.evaluate("callView.data.turns")
    assert [(turn["side"], turn["kind"]) for turn in turns] == [("caller", "turn"), ("server", "turn")]
    for turn, (start_s, end_s) in zip(turns, (caller, server), strict=True):
        assert turn["start_s"] == pytest.approx(start_s, abs=0.1)
        assert turn["end_s"] == pytest.approx(end_s, abs=0.15)
    assert turns[1]["after_ms"] / 1000 == pytest.approx(server[0] - caller[1], abs=0.2)
    page.click("[data-turn='1']")
    assert page.evaluate("callView.position") == pytest.approx(server[0], abs=0.1)
    assert page.inner_text("#told").startswith("Server, 0:")


def assert_marks(page: Page, steps: list[dict[str, Any]], origin_s: float) -> None:
    """Each digit while the caller pressed it, and at the end who hung up."""
    marks = page.evaluate("callView.data.marks")
    digits = [mark for mark in marks if mark["kind"] == "digit"]
    assert [mark["label"] for mark in digits] == ["4", "2", "#"]
    for mark, step in zip(digits, (steps[3], steps[3], steps[5]), strict=True):
        assert step["started_at"] <= mark["at_s"] + origin_s <= step["ended_at"]
    assert [mark["side"] for mark in marks if mark["kind"] == "hangup"] == ["server"]
    for digit in digits:
        while page.inner_text("#told").partition(" ")[2] != digit["text"]:
            before = page.evaluate("callView.position")
            page.keyboard.press("]")
            assert page.evaluate("callView.position") > before, "the keys do not lead to a digit"
        assert page.evaluate("callView.position") == pytest.approx(digit["at_s"], abs=0.001)


def assert_plays(page: Page, at_s: float) -> None:
    """The sound plays from a place on, and ends where it is stopped."""
    page.evaluate("at => callView.seek(at)", at_s)
    page.click("#play")
    until(page, f"document.getElementById('sound').currentTime > {at_s + 0.2}")
    page.click("#play")
    until(page, "document.getElementById('sound').paused")


def test_pages_of_a_call_show_what_was_said_and_pressed_where_it_was(
    answer: Answer, place: Place, browser: Browser, tmp_path: Path
) -> None:
    story, said = write_sounds(tmp_path)
    (tmp_path / "bot.py").write_text(BOT)
    serving = answer("serve", "--record", "calls", "--layout", "stereo", "--capture", "captures", "--bot",
                     "bot.py:answer", "--calls", "1", "--json")  # fmt: skip
    far = f"silence 1, play {tmp_path / 'story.wav'}, silence 4.5, digits 42, silence 0.5, digits #, silence 2"
    account = place(serving, far, "--record-far")
    call = serving.wait_for_end(account["uuid"])
    serving.end(0)
    origin_s = datetime.fromisoformat(call["started_at"]).timestamp()

    heard, _ = heard_at_far_end(account)
    spoken = (account["steps"][1]["started_at"], story, story)
    answered = (account["recordings"][-1]["started_at"], said, heard)
    caller, server = (
        tuple(begin - origin_s + at for at in span_s(words, within)) for begin, words, within in (spoken, answered)
    )
    inputs = {"recording": f"calls/{account['uuid']}.wav", "json": f"calls/{account['uuid']}.json",
              "capture": f"captures/{account['uuid']}.pcapng"}  # fmt: skip
    for name, given in inputs.items():
        more = ["--embed"] if name == "json" else []
        done = run("report", tmp_path / given, "-o", tmp_path / f"{name}.html", *more)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        with shown(browser, (tmp_path / f"{name}.html").as_uri()) as page:
            assert page.inner_text("h1") == f"Call {account['uuid']}"
            assert_marks(page, account["steps"], origin_s)
            assert_turns(page, caller, server)
            assert_plays(page, server[0])
            assert serious_faults(page) == []
