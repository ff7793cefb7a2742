"""Digits that come as tones and as frames: each press counts once, whichever comes first, and whatever leaks."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest

from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.codec import Kind, digit_frame, encode
from audiosocket_cli.model import Call, Digit, Side, now_utc
from support.fakes import OPENING, UUID_1, frames_of
from support.running import Serving


@pytest.mark.parametrize(
    ("events", "told", "listed"),
    [
        ("5@1t", "5", "5"),
        ("5@1t 5@2t", "55", "55"),
        ("5@1 5@2", "55", "55"),
        ("5@1t 5@1.1", "5", "5"),
        ("5@1 5@1.1t", "5", "5"),
        ("5@1t 5@4.5", "5", "5"),
        ("5@1t 5@4.5 5@4.6t", "5", "5"),
        ("5@1t 5@1.9t 5@2", "55", "5"),
        ("5@1t 5@1.5t 5@3 5@3.5", "55", "55"),
        ("1@1t 2@1.3t 3@1.6t 1@3 2@3.3 3@3.6", "123", "123"),
        ("1@1t 2@2t 3@5 4@6 4@6.1t", "1234", "1234"),
        ("1@1t 1@20", "11", "11"),
        ("1@1 2@9t", "1", "1"),
        ("5@1t 6@1.2 5@3", "56", "65"),
    ],
    ids=[
        "a tone", "two tones", "two frames", "a tone and its frame", "a frame and its tone", "a frame seconds late",
        "and a tail that leaks", "both ends of the tone leak", "pressed twice, frames late", "three, frames late",
        "tones, and from then on frames", "as tone, and much later as frame", "tones once frames came",
        "frames in another order",
    ],
)  # fmt: skip
def test_a_press_counts_once(events: str, told: str, listed: str) -> None:
    call = Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0))
    heard = ""
    for event in events.split():
        digit, at_s = event.split("@")
        if call.press(Digit(float(at_s.rstrip("t")), digit, in_band=at_s.endswith("t"))):
            heard += digit
    assert heard == told
    assert "".join(press.digit for press in call.presses()) == listed


@pytest.mark.parametrize("late_s", [0.0, 0.4, 2.0])
def test_a_tone_that_leaks_and_its_frame_are_one_digit_in_a_call(serve: Callable[..., Serving], late_s: float) -> None:
    """As a gateway does: the tone's beginning comes through, then nothing until the key is let go, then its frame."""
    serving = serve("--detect-dtmf", "--json", "--calls", "1")
    leaked = frames_of(digit_tone("5", 8000, 0.08), Kind.SLIN)
    silence = frames_of(digit_tone("5", 8000, 0.5) * 0, Kind.SLIN)
    with socket.create_connection(("127.0.0.1", serving.port)) as caller:
        caller.sendall(OPENING)
        for frame in [*silence, *leaked]:
            caller.sendall(encode(frame))
            time.sleep(0.02)
        time.sleep(late_s)
        caller.sendall(encode(digit_frame("5")))
        for frame in [*leaked, *silence, *silence]:
            caller.sendall(encode(frame))
            time.sleep(0.02)
    call = json.loads(serving.wait_for('"event": "ended"'))["call"]
    assert [press["digit"] for press in call["dtmf"]] == ["5"]
    assert sum('"event": "digit"' in line for line in serving.rest) == 1
