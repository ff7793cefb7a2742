"""What waits for a bot that is slow to read: bounded, events kept, the oldest audio dropped and counted."""

from __future__ import annotations

import pytest

from audiosocket_cli.websocket.messages import Message
from audiosocket_cli.websocket.outbox import MAX_EVENTS, Outbox


def audio(number: int) -> Message:
    return Message(b"%d" % number, False, 0.02)


def test_messages_come_out_in_order() -> None:
    outbox = Outbox()
    outbox.add_event(b"start")
    outbox.add_audio(audio(1))
    outbox.add_event(b"digit")
    assert outbox
    assert [message.data for message in outbox.take()] == [b"start", b"1", b"digit"]
    assert not outbox
    assert (outbox.audio_s, outbox.dropped_s) == (0.0, 0.0)


def test_the_oldest_audio_is_dropped_and_counted_and_no_event() -> None:
    outbox = Outbox(max_audio_s=0.06)
    outbox.add_event(b"start")
    for number in range(5):
        outbox.add_audio(audio(number))
        outbox.add_event(b"event %d" % number)
    data = [message.data for message in outbox.take()]
    assert data == [b"start", b"event 0", b"event 1", b"2", b"event 2", b"3", b"event 3", b"4", b"event 4"]
    assert outbox.dropped_s == pytest.approx(0.04)


def test_a_higher_bound_holds_from_then_on() -> None:
    outbox = Outbox(max_audio_s=0.02)
    outbox.add_audio(audio(1))
    outbox.max_audio_s = 0.04
    outbox.add_audio(audio(2))
    assert len(outbox.take()) == 2


def test_not_too_much_is_taken_at_once() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.add_audio(Message(bytes(40_000), False, 0.02))
    assert [len(outbox.take()) for _ in range(3)] == [1, 1, 1]
    outbox.add_audio(Message(bytes(100_000), False, 0.02))
    assert len(outbox.take()) == 1


def test_events_that_nobody_takes_are_noticed() -> None:
    outbox = Outbox()
    for _ in range(MAX_EVENTS):
        outbox.add_event(b"mark")
    assert not outbox.is_overrun
    outbox.add_event(b"mark")
    assert outbox.is_overrun
    outbox.take()
    assert not outbox.is_overrun


def test_what_nobody_will_take_counts_as_dropped() -> None:
    outbox = Outbox()
    outbox.add_event(b"start")
    outbox.add_audio(audio(1))
    outbox.drop()
    assert (bool(outbox), outbox.dropped_s, outbox.audio_s) == (False, 0.02, 0.0)
