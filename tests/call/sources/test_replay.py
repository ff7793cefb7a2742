"""A capture that is said again: when, what is left out, and what comes of it."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.call.session import AnsweredSession, PlacedSession
from audiosocket_cli.call.sources.actions import Cue
from audiosocket_cli.call.sources.cue_times import ReplayOptions, Timing
from audiosocket_cli.call.sources.expecting import Expectation
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.call.sources.script import Script
from audiosocket_cli.codec import Frame, Kind, digit_frame
from audiosocket_cli.model import Side
from support.fakes import OPENING, FakeClock, FakeWire, KeepingTap, run_until
from support.replayed import HELLO, Scripted, audio, play


def times_of(heard: KeepingTap) -> list[tuple[float, Frame]]:
    return [(timed.at_s, timed.frame) for timed in heard.heard]


CUES = [Cue(0.0, audio(1)), Cue(0.021, audio(2)), Cue(0.04, digit_frame("5")), Cue(1.5, audio(3)), Cue(1.505, audio(4))]


@pytest.mark.parametrize(
    ("options", "expected_s"),
    [
        (ReplayOptions(), [0.0, 0.021, 0.04, 1.5, 1.505]),
        (ReplayOptions(speed=2), [0.0, 0.0105, 0.02, 0.75, 0.7525]),
        (ReplayOptions(Timing.MEDIA), [0.0, 0.02, 0.04, 0.04, 0.06]),
        (ReplayOptions(Timing.FAST), [0.0] * 5),
    ],
    ids=["recorded", "twice as fast", "media", "fast"],
)
def test_frames_are_said_when_they_are_due(options: ReplayOptions, expected_s: list[float]) -> None:
    source, heard, _ = play(CUES, options)
    assert [frame for _, frame in times_of(heard)] == [cue.frame for cue in CUES]
    assert [at_s for at_s, _ in times_of(heard)] == pytest.approx(expected_s, abs=0.0011)
    assert (source.said, source.finished, source.failures) == (5, True, [])


def test_fast_gives_the_other_side_a_turn_and_loses_nothing() -> None:
    cues = [Cue(number * 0.02, audio(number)) for number in range(2000)]
    _, heard, caller = play(cues, ReplayOptions(Timing.FAST))
    assert [frame for _, frame in times_of(heard)] == [cue.frame for cue in cues]
    assert caller.call is not None
    assert caller.call.duration_s < 0.2


def test_a_fast_replay_waits_for_a_server_that_does_not_read() -> None:
    clock, wire = FakeClock(), FakeWire()
    source = ReplaySource([Cue(0.0, audio(number)) for number in range(5)], ReplayOptions(Timing.FAST))
    caller = PlacedSession(wire, "server", source=source, clock=clock)
    wire.full = True
    caller.start()
    run_until(clock.now_s + 5.0, clock, caller)
    assert not caller.ended
    assert len(wire.sent) == 1  # the UUID, half of which waits
    wire.full = wire.blocked = False
    run_until(clock.now_s + 1.0, clock, caller)
    assert wire.frames[1:] == [audio(number) for number in range(5)]


def test_the_call_ends_when_it_ended() -> None:
    _, _, caller = play(CUES, end_s=3.0)
    assert caller.call is not None
    assert caller.call.duration_s == pytest.approx(3.0, abs=0.01)
    _, _, caller = play(CUES, ReplayOptions(speed=2), end_s=3.0)
    assert caller.call is not None
    assert caller.call.duration_s == pytest.approx(1.5, abs=0.01)


def test_a_server_that_hung_up_is_waited_for() -> None:
    _, _, caller = play(CUES, ReplayOptions(stay_s=5.0), other=Scripted(end=150))
    assert caller.call is not None
    assert caller.call.ending is not None
    assert caller.call.ending.by is Side.SERVER
    assert caller.call.duration_s == pytest.approx(3.0, abs=0.03)


def test_gaps_are_shortened_and_digits_keep_their_place() -> None:
    script = Script(list(CUES), end_s=9.0)
    script.shorten_gaps(0.5)
    assert [cue.at_s for cue in script.actions if isinstance(cue, Cue)] == pytest.approx(
        [0.0, 0.021, 0.04, 0.54, 0.545]
    )
    assert script.end_s == pytest.approx(1.045)


def test_towards_asterisk_pauses_are_silence_and_jitter_is_gone() -> None:
    jittery = [Cue(0.5 + number * 0.02 + (0.012 if number % 2 else 0.0), audio(number + 1)) for number in range(10)]
    clock, wire = FakeClock(), FakeWire()
    source = ReplaySource([*jittery, Cue(2.0, audio(99))], ReplayOptions(fill=True, stay_s=0.3))
    server = AnsweredSession(wire, "caller", source=source, clock=clock, admission=lambda call: server.admit())
    wire.inbox.append(OPENING)
    server.start()
    begun_s = clock.now_s
    sent: list[tuple[float, Frame]] = []
    original = wire.send

    def send(data: bytes) -> bool:
        sent.append((clock.now_s - begun_s, Frame(data[0], data[3:])))
        return original(data)

    wire.send = send  # type: ignore[method-assign]
    run_until(clock.now_s + 4.0, clock, server)
    times = [at_s for at_s, frame in sent if frame.kind == Kind.SLIN]
    assert np.diff(times) == pytest.approx(np.full(len(times) - 1, 0.02), abs=0.0021)
    said = {frame.payload[0]: at_s for at_s, frame in sent if frame.payload and frame.payload[0]}
    assert said[1] == pytest.approx(0.5, abs=0.021)
    assert said[10] - said[1] == pytest.approx(0.18, abs=0.003)
    assert said[99] == pytest.approx(2.0, abs=0.021)
    assert sent[-1][1] == Frame(Kind.HANGUP)


def test_what_was_not_reached_is_not_judged() -> None:
    actions = [*HELLO, Expectation("audio", 9, 2), Expectation("silence", 9, 3), Expectation("hangup", 9, 4)]
    source, _, _ = play(actions, other=Scripted(end=20))
    assert source.failures == [
        "line 2: expected audio within 9000 ms, which did not come",
        "the call ended before it reached lines 3, 4",
    ]


def test_a_call_that_ended_before_all_was_played_says_so() -> None:
    source, _, _ = play([Cue(number * 0.02, audio(number)) for number in range(100)], other=Scripted(end=50))
    assert len(source.failures) == 1
    assert source.failures[0].startswith("the call ended before everything was played (5")
