"""What a bridge does with each message of a bot that speaks samples, without a network."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.bots import bridge_raw
from audiosocket_cli.call.bots.bridge_raw import RawDialect
from audiosocket_cli.call.bots.speaker import Failed
from audiosocket_cli.websocket.messages import Hangup, Message
from support.bridged import Talking, talking

FRAME = b"\1\2" * 160

AFTER = 5 + 15
"""Frames of silence at the end: what a converter may hold, and 300 ms, or the last word would be clipped on its way."""


@pytest.fixture
def bot() -> Talking:
    return talking(RawDialect, 8000)


def test_the_first_event_names_the_call_and_its_rate(bot: Talking) -> None:
    bot.dialect.begin(0x10)
    (start,) = bot.events()
    assert (start["event"], start["rate_hz"], start["kind"], start["peer"]) == ("start", 8000, "slin", "peer")


def test_what_it_says_is_said_with_its_marks_and_then_it_is_idle(bot: Talking) -> None:
    bot.hear(FRAME * 2, is_text=False)
    bot.hear(b'{"mark": "m"}')
    assert [bot.tick()[3:] for _ in range(2)] == [FRAME, FRAME]
    assert bot.events() == []
    bot.tick()
    (mark,) = bot.events()
    assert (mark["event"], mark["mark"], "dropped" in mark) == ("mark", "m", False)
    for _ in range(10):
        bot.tick()
    assert [event["event"] for event in bot.events()] == ["idle"]


def test_a_flush_drops_what_waits_and_its_marks(bot: Talking) -> None:
    bot.hear(FRAME * 50, is_text=False)
    bot.hear(b'{"mark": "m"}')
    bot.hear(b'{"flush": true}')
    mark, flushed = bot.events()
    assert (mark["mark"], mark["dropped"], flushed) == ("m", True, {"event": "flushed", "dropped_s": 1.0})


def test_a_hangup_is_handed_on_with_its_result(bot: Talking) -> None:
    assert bot.hear(b'{"hangup": true}') == Hangup()
    assert bot.hear(b'{"hangup": true, "result": "sales"}') == Hangup("sales")
    bot.hear(FRAME * 3, is_text=False)
    bot.dialect.left()
    assert len(bot.rest()) == 3 + AFTER


def test_after_two_minutes_it_is_full_until_some_of_it_was_said(bot: Talking) -> None:
    bot.hear(FRAME * 50 * 119, is_text=False)
    assert not bot.dialect.is_full
    bot.hear(FRAME * 50, is_text=False)
    assert bot.speaker.queued_s == bridge_raw.MAX_QUEUED_S
    assert bot.dialect.is_full
    bot.tick()
    assert not bot.dialect.is_full


def test_what_is_not_understood_is_answered_and_noted(bot: Talking) -> None:
    bot.hear(b"hello")
    assert bot.events() == [{"event": "error", "error": "not understood: hello"}]
    bot.dialect.told([Failed("cannot play x")])
    assert bot.call.notes == [
        "the bot's command failed: not understood: hello [bot-command]",
        "cannot play x [sound-file]",
    ]


def test_the_caller_is_heard_as_samples_and_the_end_is_told(bot: Talking) -> None:
    bot.dialect.heard(FRAME)
    bot.dialect.digit(0.5, "1")
    bot.dialect.ended(bot.ending)
    audio, digit, hangup = bot.outbox.take()
    assert audio == Message(FRAME, False, 0.02)
    assert digit.data == b'{"event":"digit","digit":"1","at_s":0.5}'
    assert hangup.data == b'{"event":"hangup","by":"caller","how":"closed","reason":"caller closed"}'
