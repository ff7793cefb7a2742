"""What a bridge does with each message of a bot that speaks Media Streams, without a network."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from audiosocket_cli.audio.pcm import encode_mu_law, to_slin, tone
from audiosocket_cli.call.bots import bridge_dialect, bridge_twilio
from audiosocket_cli.call.bots.bridge_twilio import TwilioDialect
from audiosocket_cli.call.bots.speaker import Failed
from audiosocket_cli.websocket.messages import Message
from support.bridged import Talking, talking

SECOND = to_slin(tone(440, 8000, 1.0))


def media(samples: bytes) -> bytes:
    payload = base64.b64encode(encode_mu_law(samples)).decode()
    return json.dumps({"event": "media", "media": {"payload": payload}}).encode()


def mark(name: str) -> bytes:
    return json.dumps({"event": "mark", "mark": {"name": name}}).encode()


AFTER = 5 + 15
"""Frames of silence at the end: what a converter may hold, and 300 ms, or the last word would be clipped on its way."""


@pytest.fixture
def bot() -> Talking:
    return talking(TwilioDialect, 8000)


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["mark"]["name"] for event in events if event["event"] == "mark"]


def test_variables_of_the_call_are_its_custom_parameters(bot: Talking) -> None:
    bot.call.variables = {"from_number": "+15"}
    bot.dialect.begin(0x10)
    assert bot.events()[1]["start"]["customParameters"] == {"from_number": "+15"}


def test_a_mark_is_answered_when_what_was_before_it_has_been_heard(bot: Talking) -> None:
    for text in (mark("none"), media(SECOND[:640]), mark("a"), media(SECOND[:320]), mark("b")):
        bot.hear(text)
    answered = []
    for _ in range(6):
        bot.tick()
        answered.append(names(bot.events()))
    assert answered == [[], ["none"], ["a"], ["b"], [], []]


def test_a_clear_answers_all_marks_at_once(bot: Talking) -> None:
    for text in (media(SECOND), mark("a"), media(SECOND), mark("b"), b'{"event":"clear"}'):
        bot.hear(text)
    assert names(bot.events()) == ["a", "b"]
    assert bot.speaker.queued_s == 0
    assert bot.dialect.dropped_s == 0  # as it wanted


def test_ten_minutes_are_queued_and_more_is_dropped_and_counted(bot: Talking) -> None:
    for _ in range(620):
        bot.hear(media(SECOND))
    assert bot.speaker.queued_s == bridge_twilio.MAX_QUEUED_S
    assert bot.dialect.dropped_s == pytest.approx(20)
    assert bot.call.notes == ["the bot is more than 10 minutes ahead: its audio is dropped [bot-audio-dropped]"]


def test_marks_without_end_are_bounded(bot: Talking) -> None:
    bot.hear(media(SECOND))
    for number in range(bridge_dialect.MAX_MARKS + 10):
        bot.hear(mark(str(number)))
    assert bot.speaker.queue.marks == bridge_dialect.MAX_MARKS
    assert bot.call.notes == ["marks of the bot are ignored: 1000 are already waiting [bot-message-ignored]"]


@pytest.mark.parametrize("silence_s", [0.0, 0.03, 2.0])
def test_the_silence_at_the_end_of_a_bot_that_left_is_not_said(bot: Talking, silence_s: float) -> None:
    bot.hear(media(SECOND[:3200] + bytes(round(silence_s * 8000) * 2)))
    bot.hear(mark("end"))
    bot.dialect.left()
    frames = bot.rest()
    assert len(frames) == 10 + AFTER
    assert names(bot.events()) == ["end"]


def test_silence_within_speech_is_said(bot: Talking) -> None:
    bot.hear(media(SECOND[:320] + bytes(320) + SECOND[:100]))
    bot.dialect.left()
    assert len(bot.rest()) == 3 + AFTER


def test_what_cannot_be_said_is_noted(bot: Talking) -> None:
    bot.dialect.told([Failed("cannot play x")])
    assert bot.call.notes == ["cannot play x [sound-file]"]


def test_keys_and_the_end_are_told(bot: Talking) -> None:
    bot.dialect.digit(1.5, "#")
    bot.dialect.ended(bot.ending)
    assert [event["event"] for event in bot.events()] == ["dtmf", "stop"]
    assert not bot.dialect.is_full
    assert bot.dialect.received(Message(b"\xff", False)) is None
