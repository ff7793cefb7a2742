"""What a bot says, 20 ms at a time: marks when they are heard, or dropped; silence; the end."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.bots.speaker import Idle, Marked, Speaker, Told
from audiosocket_cli.codec import HEADER_BYTES, Kind

FRAME = bytes([1, 0]) * 160


def said(speaker: Speaker) -> bytes:
    data = speaker.next_bytes(Kind.SLIN)
    assert data is not None
    return data[HEADER_BYTES:]


def told(speaker: Speaker) -> list[Told]:
    found = list(speaker.told)
    speaker.told.clear()
    return found


def test_a_mark_is_told_once_what_was_before_it_has_been_played() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add(FRAME * 2)
    speaker.queue.add_mark("greeting")
    speaker.queue.add(FRAME)
    assert [said(speaker) for _ in range(2)] == [FRAME, FRAME]
    assert told(speaker) == []  # its last frame has just been sent: nobody has heard it yet
    assert said(speaker) == FRAME
    assert told(speaker) == [Marked("greeting")]


def test_a_mark_within_a_frame_leaves_no_pause() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add(FRAME[:100])
    speaker.queue.add_mark("a")
    speaker.queue.add_mark("b")
    speaker.queue.add(FRAME[100:])
    assert said(speaker) == FRAME
    assert told(speaker) == []
    said(speaker)
    assert told(speaker) == [Marked("a"), Marked("b")]


def test_a_mark_after_a_rest_waits_for_the_rest() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add(FRAME[:100])
    speaker.queue.add_mark("rest")
    assert said(speaker) == bytes(320)  # more of the rest may still come
    assert told(speaker) == []
    assert said(speaker) == FRAME[:100].ljust(320, b"\0")
    said(speaker)
    assert told(speaker) == [Marked("rest")]


def test_a_mark_with_nothing_before_it_is_told_at_once() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add_mark("now")
    said(speaker)
    said(speaker)
    assert told(speaker) == [Marked("now")]


def test_a_flush_tells_what_was_heard_as_heard_and_the_rest_as_dropped() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add(FRAME)
    speaker.queue.add_mark("heard")
    speaker.queue.add(FRAME * 50)
    speaker.queue.add_mark("not heard")
    said(speaker)
    assert speaker.flush() == pytest.approx(1.0)
    assert told(speaker) == [Marked("heard"), Marked("not heard", dropped=True)]
    assert speaker.queued_s == 0
    said(speaker)
    assert told(speaker) == []


def test_speech_is_idle_once_its_last_words_are_out_and_the_call_ends_after_a_pause() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    speaker.queue.add(FRAME)
    speaker.queue.add_mark("last")
    frames = 0
    while told(speaker)[-1:] != [Idle()]:
        said(speaker)
        frames += 1
    assert frames == 1 + 5  # 100 ms in which a phrase may go on
    speaker.end()
    while speaker.next_bytes(Kind.SLIN) is not None:
        frames += 1
    assert frames == 1 + 5 + 15  # and 300 ms before the hangup
    assert speaker.said_s == 0.02


def test_samples_that_are_at_hand_are_read_up_to_a_bound() -> None:
    speaker = Speaker(8000, Kind.SLIN)
    reads = []

    def read() -> bytes:
        reads.append(1)
        return FRAME * 3

    for _ in range(5):
        speaker.next_bytes(Kind.SLIN, read, 640)
    assert len(reads) == 2  # not before less than two frames wait
