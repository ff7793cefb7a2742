"""How fast each turn was answered: pauses, echoes and interruptions."""

from __future__ import annotations

import pytest

from audiosocket_cli.audio.pcm import to_slin, tone
from audiosocket_cli.call.bots.turn_clock import MAX_TURNS, TurnClock
from audiosocket_cli.call.sources.basic import silence_frame
from audiosocket_cli.codec import Frame, Kind, encode

LOUD = encode(Frame(Kind.SLIN, to_slin(tone(400, 8000, 0.02))))
QUIET = encode(silence_frame(Kind.SLIN))


def talk(clock: TurnClock, said: str, heard: str, at_s: float = 0.0) -> float:
    """Let both sides speak, a character each 100 ms: `#` is speech, `.` is not. Returns the time after it."""
    for ours, theirs in zip(said, heard, strict=True):
        for _ in range(5):
            clock.say(0.01 if ours == "#" else 0.0, at_s)
            clock.hear(LOUD if theirs == "#" else QUIET, at_s + 0.001)
            at_s += 0.02
    return at_s


def test_an_answer_is_timed_from_our_last_word() -> None:
    clock = TurnClock()
    talk(clock, "###.........", ".......####.")
    assert clock.count == 1
    assert clock.last_s == pytest.approx(0.42, abs=0.021)


def test_each_turn_counts() -> None:
    clock = TurnClock()
    at_s = talk(clock, "##........", ".....###..")
    talk(clock, "##..........", ".......###..", at_s)
    assert clock.facts() == {"turns": 2, "answered_median_ms": pytest.approx(421, abs=25),
                             "answered_max_ms": pytest.approx(521, abs=25)}  # fmt: skip


def test_an_echo_is_no_answer() -> None:
    clock = TurnClock()
    talk(clock, "#.##.###.....", "#.##.###.....")
    assert clock.facts() == {"turns": 0, "answered_median_ms": None, "answered_max_ms": None}


def test_who_goes_on_after_a_short_pause_was_not_answered() -> None:
    clock = TurnClock()
    talk(clock, "##..####......", "...##.........")
    assert clock.count == 0


def test_without_speech_of_ours_there_is_no_turn() -> None:
    clock = TurnClock()
    talk(clock, ".......", ".####..")
    assert clock.last_s is None


def test_what_is_kept_is_bounded() -> None:
    clock, at_s = TurnClock(), 0.0
    for _ in range(MAX_TURNS + 5):
        clock.say(0.01, at_s)
        clock.hear(LOUD, at_s + 0.5)
        clock.hear(QUIET, at_s + 1.0)
        at_s += 2.0
    assert (clock.count, len(clock.answered_s)) == (MAX_TURNS + 5, MAX_TURNS)
