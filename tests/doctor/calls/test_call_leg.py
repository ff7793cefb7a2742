"""One connection of a test call: what is said in it, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from audiosocket_cli.audio.pcm import from_slin
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.basic import silence_frame
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.doctor.calls.call_leg import (
    LEAD_S,
    MAX_FRAMES,
    TAIL_S,
    CallLeg,
    LegSource,
    LegTap,
    Together,
    leg_taps,
)
from audiosocket_cli.model import Call, Ending, How, Side
from audiosocket_cli.runs import TimedRun

SLIN16 = 0x12
LEAD_FRAMES, TAIL_FRAMES = round(LEAD_S * 50), round(TAIL_S * 50)


def call_of(leg: CallLeg | None) -> Call:
    return Call(Side.SERVER, "127.0.0.1:4000", uuid4() if leg is None else leg.uuid, datetime.now(UTC), Pacer(0.0))


def opened(leg: CallLeg) -> LegSource:
    source = LegSource()
    (tap,) = leg_taps(source, {leg.uuid: leg}.get)
    tap.opened(call_of(leg))
    return source


def said_by(source: LegSource, most: int = 1000) -> list[Frame]:
    frames = []
    for _ in range(most):
        frame = source.next_frame(None)
        if frame is None:
            break
        frames.append(frame)
    return frames


@pytest.mark.parametrize(("kind", "size"), [(Kind.SLIN, 320), (SLIN16, 640), (0x15, 1764)])
def test_the_sound_comes_after_a_lead_and_is_followed_by_silence(kind: int, size: int) -> None:
    frames = said_by(opened(CallLeg(kind, seed=1)))
    assert len(frames) == LEAD_FRAMES + 100 + TAIL_FRAMES
    assert {(frame.kind, len(frame.payload)) for frame in frames} == {(kind, size)}
    is_sound = [frame is not silence_frame(kind) for frame in frames]
    assert is_sound == [False] * LEAD_FRAMES + [True] * 100 + [False] * TAIL_FRAMES
    assert from_slin(frames[LEAD_FRAMES].payload).any()


def test_two_legs_begin_once_both_are_there() -> None:
    both = Together()
    first, second = (CallLeg(Kind.SLIN, seed=seed, together=both) for seed in (1, 2))
    early = opened(first)
    assert all(early.next_frame(None) is silence_frame(Kind.SLIN) for _ in range(50))
    late = opened(second)
    assert len(said_by(early)) == len(said_by(late)) == LEAD_FRAMES + 100 + TAIL_FRAMES


def test_a_leg_whose_other_never_comes_ends_all_the_same() -> None:
    both = Together()
    first = CallLeg(Kind.SLIN, seed=1, together=both)
    CallLeg(Kind.SLIN, seed=2, together=both)
    assert len(said_by(opened(first))) == MAX_FRAMES


def test_a_leg_that_listens_stays_as_long_as_it_is_told() -> None:
    assert len(said_by(opened(CallLeg(SLIN16, stay_s=2.0)))) == 100
    assert len(said_by(opened(CallLeg(SLIN16)))) == MAX_FRAMES


def test_a_stranger_is_hung_up_on() -> None:
    source = LegSource()
    tap = LegTap(source, lambda uuid: None)
    tap.opened(call_of(None))
    tap.digit(0.1, "1")
    tap.frames([], [], 0.2)
    tap.closed(call_of(None))
    assert said_by(source) == []


def test_what_passes_and_how_it_ends_is_seen() -> None:
    leg = CallLeg(Kind.SLIN)
    source = LegSource()
    (tap,) = leg_taps(source, {leg.uuid: leg}.get)
    call = call_of(leg)
    tap.opened(call)
    assert leg.opened_s is not None
    assert not leg.is_over
    tap.frames([TimedRun([(1.0, 0.0, 1, encode(Frame(Kind.SLIN, bytes(320))))])], [], 1.1)
    for digit in "12" * 100:
        tap.digit(1.2, digit)
    call.ending, call.duration_s = Ending(Side.CALLER, How.CLOSED, "caller closed"), 1.5
    tap.closed(call)
    assert leg.heard.audio == {(Kind.SLIN, 320): 1}
    assert leg.heard.stream(Kind.SLIN).at_s.tolist() == [leg.opened_s + 1.0]
    assert leg.digits == list("12" * 50), "a bound"
    assert (leg.is_over, leg.duration_s) == (True, 1.5)
