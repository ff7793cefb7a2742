"""Session cores over a fake wire and a fake clock: what they say, when, and how it ends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.receiver import READ_S
from audiosocket_cli.call.session import AnsweredSession, PlacedSession, Session
from audiosocket_cli.call.sources.basic import Echo, Playback, PromptSource, Silence, Source, silence_frame
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.call.tap_queue import Scheduler
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode
from audiosocket_cli.model import Call, How, Side
from support.fakes import OPENING, UUID_1, FakeClock, FakeWire, KeepingTap, prompt_of, run_until, wire_pair

HANGUP = Frame(Kind.HANGUP)
START_S = 1000.0


def answered(
    *chunks: bytes,
    source: Source | None = None,
    limits: Limits | None = None,
    admission: Callable[[Call], None] | None = None,
    scheduler: Scheduler | None = None,
) -> tuple[AnsweredSession, FakeWire, FakeClock, KeepingTap]:
    """An answered session that has started and read these chunks."""
    wire, clock, tap = FakeWire(), FakeClock(START_S), KeepingTap()
    session = AnsweredSession(wire, "peer", source=source or Silence(), limits=limits, admission=admission, clock=clock)
    session.watch([tap])
    session.start(scheduler)
    wire.inbox.extend(chunks)
    run_until(clock.now_s, clock, session)
    return session, wire, clock, tap


def audio(number: int = 1, kind: int = Kind.SLIN, size: int = 320) -> Frame:
    return Frame(kind, bytes([number]) * size)


class Counting(Silence):
    """Says numbered frames."""

    def __init__(self) -> None:
        self.said = 0

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        self.said += 1
        return audio(self.said % 256)


class Watching:
    """A scheduler that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def defer_flush(self) -> None:
        self.told.append("deferred")

    def released(self) -> None:
        self.told.append("released")

    def replan(self) -> None:
        """What is next to be done is seen at each step."""


# Opening.


def test_we_speak_the_moment_the_uuid_arrives_and_every_20_ms_from_then_on() -> None:
    session, wire, clock, tap = answered(OPENING)
    assert wire.frames == [silence_frame(Kind.SLIN)]
    run_until(START_S + 1.0, clock, session)
    assert wire.frames == [silence_frame(Kind.SLIN)] * 51
    assert [timed.at_s for timed in tap.said] == pytest.approx([n * 0.02 for n in range(len(tap.said))])


def test_who_keeps_many_sessions_is_asked_to_let_the_taps_have_what_there_is() -> None:
    scheduler = Watching()
    session, _, clock, tap = answered(OPENING + encode(audio()), scheduler=scheduler)
    run_until(START_S + 1.0, clock, session)
    assert (scheduler.told, tap.heard) == (["deferred"], [])
    session.flush()
    assert len(tap.heard) == 1
    session.abort()
    session.flush()  # put off, and then the call ended
    assert (scheduler.told, len(tap.heard)) == (["deferred", "deferred", "released"], 1)


def test_nothing_is_said_before_the_uuid() -> None:
    session, wire, clock, _ = answered(OPENING[:18])
    run_until(START_S + 5, clock, session)
    assert wire.sent == []


def test_uuid_audio_and_a_digit_in_one_segment_are_all_heard() -> None:
    session, _, _, tap = answered(OPENING + encode(audio()) + encode(digit_frame("5")) + encode(audio(2)))
    session.hang_up("test")
    assert [timed.frame for timed in tap.heard] == [audio(), digit_frame("5"), audio(2)]
    assert tap.digits == [(0.0, "5")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 319, 323])
def test_the_split_of_the_stream_does_not_matter(size: int) -> None:
    stream = OPENING + encode(audio()) + encode(digit_frame("#")) + encode(audio(3, Kind.SLIN16, 640))
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    session, _, _, tap = answered(*chunks)
    session.hang_up("test")
    assert tap.call is not None
    assert tap.call.uuid == UUID_1
    assert [timed.frame for timed in tap.heard] == [audio(), digit_frame("#"), audio(3, Kind.SLIN16, 640)]


@pytest.mark.parametrize(
    ("received", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "'GET / HTTP/1.1'"),
        (b"\x9c\x01\x02\x03", "9c 01 02 03"),
        (b"\x01\x00\x0f" + bytes(15), "15 bytes, not 16"),
        (encode(audio()), "audio came before the UUID"),
        (encode(HANGUP), "00 00 00"),
    ],
    ids=["http", "random", "short-uuid", "audio-first", "hangup-first"],
)
def test_a_peer_of_another_kind_gets_a_hangup_and_one_line(received: bytes, says: str) -> None:
    session, wire, _, tap = answered(received)
    assert session.failure is not None
    assert says in session.failure
    assert "\n" not in session.failure
    assert wire.frames == [HANGUP]
    assert wire.ended_sending
    assert tap.call is None
    wire.inbox.append(b"")
    session.readable()
    assert session.ended


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        ([b""], "closed without a UUID (is an Answer() missing"),
        ([OPENING[:8], b""], "closed after 8 bytes"),
        ([ConnectionResetError(104, "reset")], "closed without a UUID"),
    ],
    ids=["nothing", "half-a-uuid", "reset"],
)
def test_a_connection_that_never_became_a_call_says_why(chunks: list[bytes], says: str) -> None:
    session, _, _, _ = answered(*chunks)
    assert session.ended
    assert session.failure is not None
    assert says in session.failure


