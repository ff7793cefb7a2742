"""What is fuzzed of bots that speak WebSocket: whatever one sends, its call goes on to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial

from audiosocket_cli.call.bots.bridge_chan_websocket import ChanWebSocketDialect, PlainTextDialect
from audiosocket_cli.call.bots.bridge_dialect import MAX_MARKS, Dialect
from audiosocket_cli.call.bots.bridge_raw import RawDialect
from audiosocket_cli.call.bots.bridge_twilio import TwilioDialect
from audiosocket_cli.codec import Kind
from audiosocket_cli.text import printable
from support.bridged import Talking

SEPARATOR = b"\n"
"""Between two messages of an input."""

_FRAME_BYTES = 323


def talk(dialects: Iterable[type[Dialect]], data: bytes) -> None:
    """Let a bot send each line as text, and as audio, with a frame after each; then it leaves."""
    for dialect in dialects:
        bot = Talking(dialect, 8000)
        bot.dialect.begin(Kind.SLIN)
        for line in data.split(SEPARATOR):
            for is_text in (True, False):
                bot.hear(line, is_text=is_text)
                assert len(bot.tick()) == _FRAME_BYTES
                assert bot.speaker.queue.marks <= MAX_MARKS
            bot.dialect.heard(bytes(320))
            bot.dialect.digit(0.5, "5")
        bot.dialect.left()
        assert all(len(frame) == _FRAME_BYTES for frame in bot.rest())
        bot.dialect.ended(bot.ending)
        assert bot.dialect.dropped_s >= 0
        for message in bot.outbox.take():
            if message.is_text and dialect is not PlainTextDialect:
                assert isinstance(json.loads(message.data)["event"], str)
            message.data.decode() if message.is_text else None
        for note in bot.call.notes:
            assert printable(note) == note


TALKS: dict[str, Callable[[bytes], None]] = {
    "twilio": partial(talk, [TwilioDialect]),
    "chan-websocket": partial(talk, [ChanWebSocketDialect, PlainTextDialect]),
    "raw": partial(talk, [RawDialect]),
}

SEEDS = {
    "twilio": [
        b"""{"event":"media","streamSid":"MZ1","media":{"payload":"AAECAw=="}}
{"event":"mark","mark":{"name":"a"}}
{"event":"clear"}
{"event":"media","media":{"payload":"////"}}""",
        b'{"event":"media"}\n{"event":"mark"}\n{"event":5}\n[]\n\xff',
    ],
    "chan-websocket": [
        b"""{"command":"START_MEDIA_BUFFERING"}
{"command":"STOP_MEDIA_BUFFERING","correlation_id":"x"}
{"command":"MARK_MEDIA","correlation_id":"y"}
{"command":"GET_STATUS"}
{"command":"PAUSE_MEDIA"}
{"command":"CONTINUE_MEDIA"}
{"command":"SET_MEDIA_DIRECTION","direction":"in"}""",
        b"""START_MEDIA_BUFFERING
MARK_MEDIA x y
STOP_MEDIA_BUFFERING z
REPORT_QUEUE_DRAINED
FLUSH_MEDIA
HANGUP
"""
        + bytes(700),
    ],
    "raw": [b'{"mark": "a"}\n{"flush": true}\n{"hangup": true, "result": "b"}\n{"play": "c"}\n' + bytes(range(1, 200))],
}

WORDS = {
    "twilio": b"""
        "event" "media" "payload" "mark" "name" "clear" "streamSid" null 1e400 \\u0000 \\ud800 {" ": "} ==
    """.split(),
    "chan-websocket": b"""
        START_MEDIA_BUFFERING STOP_MEDIA_BUFFERING MARK_MEDIA FLUSH_MEDIA PAUSE_MEDIA CONTINUE_MEDIA GET_STATUS
        REPORT_QUEUE_DRAINED SET_MEDIA_DIRECTION HANGUP "command" "correlation_id" "direction" "out" \\ud800 {" ": "}
    """.split(),
    "raw": b'"flush" "hangup" "result" "mark" "play" true null NaN \\u001b \\ud800 {" ": "}'.split(),
}
