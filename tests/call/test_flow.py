"""The shortest path of a frame: what it leaves behind is what the long one leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from audiosocket_cli.call.flow import Flow
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo, Source
from audiosocket_cli.call.taps.tap import RELAXED_FLUSH_S
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun
from support.fakes import OPENING, FakeClock, FakeWire


def frame(number: int, kind: int = Kind.SLIN) -> bytes:
    return encode(Frame(kind, number.to_bytes(2, "little") * (160 if kind == Kind.SLIN else 320)))


class Kept:
    """A tap that keeps all that it is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.said: list[Any] = []
        self.digits: list[tuple[float, str]] = []
        self.ended: Call | None = None

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        for kept, runs in ((self.heard, heard), (self.said, said)):
            kept += [chunk for run in runs for chunk in run.chunks]  # type: ignore[union-attr]

    def digit(self, at_s: float, digit: str) -> None:
        self.digits.append((at_s, digit))

    def closed(self, call: Call) -> None:
        self.ended = call


class Hearing(Source):
    """A bot that hears each frame, and says how many bytes it has heard."""

    listens = hears_together = says_bytes = True

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, float]] = []
        self._bytes = 0

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self.heard.append((data, at_s))
        self._bytes += len(data)
        return None

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return Frame(heard_kind or Kind.SLIN, self._bytes.to_bytes(4, "little") * 80)


class Caller:
    """A call of an echo server, or of another source, driven with the shortest path or without."""

    def __init__(self, *, takes_flow: bool, source: Source | None = None, limits: Limits | None = None) -> None:
        self.clock, self.wire, self.tap = FakeClock(), FakeWire(), Kept()
        self.wire.drained = True
        self.session = AnsweredSession(self.wire, "peer", source=source or Echo(), limits=limits, clock=self.clock)
        self.session.watch([self.tap])
        self.session.start()
        self.takes_flow = takes_flow
        self.short = 0
        self.hear(OPENING)

    def hear(self, data: bytes) -> None:
        if self.takes_flow and not self.wire.blocked and self.session.flow.take(data, self.clock.now_s):
            if self.session.flow.echoes:
                self.wire.send(data)
            else:
                self.session.flow.pass_on(data)
            self.short += 1
            return
        self.wire.inbox.append(data)
        while self.session.readable():
            pass

    def wait(self, seconds: float) -> None:
        until_s = self.clock.now_s + seconds
        while self.session.wake_s <= until_s and not self.session.ended:
            self.clock.now_s = max(self.clock.now_s, self.session.wake_s)
            self.session.tick()
        self.clock.now_s = until_s

    def end(self) -> None:
        self.wire.inbox += [b""]
        self.session.readable()
        self.session.flush()


def script(seed: int) -> list[tuple[float, list[bytes]]]:
    """Return what arrives, and after how many seconds: mostly a frame after 20 ms."""
    chance, arrivals = random.Random(seed), []
    kind = Kind.SLIN
    for number in range(300):
        data = [frame(number, kind)]
        match chance.randrange(25):
            case 0:
                data = [frame(number, kind) * 2]
            case 1:
                data = [data[0][:100], data[0][100:]]
            case 2:
                data.append(encode(Frame(Kind.DTMF, b"5")))
            case 3:
                kind = Kind.SLIN16 if kind == Kind.SLIN else Kind.SLIN
            case 4:
                data.append(encode(Frame(0x55, b"?" * len(data[0][3:]))))
        arrivals.append((chance.choice([0.0, 0.019, 0.02, 0.02, 0.021, 0.02, 0.3 if number % 40 == 0 else 0.02]), data))
    return arrivals


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_leave_the_same_behind(seed: int) -> None:
    calls = [Caller(takes_flow=takes_flow) for takes_flow in (False, True)]
    for wait_s, pieces in script(seed):
        for call in calls:
            call.wait(wait_s)
            call.wire.full = pieces[0][3] % 50 == 7  # now and then the peer does not read
            for data in pieces:
                call.hear(data)
            call.session.wire.flush()
    for call in calls:
        call.end()
    long, short = calls
    assert short.short > 100
    assert short.tap.heard == long.tap.heard
    assert short.tap.said == long.tap.said
    assert short.tap.digits == long.tap.digits
    assert short.wire.sent == long.wire.sent
    assert short.session.received_bytes == long.session.received_bytes
    assert short.session.pacer.held == long.session.pacer.held
    assert short.session.pacer.taken == long.session.pacer.taken
    assert short.tap.ended is not None
    assert long.tap.ended is not None
    assert short.tap.ended.ending == long.tap.ended.ending


@pytest.mark.parametrize("limits", [Limits(), Limits(idle_s=0.25, duration_s=3.0)], ids=["no limits", "limits"])
@pytest.mark.parametrize("seed", range(10))
def test_a_source_that_only_hears_hears_and_says_the_same_both_ways(seed: int, limits: Limits) -> None:
    sources = [Hearing(), Hearing()]
    calls = [
        Caller(takes_flow=takes_flow, source=source, limits=limits)
        for takes_flow, source in zip((False, True), sources, strict=True)
    ]
    for wait_s, pieces in script(seed):
        for call in calls:
            call.wait(wait_s)
            call.wire.full = pieces[0][3] % 50 == 7  # now and then the peer does not read
            for data in pieces:
                if not call.session.ended:
                    call.hear(data)
            call.session.wire.flush()
    for call in calls:
        call.end()
    long, short = calls
    assert short.short > 100 or limits != Limits()
    assert sources[0].heard == sources[1].heard
    assert short.tap.heard == long.tap.heard
    assert short.tap.said == long.tap.said
    assert short.tap.digits == long.tap.digits
    assert short.wire.sent == long.wire.sent
    assert short.session.received_bytes == long.session.received_bytes
    assert (short.session.pacer.taken, short.session.pacer.held) == (long.session.pacer.taken, long.session.pacer.held)
    assert short.tap.ended is not None
    assert long.tap.ended is not None
    assert short.tap.ended.ending == long.tap.ended.ending


def test_what_waits_unseen_is_bounded() -> None:
    call = Caller(takes_flow=True)
    for number in range(1000):
        call.hear(frame(number % 100))
        assert call.session.flow.count <= 32


def test_what_waits_for_the_taps_is_bounded() -> None:
    call = Caller(takes_flow=True)
    call.session.watch([call.tap], flush_s=RELAXED_FLUSH_S)
    wide = encode(Frame(Kind.SLIN192, bytes(7680)))
    most_bytes = 0
    for _ in range(200):
        call.wait(0.02)
        call.hear(wide)
        most_bytes = max(most_bytes, call.session._queue.memory_bytes)
    assert call.short > 100
    assert 300_000 < most_bytes < 400_000


@pytest.mark.parametrize(
    "data",
    [None, b"", ConnectionResetError(), frame(1)[:-1], frame(1) * 2, frame(1, Kind.SLIN16), b"\x11" + frame(1)[1:]],
    ids=["nothing", "the end", "a reset", "a part", "two", "longer", "another kind"],
)
def test_what_differs_is_for_the_session(data: object) -> None:
    chunks = Chunks()
    flow = Flow(chunks, Echo())
    assert not flow.take(frame(0), 1.0)
    flow.begin(frame(0), 0.5)
    flow.until_s = 2.0
    assert flow.take(frame(1), 1.0)
    assert not flow.take(data, 1.1)
    assert not flow.take(frame(1), 2.1)  # it may have waited for us
    flow.stop()
    assert not flow.take(frame(1), 1.2)
    assert list(chunks) == [(0.5, 0.0, 1, frame(1))]