def test_a_peer_that_says_nothing_is_dropped_after_the_uuid_timeout() -> None:
    session, wire, clock, _ = answered(limits=Limits(uuid_s=3))
    run_until(START_S + 2.9, clock, session)
    assert wire.sent == []
    run_until(START_S + 3, clock, session)
    assert wire.frames == [HANGUP]
    assert (
        session.failure
        == "no UUID within 3 s (is an Answer() missing in the dialplan before AudioSocket()?) [no-answer]"
    )


# Saying.


def test_a_prompt_is_said_whole_in_order_then_300_ms_later_comes_the_hangup() -> None:
    samples = tone(440, 8000, 0.5)
    prompt = prompt_of(lambda rate_hz: samples)
    session, wire, clock, _ = answered(
        OPENING + encode(audio()), source=PromptSource(prompt, times=1, post_roll_ms=300)
    )
    run_until(START_S + 5, clock, session)
    said = wire.frames
    assert said[-1] == HANGUP
    assert said[25:-1] == [silence_frame(Kind.SLIN)] * 15
    assert b"".join(frame.payload for frame in said[:25]) == samples.astype("<i2").tobytes()
    assert session.call is not None
    assert session.call.duration_s == pytest.approx(0.8)
    assert session.call.ending == (Side.SERVER, How.HANGUP, "end of audio")


def test_a_prompt_waits_100_ms_for_a_caller_that_is_not_heard() -> None:
    source = PromptSource(prompt_of(lambda rate_hz: tone(440, rate_hz, 0.1)))
    session, wire, clock, _ = answered(OPENING, source=source)
    run_until(START_S + 0.3, clock, session)
    assert [frame == silence_frame(Kind.SLIN) for frame in wire.frames[:6]] == [True] * 5 + [False]


def test_we_answer_in_the_kind_that_the_caller_speaks() -> None:
    session, wire, clock, _ = answered(OPENING)
    wire.inbox.append(encode(audio(1, Kind.SLIN48, 1920)))
    run_until(START_S + 0.02, clock, session)
    assert [frame.kind for frame in wire.frames] == [Kind.SLIN, Kind.SLIN48]
    assert len(wire.frames[1].payload) == 1920


def test_echo_returns_each_frame_at_once_and_silence_in_a_pause() -> None:
    session, wire, clock, _ = answered(OPENING, source=Echo())
    spoken = [audio(n) for n in range(1, 11)]
    for number, frame in enumerate(spoken):
        run_until(START_S + 0.02 * (number + 1) + 0.007, clock, session)
        wire.inbox.append(encode(frame))
        run_until(clock.now_s, clock, session)
        assert wire.frames[-1] == frame
    returned = [frame for frame in wire.frames if frame in spoken]
    assert returned == spoken
    assert wire.frames[-10:] == spoken  # no silence in between
    before = len(wire.frames)
    run_until(clock.now_s + 1.0, clock, session)
    assert wire.frames[before:] == [silence_frame(Kind.SLIN)] * 48  # from 60 ms on


@pytest.mark.parametrize(
    "frame", [Frame(Kind.SLIN, b""), digit_frame("1"), Frame(0x77, b"x")], ids=["empty", "digit", "unknown"]
)
def test_echo_never_returns_what_ends_a_call_in_asterisk(frame: Frame) -> None:
    session, wire, clock, _ = answered(OPENING + encode(frame), source=Echo())
    run_until(START_S + 0.5, clock, session)
    assert set(wire.frames) == {silence_frame(Kind.SLIN)}


def test_a_peer_that_does_not_read_delays_what_we_say_and_loses_none_of_it() -> None:
    session, wire, clock, _ = answered(OPENING, source=Counting())
    run_until(START_S + 0.1, clock, session)
    wire.blocked = True
    run_until(START_S + 2.1, clock, session)
    wire.blocked = False
    run_until(START_S + 3.0, clock, session)
    assert [frame.payload[0] for frame in wire.frames] == list(range(1, len(wire.frames) + 1))
    assert session.pacer.held == 100


def test_a_frame_that_does_not_go_out_at_once_is_kept_whole() -> None:
    session, wire, clock, _ = answered(OPENING, source=Counting())
    wire.full = True
    run_until(START_S + 0.1, clock, session)
    wire.full = wire.blocked = False
    run_until(START_S + 0.2, clock, session)
    assert [frame.payload[0] for frame in wire.frames] == list(range(1, len(wire.frames) + 1))


