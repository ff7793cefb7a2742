"""What an event says of itself: its name and facts, as JSON has them, and its sentence, as the log has it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.call import events, sending_events
from audiosocket_cli.call.events import (
    CallEnded,
    CallListened,
    CallRefused,
    CallStarted,
    CaptureFailed,
    ConnectionFailed,
    DigitHeard,
    Event,
    EventTap,
    Finding,
    HookFailed,
    Listening,
    MirrorEnded,
    MoreRefused,
    ProgramSaid,
    RecordingFailed,
)
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sending_events import CallCut, DeliveryState, EventsDropped
from audiosocket_cli.model import Call, Digit, Side

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
CALL = Call(Side.SERVER, "192.0.2.1:5060", UUID_1, datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), Pacer(0.0))
PLACED = dataclasses.replace(CALL, me=Side.CALLER)
ENDED = {"ended_by": "caller", "ended_how": "hangup", "ended_reason": "caller hung up", "duration_s": 7.3}

LATE = {"expected_s": 1.2, "seen_s": 1.54, "what": "speech", "difference": "begins 340 ms later"}
NEW = {"expected_s": None, "seen_s": 2.0, "what": "hangup", "difference": "is new"}

TOLD: list[tuple[Event, str, dict[str, object], str]] = [
    (
        Listening("127.0.0.1", 9092, None, None, "x.pcapng", ("127.0.0.1:9092",)),
        "listening",
        {"host": "127.0.0.1", "port": 9092, "addresses": ["127.0.0.1:9092"], "record": None, "program": None,
         "capture": "x.pcapng"},
        (
            "listening on 127.0.0.1:9092 (this machine only; --listen :9092 opens it to the network), not recording, "
            "capturing to x.pcapng"
        ),
    ),
    (
        Listening("::", 9092, "calls", "./bot", None, ("[::]:9092",)),
        "listening",
        {"host": "::", "port": 9092, "addresses": ["[::]:9092"], "record": "calls", "program": "./bot"},
        "listening on port 9092 of all interfaces, recording to calls, running ./bot",
    ),
    (
        Listening("10.0.0.1", 9092, None, None, None, ("10.0.0.1:9092", "10.0.0.2:9092"), host_name="pbx"),
        "listening",
        {"host": "10.0.0.1", "port": 9092, "addresses": ["10.0.0.1:9092", "10.0.0.2:9092"], "record": None,
         "program": None},
        "listening on pbx:9092 (10.0.0.1 and 10.0.0.2), not recording",
    ),
    (
        Listening("::1", 7, None, passed=True),
        "listening",
        {"host": "::1", "port": 7, "addresses": [], "record": None, "program": None},
        "listening on ::1:7 (by systemd; --listen is not used), not recording",
    ),
    (
        CallStarted(CALL),
        "call",
        {"uuid": str(UUID_1), "peer": "192.0.2.1:5060", "started_at": "2026-01-02T03:04:05.678+00:00"},
        f"call {UUID_1} from 192.0.2.1:5060",
    ),
    (
        CallStarted(PLACED),
        "call",
        {"uuid": str(UUID_1), "peer": "192.0.2.1:5060", "started_at": "2026-01-02T03:04:05.678+00:00"},
        f"call {UUID_1} to 192.0.2.1:5060",
    ),
    (
        DigitHeard(CALL, Digit(1.5, "5", in_band=True)),
        "digit",
        {"uuid": str(UUID_1), **Digit(1.5, "5", in_band=True).as_dict()},
        f"{UUID_1} digit 5 at 1.50 s (in-band)",
    ),
    (
        Finding(CALL, "odd [off-centre]"), "finding",
        {"uuid": str(UUID_1), "finding": "odd [off-centre]", "finding_id": "off-centre"},
        f"{UUID_1} finding: odd [off-centre]",
    ),
    (ProgramSaid(CALL, "a\tb"), "program", {"uuid": str(UUID_1), "line": "a\tb"}, f"{UUID_1} | a       b"),
    (
        RecordingFailed(CALL, "full"),
        "recording-failed",
        {"uuid": str(UUID_1), "reason": "full"},
        f"{UUID_1} recording failed: full",
    ),
    (
        CaptureFailed("192.0.2.1:5060", "full"),
        "capture-failed",
        {"peer": "192.0.2.1:5060", "reason": "full"},
        "capture of 192.0.2.1:5060 failed: full",
    ),
    (CallRefused("1.2.3.4:5", "no"), "refused", {"peer": "1.2.3.4:5", "reason": "no"}, "refused 1.2.3.4:5: no"),
    (
        ConnectionFailed("1.2.3.4:5", "reset"),
        "no-call",
        {"peer": "1.2.3.4:5", "reason": "reset"},
        "no call from 1.2.3.4:5: reset",
    ),
    (
        MoreRefused("1.2.3.4", 2),
        "more-refused",
        {"host": "1.2.3.4", "count": 2},
        "and 2 more connections from 1.2.3.4 refused or failed",
    ),
    (
        HookFailed(CALL, "exit code 1"),
        "on-call-end-failed",
        {"uuid": str(UUID_1), "reason": "exit code 1"},
        f"{UUID_1} on-call-end failed: exit code 1",
    ),
    (
        CallEnded(CALL, ENDED, [Path("calls/a.wav")], Path("b.pcapng")),
        "ended",
        {"uuid": str(UUID_1), "files": ["calls/a.wav"], "capture": "b.pcapng", "call": ENDED},
        f"{UUID_1} ended by caller (hangup) after 7.30 s",
    ),
    (
        CallEnded(PLACED, ENDED, []),
        "ended",
        {"uuid": str(UUID_1), "files": [], "call": ENDED},
        f"{UUID_1} ended by caller (hangup: caller hung up) after 7.30 s",
    ),
    (
        CallCut(str(UUID_1), "1.2.3.4:5", "2026-11-30T12:00:00.000+00:00", [Path("calls/a.wav")]),
        "cut",
        {
            "uuid": str(UUID_1), "peer": "1.2.3.4:5", "started_at": "2026-11-30T12:00:00.000+00:00",
            "files": ["calls/a.wav"],
        },
        f"{UUID_1} from 1.2.3.4:5 was cut when its server died: kept calls/a.wav",
    ),
    (
        CallCut(None, None, None, []),
        "cut",
        {"uuid": None, "peer": None, "started_at": None, "files": []},
        "a call was cut when its server died: nothing was recorded",
    ),
    (
        DeliveryState("store", "it refuses connections", 5),
        "delivery",
        {"to": "store", "state": "away", "problem": "it refuses connections", "waiting": 5},
        "the store is away: it refuses connections, 5 waiting",
    ),
    (
        DeliveryState("bus", None, 0),
        "delivery",
        {"to": "bus", "state": "back", "problem": None, "waiting": 0},
        "the bus is back, 0 waiting",
    ),
    (EventsDropped(1), "dropped", {"count": 1}, "1 event dropped: see the lines before"),
    (
        CallListened(CALL, "192.0.2.9", 3.2104),
        "listened",
        {"uuid": str(UUID_1), "by": "192.0.2.9", "from_s": 3.21, "to_s": None},
        f"{UUID_1} is listened to by 192.0.2.9 from 3.21 s on",
    ),
    (
        CallListened(CALL, "192.0.2.9", 3.21, 9.8),
        "listened",
        {"uuid": str(UUID_1), "by": "192.0.2.9", "from_s": 3.21, "to_s": 9.8, "missed_s": 0.0},
        f"{UUID_1} was listened to by 192.0.2.9 from 3.21 to 9.80 s",
    ),
    (
        CallListened(CALL, "192.0.2.9", 3.21, 9.8, 1.5),
        "listened",
        {"uuid": str(UUID_1), "by": "192.0.2.9", "from_s": 3.21, "to_s": 9.8, "missed_s": 1.5},
        f"{UUID_1} was listened to by 192.0.2.9 from 3.21 to 9.80 s, and missed 1.5 s of it",
    ),
    *(
        (
            MirrorEnded(CALL, {"target": "bot:1", "outcome": outcome, "reason": reason, "differences": differences}),
            "mirror",
            {"uuid": str(UUID_1), "target": "bot:1", "outcome": outcome, "reason": reason, "differences": differences},
            f"{UUID_1} mirror bot:1: {text}",
        )
        for outcome, reason, differences, text in (
            ("same", None, [], "the same answer"),
            ("different", None, [LATE], "different answer: speech at 1.20 s begins 340 ms later"),
            ("different", None, [NEW, LATE, LATE], "different answer: hangup at 2.00 s is new; and 2 more differences"),
            ("gone", "it is down", [], "gone: it is down"),
            ("unknown", "no capture", [], "not compared: no capture"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "name", "facts", "sentence"), TOLD, ids=lambda value: type(value).__name__)
def test_an_event_says_what_happened(event: Event, name: str, facts: dict[str, object], sentence: str) -> None:
    assert event.name == name
    assert json.loads(json.dumps(event.facts())) == facts
    assert list(event.facts()) == list(facts)
    assert event.sentence() == sentence


def test_all_events_are_in_the_table() -> None:
    told = {**vars(events), **vars(sending_events)}.values()
    kinds = {one for one in told if isinstance(one, type) and issubclass(one, Event)} - {Event}
    assert {type(event) for event, *_ in TOLD} == kinds


def test_what_was_noted_before_a_call_was_let_in_is_told_after_its_start() -> None:
    call, told = dataclasses.replace(CALL, notes=[]), list[Event]()
    call.note("first")
    EventTap(told.append).opened(call)
    call.note("second")
    call.note("second")
    assert told == [CallStarted(call), Finding(call, "first"), Finding(call, "second")]
