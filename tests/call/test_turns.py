"""Nobody waits for one peer: its turn ends in time, whatever it sends, and nothing of it is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from audiosocket_cli.call.reader import TURN_S
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo, Silence, Source
from audiosocket_cli.codec import Kind
from audiosocket_cli.model import Call
from audiosocket_cli.runs import MAX_RUNS, FrameRun
from support.fakes import OPENING, FakeWire
from support.mixes import MIXES, frame

LOOK_S = 0.0001


class Looked:
    """A clock that says that some work was done each time that somebody looks at it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += LOOK_S
        return self.now_s


class Counting:
    """A tap, and a scheduler, that counts."""

    def __init__(self) -> None:
        self.frames_heard = self.batches = self.most_runs = self.largest = self.put_offs = 0

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        count = sum(len(run) for run in heard)
        self.frames_heard += count
        self.batches += 1
        self.most_runs = max(self.most_runs, len(heard), len(said))
        self.largest = max(self.largest, count)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        pass

    def defer_flush(self) -> None:
        self.put_offs += 1

    def released(self) -> None:
        pass

    def replan(self) -> None:
        """What is next to be done is seen at each step."""


class Ears(Echo):
    """An echo that counts."""

    heard = 0

    def answer(self, data: bytes, at_s: float) -> bytes | None:
        self.heard += 1
        return super().answer(data, at_s)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("source", [Silence, Echo], ids=["heard", "echoed"])
def test_a_turn_ends_in_time_and_all_is_heard(mix: str, source: Callable[[], Source]) -> None:
    count, clock, tap, wire = 3000, Looked(), Counting(), FakeWire()
    session = AnsweredSession(wire, "peer", source=source(), clock=clock)
    session.watch([tap])
    session.start(tap)
    wire.inbox += [OPENING, b"".join(map(MIXES[mix], range(count)))]
    turns = 0
    while wire.inbox or session.has_more:
        begun_s = clock.now_s
        if not session.readable() and not wire.inbox:
            break
        turns += 1
        assert clock.now_s - begun_s <= TURN_S + 12 * LOOK_S
        while tap.put_offs:  # as the driver does, in turns of their own
            tap.put_offs -= 1
            batches = tap.batches
            session.flush()
            assert tap.batches <= batches + 1
        assert turns < 10_000
    session.hang_up("test")
    session.flush()  # which it has asked for
    assert tap.frames_heard == count
    assert tap.most_runs <= MAX_RUNS
    assert tap.largest <= 16_384 // 3 + 512


def test_a_call_that_has_ended_waits_for_its_taps_without_being_woken() -> None:
    clock, tap, wire = Looked(), Counting(), FakeWire()
    session = AnsweredSession(wire, "peer", source=Echo(), clock=clock)
    session.watch([tap])
    session.start(tap)
    wire.inbox += [OPENING, frame(Kind.SLIN, b"\1\2") * 10, b""]
    while wire.inbox:
        session.readable()
    clock.now_s += 10.0  # others have their turns
    session.tick()
    assert not session.ended
    assert session.wake_s == math.inf
    session.flush()
    assert session.ended
    assert tap.frames_heard == 10


def test_a_source_that_listens_hears_a_few_frames_at_once() -> None:
    ears, tap, wire, clock = Ears(), Counting(), FakeWire(), Looked()
    session = AnsweredSession(wire, "peer", source=ears, clock=clock)
    session.watch([tap])
    session.start(tap)
    wire.inbox += [OPENING, frame(Kind.SLIN, b"\1\2") * 3000]
    session.readable()
    session.readable()
    assert 0 < ears.heard <= 16 * (TURN_S / LOOK_S + 1)
    assert session.has_more
    session.hang_up("test")
    session.flush()
    assert tap.frames_heard == 3000