def test_an_echo_that_the_peer_does_not_read_is_lost_and_counted() -> None:
    session, wire, clock, _ = answered(OPENING, source=Echo())
    wire.blocked = True
    wire.inbox.extend(encode(audio(n)) for n in range(5))
    run_until(clock.now_s, clock, session)
    assert session.pacer.held == 5


def test_reading_goes_on_while_the_peer_does_not_read() -> None:
    session, wire, clock, tap = answered(OPENING)
    wire.blocked = True
    for n in range(200):
        wire.inbox.append(encode(audio(n)))
        run_until(clock.now_s + 0.02, clock, session)
    run_until(clock.now_s + READ_S, clock, session)
    session.hang_up("test")
    assert len(tap.heard) == 200


# Ending.


def test_a_caller_that_closes_ends_the_call_and_gets_no_hangup() -> None:
    session, wire, _, tap = answered(OPENING, encode(audio()), b"")
    assert session.ended
    assert HANGUP not in wire.frames
    assert session.call is not None
    assert session.call.ending == (Side.CALLER, How.CLOSED, "caller closed")
    assert tap.closed_times == 1


def test_a_reset_is_a_normal_end_and_what_came_before_it_is_kept() -> None:
    session, _, _, tap = answered(OPENING, encode(audio(1)) + encode(audio(2)), ConnectionResetError(104, "reset"))
    assert session.call is not None
    assert session.call.ending == (Side.CALLER, How.RESET, "caller reset the connection")
    assert [timed.frame for timed in tap.heard] == [audio(1), audio(2)]
    assert session.call.notes == []


def test_a_hangup_frame_from_the_caller_ends_the_call() -> None:
    session, wire, _, _ = answered(OPENING + encode(HANGUP))
    assert session.call is not None
    assert session.call.ending == (Side.CALLER, How.HANGUP, "caller hung up")
    assert wire.ended_sending


def test_a_call_cut_in_mid_frame_says_so() -> None:
    session, _, _, _ = answered(OPENING, encode(audio())[:100], b"")
    assert session.call is not None
    assert session.call.ending is not None
    assert session.call.ending.reason == "caller closed, in mid-frame"
    assert session.call.notes == [
        "the last frame is cut: ended inside the frame at byte 19: 100 of 323 bytes [frame-cut]"
    ]


def test_hanging_up_is_hangup_half_close_read_to_the_end_close() -> None:
    session, wire, clock, tap = answered(OPENING)
    session.hang_up("enough")
    assert wire.frames[-1] == HANGUP
    assert (wire.ended_sending, wire.closed, session.ended) == (True, False, False)
    wire.inbox.extend([encode(audio()), b""])
    run_until(clock.now_s, clock, session)
    assert (wire.closed, session.ended) == (True, True)
    assert tap.closed_times == 1


def test_a_peer_that_never_closes_is_left_after_two_seconds() -> None:
    session, wire, clock, _ = answered(OPENING)
    session.hang_up("enough")
    run_until(START_S + 1.9, clock, session)
    assert not session.ended
    run_until(START_S + 2.0, clock, session)
    assert (wire.closed, session.ended) == (True, True)


def test_what_still_gets_through_to_the_peer_is_waited_for() -> None:
    session, wire, clock, _ = answered(OPENING)
    wire.undelivered = 50_000
    session.hang_up("enough")
    for step in range(8):
        wire.undelivered -= 5_000
        run_until(START_S + 2.0 * (step + 1), clock, session)
        assert not session.ended
    wire.undelivered = 0
    run_until(START_S + 18.0, clock, session)
    assert session.ended
    assert session.call is not None
    assert (session.call.backlog_bytes, session.call.undelivered_bytes) == (50_000, 0)


@pytest.mark.parametrize(("step", "ends_s"), [(0, 6.0), (1, 30.0)], ids=["stuck", "endless"])
def test_what_does_not_get_through_to_the_peer_is_given_up_and_counted(step: int, ends_s: float) -> None:
    session, wire, clock, _ = answered(OPENING)
    wire.undelivered = 1000
    session.hang_up("enough")
    while clock.now_s < START_S + ends_s - 0.1:
        wire.undelivered -= step
        assert not session.ended
        run_until(clock.now_s + 0.1, clock, session)
    run_until(START_S + ends_s, clock, session)
    assert session.ended
    assert session.call is not None
    assert session.call.undelivered_bytes == wire.undelivered


