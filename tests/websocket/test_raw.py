"""Raw samples: the events and commands that programs have on descriptor 3, as text messages."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from audiosocket_cli.websocket import raw
from audiosocket_cli.websocket.messages import Clear, Hangup, Mark, Media, Refused

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")


def test_events_are_those_of_a_program() -> None:
    said = [
        raw.start(UUID_1, "192.0.2.1:5060", 16000, "slin16", {"a": "b"}), raw.digit("5", 1.23456), raw.idle(),
        raw.mark("m", 0.5), raw.mark("m", 0.5, dropped=True), raw.flushed(0.0304), raw.error("no"),
        raw.hangup("caller", "closed", "caller closed"),
    ]  # fmt: skip
    assert [json.loads(data) for data in said] == [
        {
            "event": "start", "uuid": str(UUID_1), "peer": "192.0.2.1:5060", "rate_hz": 16000, "kind": "slin16",
            "variables": {"a": "b"},
        },
        {"event": "digit", "digit": "5", "at_s": 1.235},
        {"event": "idle"},
        {"event": "mark", "mark": "m", "at_s": 0.5},
        {"event": "mark", "mark": "m", "at_s": 0.5, "dropped": True},
        {"event": "flushed", "dropped_s": 0.03},
        {"event": "error", "error": "no"},
        {"event": "hangup", "by": "caller", "how": "closed", "reason": "caller closed"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('{"flush": true}', Clear()),
        ('{"hangup": true}', Hangup()),
        ('{"hangup": true, "result": "sales"}', Hangup("sales")),
        ('{"hangup": true, "result": 100}', Hangup(100)),
        ('{"hangup": true, "result": null}', Hangup()),
        ('{"mark": "m"}', Mark("m")),
        (
            '{"play": "a.wav"}',
            Refused("a.wav is not played: a bot that is reached over a network sends its audio itself"),
        ),
        ('{"flush": 1}', Refused('not understood: {"flush": 1}')),
        ('{"hangup": true, "x": 1}', Refused('not understood: {"hangup": true, "x": 1}')),
        ("hello", Refused("not understood: hello")),
        ("[" * 5000, Refused("not understood: " + 40 * "[" + "…")),
    ],
)
def test_commands_are_those_of_a_program(text: str, wish: object) -> None:
    assert raw.parse(text.encode()) == wish


def test_binary_is_audio_of_any_length() -> None:
    assert raw.parse(b"abc", is_text=False) == Media(b"abc")
    assert raw.parse(b"\xff", is_text=True) == Refused("not understood: �")
