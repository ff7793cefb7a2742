"""The page of a call as HTML: what is in it, what it may load, and that nothing of the call becomes markup."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from audiosocket_cli.report.call_page import SCRIPTS, call_page
from support.page_calls import HOSTILE, hostile, minute


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return minute()


def shown_to_scripts(page: bytes) -> dict[str, Any]:
    found = re.search(rb'<script type="application/json" id="call-data">(.*?)</script>', page, re.DOTALL)
    assert found
    value: dict[str, Any] = json.loads(found[1])
    return value


def policy_of(page: bytes) -> str:
    found = re.search(rb'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    return found[1].decode()


def test_a_sound_in_the_page_is_there_once_and_nothing_else_may_be_loaded(data: dict[str, Any]) -> None:
    page = call_page(data)
    assert page.count(data["sound"]["src"].encode()) == 1
    assert "src" not in shown_to_scripts(page)["sound"]
    policy = policy_of(page)
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith("; img-src data:; media-src data:")
    assert policy.count("'sha256-") == len(SCRIPTS)
    assert b"http://" not in page
    assert b"https://" not in page


def test_a_sound_beside_the_page_is_seen_from_the_base(data: dict[str, Any]) -> None:
    beside = {**data, "sound": {**data["sound"], "src": "call%201.wav", "embedded": False}}
    page = call_page(beside, base="../calls/")
    assert b'src="../calls/call%201.wav"' in page
    assert b'href="../calls/call.json"' in page
    assert policy_of(page).endswith("; media-src 'self' file:")


@pytest.mark.parametrize("source", ["https://other.example/a.wav", "//other.example/a.wav", "data:text/html,x"])
def test_a_sound_from_elsewhere_is_left_out(data: dict[str, Any], source: str) -> None:
    page = call_page({**data, "sound": {**data["sound"], "src": source}})
    assert b"<audio" not in page
    assert shown_to_scripts(page)["sound"] is None
    assert b"There is no sound to play" in page


def test_a_call_without_sound_says_why(data: dict[str, Any]) -> None:
    page = call_page({**data, "sound": None, "not_measured": [["sound", "the disk was full."]]})
    assert b"There is no sound to play: the disk was full." in page
    assert b"There is no sound to play: no recording" in call_page({**data, "sound": None})


def test_what_the_picture_shows_is_told_in_words_too(data: dict[str, Any]) -> None:
    page = call_page(data).decode()
    alternative = re.search(r'<canvas id="picture" role="img" aria-label="([^"]*)"', page)
    assert alternative
    assert "1:00.0 long. Caller: \N{MINUS SIGN}29 dBFS; Server:" in alternative[1]
    for words in ("11 marks", "The caller hung up.", "gap", "Lower the level", "AudioSocket carries no times"):
        assert words in page, words


def test_what_was_not_measured_is_not_drawn_as_nothing(data: dict[str, Any]) -> None:
    why = [["turns", "both sides are in one channel."]]
    silent = {**data["tracks"][0], "level_dbfs": None, "stretches": None, "spectrogram": None}
    page = call_page({**data, "tracks": [silent], "turns": None, "not_measured": why}).decode()
    assert "Caller: not measured" in page
    assert 'class="band' not in page
    assert "Not measured: both sides are in one channel." in page
    assert "Median answer" not in page


def test_nothing_of_a_call_becomes_markup_or_hides_text() -> None:
    page = call_page(hostile())
    assert b"<img" not in page
    assert b"\xe2\x80\xae" not in page  # which would turn the direction of what follows
    assert b"javascript:alert" not in page
    assert shown_to_scripts(page)["marks"][0]["label"] == HOSTILE.replace("\u202e", "\\u202e").replace("\a", "\\u0007")


def test_a_call_of_which_only_its_name_is_known_has_a_page(data: dict[str, Any]) -> None:
    nothing = {"tracks": [], "marks": [], "findings": [], "facts": [], "links": [], "not_measured": []}
    page = call_page({**data, **nothing, "turns": None, "sound": None, "started_at": None, "duration_s": 0.0})
    assert b"at an unknown time" in page
    assert b"No sound was measured" in page