def test_hanging_up_and_aborting_twice_is_fine() -> None:
    session, wire, _, tap = answered(OPENING)
    session.hang_up("first")
    session.hang_up("second")
    session.abort()
    session.abort()
    assert wire.frames.count(HANGUP) == 1
    assert tap.closed_times == 1
    assert session.call is not None
    assert session.call.ending is not None
    assert session.call.ending.reason == "first"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(idle_s=2), "nothing heard for 2 s"), (Limits(duration_s=2), "longer than 2 s")],
    ids=["idle", "duration"],
)
def test_limits_end_a_call_in_time(limits: Limits, reason: str) -> None:
    session, wire, clock, _ = answered(OPENING, limits=limits)
    run_until(START_S + 1.99, clock, session)
    assert HANGUP not in wire.frames
    run_until(START_S + 2.01, clock, session)
    assert wire.frames[-1] == HANGUP
    assert session.call is not None
    assert session.call.ending == (Side.SERVER, How.HANGUP, reason)


def test_audio_keeps_a_call_from_idling() -> None:
    session, wire, clock, _ = answered(OPENING, limits=Limits(idle_s=2))
    for _ in range(10):
        wire.inbox.append(encode(audio()))
        run_until(clock.now_s + 1.5, clock, session)
    assert session.call is not None
    assert session.call.ending is None


def test_odd_frames_are_named_once_and_do_not_end_the_call() -> None:
    odd: Sequence[Frame] = [
        Frame(0x77, b"?"), Frame(0x77, b"?"), Frame(Kind.DTMF, b"Z"), Frame(Kind.ERROR, b"\x04"),
        Frame(Kind.SLIN, b""), Frame(Kind.UUID, bytes(16)), audio(), audio(1, Kind.SLIN16, 640),
    ]  # fmt: skip
    session, _, _, _ = answered(OPENING + b"".join(map(encode, odd)))
    assert session.call is not None
    assert session.call.ending is None
    assert session.call.notes == [
        "ignored frames of unknown kind 0x77 [caller-sends-unknown-kind]",
        "ignored a DTMF frame: payload 5a is not a DTMF digit [bad-digit]",
        "caller reported an error: out of memory [caller-error]",
        "ignored an audio frame of length 0 [caller-sends-empty-audio]",
        "ignored a second UUID frame [second-uuid]",
        "the caller's kind changed from slin to slin16 [kind-changed]",
    ]


# Admission.


def keep_waiting(call: Call) -> None:
    """An admission that decides nothing yet."""


def test_who_waits_waiting_for_admission_hears_paced_silence_and_no_tap_is_told() -> None:
    session, wire, clock, tap = answered(OPENING, source=Counting(), admission=keep_waiting)
    run_until(START_S + 1.0, clock, session)
    assert wire.frames == [silence_frame(Kind.SLIN)] * 51
    assert (tap.call, tap.said, session.begun) == (None, [], False)
    session.admit()
    run_until(START_S + 1.1, clock, session)
    assert wire.frames[51:] == [audio(n) for n in range(1, 6)]
    assert session.pacer.late == 0


def test_what_was_said_before_admission_keeps_its_time_digits_too() -> None:
    session, wire, clock, tap = answered(OPENING + encode(audio(1)), admission=keep_waiting)
    for at_s, frame in [(0.1, audio(2)), (0.25, digit_frame("5")), (0.3, audio(3))]:
        run_until(START_S + at_s, clock, session)
        wire.inbox.append(encode(frame))
    run_until(START_S + 0.5, clock, session)
    session.admit()
    wire.inbox.append(encode(audio(4)))
    run_until(START_S + 0.6, clock, session)
    session.hang_up("test")
    assert [(round(timed.at_s, 3), timed.frame) for timed in tap.heard] == [
        (0.0, audio(1)), (0.1, audio(2)), (0.25, digit_frame("5")), (0.3, audio(3)), (0.5, audio(4)),
    ]  # fmt: skip
    assert [(round(at_s, 3), digit) for at_s, digit in tap.digits] == [(0.25, "5")]
    assert [timed.at_s for timed in tap.said] == pytest.approx([n * 0.02 for n in range(len(wire.frames) - 1)])
    assert session.call is not None
    assert session.call.duration_s == pytest.approx(0.6)


def test_an_admission_at_once_changes_nothing() -> None:
    def outcome(*, with_admission: bool) -> tuple[object, ...]:
        wire, clock, tap = FakeWire(), FakeClock(START_S), KeepingTap()
        session = AnsweredSession(
            wire, "peer", source=Echo(), clock=clock,
            admission=(lambda call: session.admit()) if with_admission else None,
        )  # fmt: skip
        session.watch([tap])
        session.start()
        wire.inbox.extend([OPENING + encode(audio()) + encode(digit_frame("5")), encode(audio(2))])
        run_until(START_S + 0.5, clock, session)
        session.hang_up("test")
        return wire.sent, tap.heard, tap.said, tap.digits, session.pacer.taken

    assert outcome(with_admission=True) == outcome(with_admission=False)


