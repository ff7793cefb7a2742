"""Asterisk's chan_websocket: its events in JSON and in plain text, and each command of a bot."""

from __future__ import annotations

import pytest

from audiosocket_cli.websocket.chan_websocket import (
    Answer,
    Continue,
    Events,
    GetStatus,
    Pause,
    ReportDrained,
    SetDirection,
    StartBuffering,
    Status,
    StopBuffering,
    parse,
)
from audiosocket_cli.websocket.messages import Clear, Hangup, Ignored, Mark, Media, Refused

STATUS = Status(7, queue_full=False, bulk_media=True, media_paused=False)


def events_of(events: Events) -> list[bytes]:
    return [
        events.media_start("slin16", 640, {"K": "V"}), events.dtmf_end("5"), events.xoff(), events.xon(),
        events.queue_drained(), events.buffering_completed("b"), events.mark_processed("m"), events.mark_processed(""),
        events.status(STATUS), events.error("no"),
    ]  # fmt: skip


def test_events_in_json_are_those_of_the_driver_key_by_key() -> None:
    assert events_of(Events("17")) == [
        (
            b'{"event":"MEDIA_START","connection_id":"audiosocket","channel":"WebSocket/audiosocket/17",'
            b'"channel_id":"17","format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{"K":"V"}}'
        ),
        b'{"event":"DTMF_END","channel_id":"17","digit":"5"}',
        b'{"event":"MEDIA_XOFF","channel_id":"17"}',
        b'{"event":"MEDIA_XON","channel_id":"17"}',
        b'{"event":"QUEUE_DRAINED","channel_id":"17"}',
        b'{"event":"MEDIA_BUFFERING_COMPLETED","channel_id":"17","correlation_id":"b"}',
        b'{"event":"MEDIA_MARK_PROCESSED","channel_id":"17","correlation_id":"m"}',
        b'{"event":"MEDIA_MARK_PROCESSED","channel_id":"17","correlation_id":""}',
        (
            b'{"event":"STATUS","channel_id":"17","queue_length":7,"xon_level":800,"xoff_level":900,'
            b'"queue_full":false,"bulk_media":true,"media_paused":false}'
        ),
        b'{"event":"ERROR","channel_id":"17","error_text":"no"}',
    ]


def test_events_in_plain_text_are_those_of_the_driver_word_by_word() -> None:
    assert events_of(Events("17", plain_text=True)) == [
        (
            b"MEDIA_START connection_id:audiosocket channel:WebSocket/audiosocket/17 channel_id:17 format:slin16 "
            b"optimal_frame_size:640 ptime:20"
        ),
        b"DTMF_END digit:5 channel_id:17",
        b"MEDIA_XOFF",
        b"MEDIA_XON",
        b"QUEUE_DRAINED",
        b"MEDIA_BUFFERING_COMPLETED b",
        b"MEDIA_MARK_PROCESSED m",
        b"MEDIA_MARK_PROCESSED",
        (
            b"STATUS channel_id:17 queue_length:7 xon_level:800 xoff_level:900 queue_full:false bulk_media:true "
            b"media_paused:false"
        ),
        b"ERROR channel_id:17 error_text:no",
    ]


NO_DIRECTION = Refused("SET_MEDIA_DIRECTION requires a 'direction' parameter.\n")

COMMANDS = [
    ("ANSWER", Answer()),
    ("HANGUP", Hangup()),
    ("START_MEDIA_BUFFERING", StartBuffering()),
    ("FLUSH_MEDIA", Clear()),
    ("PAUSE_MEDIA", Pause()),
    ("CONTINUE_MEDIA", Continue()),
    ("GET_STATUS", GetStatus()),
    ("REPORT_QUEUE_DRAINED", ReportDrained()),
    ("MARK_MEDIA", Mark("")),
    ("STOP_MEDIA_BUFFERING", StopBuffering("")),
    ("hangup", Ignored("the unknown command hangup")),
]


@pytest.mark.parametrize(("command", "wish"), COMMANDS)
def test_each_command_is_known_in_json_and_in_plain_text(command: str, wish: object) -> None:
    assert parse(f'{{"command":"{command}"}}'.encode()) == wish
    assert parse(command.encode(), plain_text=True) == wish
    assert parse(f"  {command}\n".encode(), plain_text=True) == wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('{"command":"MARK_MEDIA","correlation_id":"x y"}', Mark("x y")),
        ('{"command":"MARK_MEDIA","correlation_id":5}', Mark("")),
        ('{"command":"STOP_MEDIA_BUFFERING","correlation_id":"x"}', StopBuffering("x")),
        ('{"command":"SET_MEDIA_DIRECTION","direction":"in"}', SetDirection("in")),
        (
            '{"command":"SET_MEDIA_DIRECTION","direction":"up"}',
            Refused("'up' is not a valid direction for SET_MEDIA_DIRECTION.\n"),
        ),
        ('{"command":"SET_MEDIA_DIRECTION","direction":["in"]}', NO_DIRECTION),
        ('{"command":"SET_MEDIA_DIRECTION"}', NO_DIRECTION),
        ('{"command":["HANGUP"]}', Ignored("the unknown command list")),
        ('{"event":"HANGUP"}', Ignored("the unknown command NoneType")),
        ("[]", Ignored("the unknown command NoneType")),
        ("5", Refused("Unable to parse JSON command")),
        ("HANGUP", Refused("Unable to parse JSON command")),
        ("", Ignored("an empty text")),
        ('{"command":"HANGUP"}'.ljust(128), Hangup()),
        ('{"command":"HANGUP"}'.ljust(129), Ignored("a command of more than 128 bytes")),
    ],
)
def test_json_is_read_as_the_driver_reads_it(text: str, wish: object) -> None:
    assert parse(text.encode()) == wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("MARK_MEDIA a b", Mark("a b")),
        ("STOP_MEDIA_BUFFERING x", StopBuffering("x")),
        ("SET_MEDIA_DIRECTION in", Refused("SET_MEDIA_DIRECTION only supports JSON format.\n")),
        ('{"command":"HANGUP"}', Ignored('the unknown command {"command":"HANGUP"}')),
        ("HANGUP".ljust(129), Ignored("a command of more than 128 bytes")),
        ("   ", Ignored("the unknown command ")),
    ],
)
def test_plain_text_is_a_word_and_what_follows(text: str, wish: object) -> None:
    assert parse(text.encode(), plain_text=True) == wish


def test_binary_is_audio_whatever_is_in_it() -> None:
    assert parse(b"HANGUP!", is_text=False, plain_text=True) == Media(b"HANGUP!")
    assert parse(b"", is_text=False) == Media(b"")
    assert parse(b"\xff\xfe", plain_text=True) == Ignored("the unknown command ��")