@pytest.mark.parametrize("waited", [0, 25], ids=["at-once", "later"])
def test_who_is_turned_away_gets_a_hangup_and_was_no_call(waited: int) -> None:
    session, wire, clock, tap = answered(OPENING + encode(audio()), admission=keep_waiting)
    before = len(wire.frames)
    run_until(START_S + 0.02 * waited, clock, session)
    session.hang_up("not on the list")
    session.admit()
    assert wire.frames == [silence_frame(Kind.SLIN)] * (before + waited) + [HANGUP]
    assert wire.ended_sending
    assert (session.failure, session.begun, tap.call, tap.closed_times) == ("not on the list", False, None, 0)
    wire.inbox.extend([encode(audio()), b""])
    run_until(clock.now_s, clock, session)
    assert session.ended


def test_who_is_turned_away_within_the_uuids_own_segment_hears_nothing_else() -> None:
    wire, clock, tap = FakeWire(), FakeClock(START_S), KeepingTap()
    session = AnsweredSession(wire, "peer", source=Silence(), admission=lambda call: session.hang_up("no"), clock=clock)
    session.watch([tap])
    session.start()
    wire.inbox.append(OPENING + encode(audio()) * 3)
    run_until(START_S + 0.5, clock, session)
    assert wire.frames == [HANGUP]
    assert tap.call is None


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (b"", "caller closed, before it was let in"),
        (ConnectionResetError(104, "reset"), "caller reset the connection, before it was let in"),
        (encode(HANGUP), "caller hung up, before it was let in"),
    ],
    ids=["closed", "reset", "hangup"],
)
def test_a_caller_that_goes_while_it_waits_was_no_call(chunk: bytes | OSError, says: str) -> None:
    session, wire, clock, tap = answered(OPENING + encode(audio()), admission=keep_waiting)
    run_until(START_S + 0.5, clock, session)
    wire.inbox.append(chunk)
    run_until(clock.now_s, clock, session)
    session.admit()
    run_until(START_S + 3, clock, session)
    assert (session.ended, session.failure, session.begun) == (True, says, False)
    assert (tap.call, tap.heard, tap.closed_times) == (None, [], 0)


@pytest.mark.parametrize(
    "frame",
    [Frame(Kind.SLIN192, bytes(65534)), Frame(Kind.SLIN, b""), Frame(0x77, b"x")],
    ids=["huge-frames", "empty-frames", "unknown-frames"],
)
def test_a_flood_waiting_for_admission_is_hung_up_on(frame: Frame) -> None:
    session, wire, clock, _ = answered(OPENING, admission=keep_waiting)
    flood, chunks = encode(frame) * max(1, 65536 // len(encode(frame))), 0
    while not session.failure and chunks < 300:
        chunks += 1
        wire.inbox.append(flood)
        run_until(clock.now_s, clock, session)
    assert session.failure == "sent too much before it was let in"
    assert wire.frames[-1] == HANGUP
    assert chunks < 300


def test_minutes_of_audio_waiting_for_admission_are_no_flood() -> None:
    session, wire, clock, tap = answered(OPENING, admission=keep_waiting)
    for number in range(9 * 60 * 50):
        wire.inbox.append(encode(audio(number % 256)))
        session.readable()
        clock.now_s += 0.02
    session.admit()
    session.hang_up("test")
    assert [timed.frame.payload[0] for timed in tap.heard] == [number % 256 for number in range(9 * 60 * 50)]
    assert tap.heard[-1].at_s == pytest.approx(9 * 60 - 0.02)


def test_the_silence_waiting_for_admission_is_of_the_callers_kind() -> None:
    session, wire, clock, _ = answered(OPENING, admission=keep_waiting)
    wire.inbox.append(encode(audio(1, Kind.SLIN16, 640)))
    run_until(START_S + 0.1, clock, session)
    assert [frame.kind for frame in wire.frames] == [Kind.SLIN] * (len(wire.frames) - 5) + [Kind.SLIN16] * 5
    session.admit()
    run_until(clock.now_s + 0.02, clock, session)
    assert wire.frames[-1].kind == Kind.SLIN16
    assert session.call is not None
    assert session.call.notes == []


def test_a_change_of_kind_waiting_for_admission_is_found_as_it_happened() -> None:
    session, _, _, _ = answered(OPENING + encode(audio()) + encode(audio(1, Kind.SLIN16, 640)), admission=keep_waiting)
    session.admit()
    assert session.call is not None
    assert session.call.notes == ["the caller's kind changed from slin to slin16 [kind-changed]"]


def test_an_echo_does_not_return_in_one_burst_what_was_said_before_admission() -> None:
    session, wire, clock, tap = answered(OPENING, source=Echo(), admission=keep_waiting)
    for number in range(1, 11):
        wire.inbox.append(encode(audio(number)))
        run_until(START_S + 0.02 * number, clock, session)
    before = len(wire.frames)
    session.admit()
    assert len(wire.frames) == before
    wire.inbox.append(encode(audio(99)))
    run_until(clock.now_s, clock, session)
    assert wire.frames[before:] == [audio(99)]
    session.hang_up("test")
    assert [timed.frame.payload[0] for timed in tap.heard] == [*range(1, 11), 99]


def test_a_stall_of_ours_waiting_for_admission_is_held_against_nobody() -> None:
    session, wire, clock, tap = answered(OPENING, admission=keep_waiting)
    clock.now_s += 0.3
    wire.inbox.append(encode(audio()) * 15)
    session.tick()
    session.admit()
    session.hang_up("test")
    assert [timed.held_s for timed in tap.heard] == pytest.approx([0.28] * 15)


def test_who_waits_and_does_not_read_holds_up_nothing() -> None:
    session, wire, clock, _ = answered(OPENING, admission=keep_waiting)
    wire.blocked = True
    run_until(START_S + 1.0, clock, session)
    assert session.pacer.held == 50
    session.hang_up("no")
    run_until(START_S + 3.0, clock, session)
    assert session.ended


def test_the_time_waiting_for_admission_counts_towards_the_longest_duration() -> None:
    session, wire, clock, _ = answered(OPENING, limits=Limits(duration_s=2), admission=keep_waiting)
    run_until(START_S + 1.5, clock, session)
    session.admit()
    run_until(START_S + 2.0, clock, session)
    assert wire.frames[-1] == HANGUP
    assert session.call is not None
    assert session.call.ending == (Side.SERVER, How.HANGUP, "longer than 2 s")


def test_aborting_waiting_for_admission_twice_is_fine() -> None:
    session, wire, _, tap = answered(OPENING, admission=keep_waiting)
    session.abort()
    session.abort()
    session.admit()
    assert (session.ended, wire.closed, session.failure) == (True, True, "stopped at once")
    assert wire.frames.count(HANGUP) == 1
    assert tap.call is None


# Standing in for Asterisk, and both cores together.


def call_between(
    source: Source, server_source: Source, seconds: float
) -> tuple[Session, Session, KeepingTap, KeepingTap]:
    clock = FakeClock(START_S)
    near, far = wire_pair()
    caller_tap, server_tap = KeepingTap(), KeepingTap()
    caller = PlacedSession(near, "server", source=source, uuid=UUID_1, clock=clock)
    caller.watch([caller_tap])
    server = AnsweredSession(far, "caller", source=server_source, clock=clock)
    server.watch([server_tap])
    server.start()
    caller.start()
    run_until(START_S + seconds, clock, caller, server)
    return caller, server, caller_tap, server_tap


def test_a_placed_call_says_its_uuid_its_audio_exactly_and_closes() -> None:
    samples = np.arange(1, 8001, dtype=np.int16)[:7990]
    caller, server, _, server_tap = call_between(Playback(prompt_of(lambda rate_hz: samples), Kind.SLIN), Silence(), 3)
    assert (caller.ended, server.ended) == (True, True)
    assert server.call is not None
    assert server.call.uuid == UUID_1
    assert server.call.ending == (Side.CALLER, How.CLOSED, "caller closed")
    assert server.call.duration_s == pytest.approx(1.0)
    assert b"".join(timed.frame.payload for timed in server_tap.heard) == samples.tobytes()


def test_a_placed_call_hears_the_prompt_and_the_hangup() -> None:
    prompt = prompt_of(lambda rate_hz: tone(440, rate_hz, 0.3))
    wait = Playback(prompt_of(lambda rate_hz: np.ones(160, np.int16)), Kind.SLIN, wait_s=None)
    caller, server, caller_tap, _ = call_between(wait, PromptSource(prompt, post_roll_ms=300), 5)
    assert caller.call is not None
    assert caller.call.ending == (Side.SERVER, How.HANGUP, "server hung up")
    heard = b"".join(timed.frame.payload for timed in caller_tap.heard)
    assert tone(440, 8000, 0.3).tobytes() in heard
    assert server.ended


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (digit_frame("1"), "kind dtmf: only audio and hangup are allowed (send in-band tones instead)"),
        (Frame(Kind.ERROR), "kind error"),
        (Frame(Kind.UUID, bytes(16)), "kind uuid"),
        (Frame(0x42), "kind 0x42"),
        (Frame(Kind.SLIN), "length 0"),
    ],
    ids=["digit", "error", "uuid", "unknown", "empty"],
)
def test_a_placed_call_ends_where_asterisk_would_end_it(frame: Frame, says: str) -> None:
    wire, clock = FakeWire(), FakeClock(START_S)
    caller = PlacedSession(wire, "server", source=Silence(), uuid=UUID_1, clock=clock)
    caller.start()
    assert wire.sent == [OPENING]
    wire.inbox.append(encode(frame))
    run_until(START_S + 0.1, clock, caller)
    assert caller.call is not None
    assert caller.call.ending is not None
    assert (caller.call.ending.by, caller.call.ending.how) == (Side.SERVER, How.FAULT)
    assert says in caller.call.ending.reason
    assert wire.ended_sending


def test_a_server_that_stops_within_a_frame_has_a_second_to_go_on() -> None:
    wire, clock = FakeWire(), FakeClock(START_S)
    caller = PlacedSession(wire, "server", source=Silence(), uuid=UUID_1, clock=clock)
    caller.start()
    run_until(START_S + 0.105, clock, caller)
    wire.inbox.append(encode(audio())[:100])
    run_until(START_S + 1.1, clock, caller)
    assert caller.call is not None
    assert caller.call.ending is None
    run_until(START_S + 1.106, clock, caller)
    assert caller.call.ending == (
        Side.SERVER, How.FAULT, "server did not finish a frame; Asterisk ends the call here"
    )  # fmt: skip


def test_a_session_asks_to_be_woken_for_each_thing_that_is_due() -> None:
    session, _, _, _ = answered(limits=Limits(uuid_s=7))
    assert session.wake_s == START_S + 7
    session, _, _, _ = answered(OPENING)
    assert session.wake_s == pytest.approx(START_S + 0.02)
    session.hang_up("x")
    assert session.wake_s == START_S + 2
    session.abort()
    assert session.wake_s == math.inf


# Reading in bulk: where nobody has to hear each frame at once.


def listening(source: Source | None = None) -> tuple[AnsweredSession, FakeWire, FakeClock, KeepingTap]:
    """A call that only listens, with 0.2 s of audio heard."""
    session, wire, clock, tap = answered(OPENING, source=source or Silence(sparse=True))
    receive = wire.receive

    def receive_all() -> bytes | None:
        waiting = b"".join(data for data in wire.inbox if isinstance(data, bytes))
        if not waiting:
            return receive()
        wire.inbox = deque(data for data in wire.inbox if not data)
        wire.drained = True
        return waiting

    wire.receive = receive_all  # type: ignore[method-assign]
    flow(session, wire, clock, 10)
    return session, wire, clock, tap


def flow(session: AnsweredSession, wire: FakeWire, clock: FakeClock, frames: int) -> None:
    """Let a frame arrive each 20 ms."""
    for _ in range(frames):
        run_until(clock.now_s + 0.02, clock, session)
        wire.inbox.append(encode(audio()))


def counted_reads(wire: FakeWire) -> Callable[[], int]:
    """Count the reads that find something from now on."""
    reads = 0
    receive = wire.receive

    def counted() -> bytes | None:
        nonlocal reads
        data = receive()
        reads += bool(data)
        return data

    wire.receive = counted  # type: ignore[method-assign]
    return lambda: reads


def test_a_call_that_only_listens_is_read_ten_then_five_times_a_second_and_loses_nothing() -> None:
    session, wire, clock, tap = listening()
    assert not session.wants_readable
    reads = counted_reads(wire)
    flow(session, wire, clock, 500)
    run_until(clock.now_s + 0.2, clock, session)
    assert reads() == pytest.approx(20 + 40, abs=2)
    session.hang_up("test")
    assert len(tap.heard) == 510
    assert session.call is not None
    assert session.call.in_bulk


def test_after_a_pause_inside_a_read_it_is_read_ten_times_a_second_for_two_seconds() -> None:
    session, wire, clock, tap = listening()
    flow(session, wire, clock, 200)
    run_until(clock.now_s + 0.1, clock, session)  # nothing comes meanwhile
    reads = counted_reads(wire)
    flow(session, wire, clock, 200)
    run_until(clock.now_s + 0.2, clock, session)
    assert reads() == pytest.approx(20 + 10, abs=2)
    session.hang_up("test")
    assert len(tap.heard) == 410


def test_audio_of_which_a_fifth_of_a_second_fills_more_than_a_read_is_read_ten_times_a_second() -> None:
    session, wire, clock, tap = listening()
    data = encode(Frame(Kind.SLIN48, bytes(1920)))
    for _ in range(210):
        run_until(clock.now_s + 0.02, clock, session)
        wire.inbox.append(data)
    reads = counted_reads(wire)
    for _ in range(200):
        run_until(clock.now_s + 0.02, clock, session)
        wire.inbox.append(data)
    run_until(clock.now_s + 0.2, clock, session)
    assert reads() == pytest.approx(40, abs=2)
    session.hang_up("test")
    assert len(tap.heard) == 420


@pytest.mark.parametrize("after_ms", [1, 5, 10, 15, 19])
def test_a_caller_is_read_in_bulk_wherever_its_frames_come_between_ours(after_ms: int) -> None:
    session, wire, clock, tap = answered(OPENING, source=Silence())
    run_until(START_S + after_ms / 1000, clock, session)
    at_once = 0
    for number in range(500):
        wire.inbox.append(encode(audio()))
        at_once += session.wants_readable
        run_until(START_S + after_ms / 1000 + 0.02 * number, clock, session)
    assert at_once == 2  # one to know its header, one that is like it
    assert len(wire.sent) == pytest.approx(500, abs=2)
    run_until(clock.now_s + READ_S, clock, session)
    session.hang_up("test")
    assert len(tap.heard) == 500


@pytest.mark.parametrize("frames", range(1, 6))
@pytest.mark.parametrize("last", [audio(), audio(size=14), digit_frame("5")], ids=["like", "another length", "digit"])
def test_what_has_arrived_when_a_call_is_hung_up_is_heard(frames: int, last: Frame) -> None:
    session, wire, clock, tap = listening()
    flow(session, wire, clock, frames)
    wire.inbox.append(encode(last))
    session.hang_up("test")
    assert len(tap.heard) == 10 + frames + 1
    assert session.call is not None
    assert session.call.ending == (Side.SERVER, How.HANGUP, "test")


def test_a_caller_who_has_gone_before_the_call_is_hung_up_has_ended_it() -> None:
    session, wire, clock, tap = listening()
    flow(session, wire, clock, 2)
    wire.inbox.append(encode(Frame(Kind.HANGUP)))
    session.hang_up("test")
    assert len(tap.heard) == 13
    assert session.call is not None
    assert session.call.ending == (Side.CALLER, How.HANGUP, "caller hung up")


def test_silence_goes_out_every_half_second_where_it_may_be_sparse() -> None:
    session, wire, clock, _ = listening()
    before = len(wire.sent)
    flow(session, wire, clock, 500)
    assert len(wire.sent) - before == pytest.approx(20, abs=1)
    assert session.pacer.late == 0


def test_the_first_frame_after_a_pause_is_heard_at_once() -> None:
    session, wire, clock, tap = listening()
    run_until(clock.now_s + 0.5, clock, session)
    assert session.wants_readable
    resumed_s = clock.now_s + 0.033
    run_until(resumed_s, clock, session)
    wire.inbox.append(encode(audio(7)))
    run_until(clock.now_s, clock, session)
    flow(session, wire, clock, 3)
    session.hang_up("test")
    heard = next(timed.at_s for timed in tap.heard if timed.frame == audio(7))
    assert heard == pytest.approx(resumed_s - START_S)


def test_audio_before_a_pause_is_taken_to_have_followed_on() -> None:
    session, _, clock, tap = listening()
    ended_s = clock.now_s
    run_until(clock.now_s + 1, clock, session)
    session.hang_up("test")
    assert tap.heard[-1].at_s == pytest.approx(ended_s - START_S, abs=0.02)


@pytest.mark.parametrize("after", range(0, 10, 3))
def test_a_digit_in_the_midst_of_audio_is_heard_within_150_ms_and_has_its_own_time(after: int) -> None:
    session, wire, clock, tap = listening()
    flow(session, wire, clock, after)
    pressed_s = clock.now_s
    wire.inbox.append(encode(digit_frame("5")))
    flow(session, wire, clock, 7)
    assert [digit for _, digit in tap.digits] == ["5"]
    assert tap.digits[0][0] == pytest.approx(pressed_s - START_S, abs=0.021)


@pytest.mark.parametrize("source", [Echo(), PromptSource(Prompt.of_tone(440), times=0)], ids=["echo", "prompt"])
def test_who_listens_hears_each_frame_when_it_arrives(source: Source) -> None:
    session, *_ = listening(source)
    assert session.wants_readable == source.listens


def test_the_end_of_a_call_that_is_read_in_bulk_is_told_at_once() -> None:
    session, wire, clock, _ = listening()
    wire.inbox.append(b"")
    run_until(clock.now_s, clock, session)
    assert session.ended
    assert session.call is not None
    assert session.call.ending == (Side.CALLER, How.CLOSED, "caller closed")


class Late(Source):
    """Has its second frame only when it is asked for the fourth time."""

    says_bytes = True

    def __init__(self) -> None:
        self._asked = 0

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        raise AssertionError("it says bytes")

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        self._asked += 1
        return b"" if self._asked in (2, 3) else encode(Frame(Kind.SLIN, bytes(320)))


def test_a_source_that_has_nothing_yet_is_asked_again_soon_and_its_schedule_moves() -> None:
    wire, clock = FakeWire(), FakeClock()
    tap = KeepingTap()
    session = AnsweredSession(wire, "peer", source=Late(), clock=clock)
    session.watch([tap])
    session.start()
    wire.inbox.append(OPENING)
    run_until(clock.now_s + 0.1, clock, session)
    session.flush()
    assert [timed.at_s for timed in tap.said] == pytest.approx([0.0, 0.028, 0.048, 0.068, 0.088])
    assert session.pacer.postponed_s == pytest.approx(0.008)
