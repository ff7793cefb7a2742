"""The table of phases that `session` shows, row by row; and that a call leaves memory as soon as it is over."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from audiosocket_cli.call.phases import (
    CLOSE_TIMEOUT_S,
    MAX_CLOSING_S,
    STALLED_S,
    Closed,
    Closing,
    Ended,
    Limits,
    Opening,
    Phase,
    Talking,
    Waiting,
)
from audiosocket_cli.call.session import AnsweredSession, Session
from audiosocket_cli.call.sources.basic import Echo, Silence
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call
from support.fakes import OPENING, FakeClock, FakeWire, KeepingTap, run_until

AUDIO = encode(Frame(Kind.SLIN, b"\1\2" * 160))
HANGUP = encode(Frame(Kind.HANGUP))
LIMITS = Limits(uuid_s=3.0, duration_s=5.0)


class Stage:
    """A session that is brought to a phase, and what happens to it there."""

    def __init__(self, phase: str) -> None:
        self.wire, self.clock, self.tap = FakeWire(), FakeClock(), KeepingTap()
        admissions: dict[str, Callable[[Call], None]] = {"waiting": lambda call: None}
        self.session = AnsweredSession(
            self.wire,
            "peer",
            source=Silence(),
            limits=LIMITS,
            admission=admissions.get(phase),
            clock=self.clock,
        )
        self.session.watch([self.tap])
        self.session.start()
        if phase != "opening":
            self.hear(OPENING + AUDIO)
        if phase in ("closing", "ended"):
            self.session.hang_up("test")
        if phase == "ended":
            self.hear(b"")

    def hear(self, data: bytes) -> None:
        self.wire.inbox.append(data)
        run_until(self.clock.now_s, self.clock, self.session)

    @property
    def phase(self) -> type[Phase]:
        return type(self.session._phase)


EVENTS: dict[str, Callable[[Stage], object]] = {
    "a UUID": lambda stage: stage.hear(OPENING),
    "audio": lambda stage: stage.hear(AUDIO),
    "a hangup": lambda stage: stage.hear(HANGUP),
    "rubbish": lambda stage: stage.hear(b"\x9c\x01\x02\x03"),
    "the peer is gone": lambda stage: stage.hear(b""),
    "hang up": lambda stage: stage.session.hang_up("enough"),
    "admit": lambda stage: stage.session.admit(),
    "time": lambda stage: run_until(stage.clock.now_s + 5.0, stage.clock, stage.session),
    "abort": lambda stage: stage.session.abort(),
}
STAY = object()
TABLE: dict[str, dict[str, object]] = {
    "opening": {
        "a UUID": Talking, "audio": Closing, "a hangup": Closing, "rubbish": Closing, "the peer is gone": Ended,
        "hang up": Closing, "admit": STAY, "time": Ended, "abort": Ended,
    },
    "waiting": {
        "a UUID": STAY, "audio": STAY, "a hangup": Closing, "rubbish": STAY, "the peer is gone": Ended,
        "hang up": Closing, "admit": Talking, "time": STAY, "abort": Ended,
    },
    "talking": {
        "a UUID": STAY, "audio": STAY, "a hangup": Closing, "rubbish": STAY, "the peer is gone": Ended,
        "hang up": Closing, "admit": STAY, "time": Closing, "abort": Ended,
    },
    "closing": {
        "a UUID": STAY, "audio": STAY, "a hangup": STAY, "rubbish": STAY, "the peer is gone": Ended,
        "hang up": STAY, "admit": STAY, "time": Ended, "abort": Ended,
    },
    "ended": {"hang up": STAY, "admit": STAY, "time": STAY, "abort": STAY},
}  # fmt: skip
PHASES = {"opening": Opening, "waiting": Waiting, "talking": Talking, "closing": Closing, "ended": Ended}


@pytest.mark.parametrize(("phase", "event"), [(phase, event) for phase, row in TABLE.items() for event in row])
def test_each_event_leads_where_the_table_says(phase: str, event: str) -> None:
    stage = Stage(phase)
    assert stage.phase is PHASES[phase]
    EVENTS[event](stage)
    expected = TABLE[phase][event]
    assert stage.phase is (PHASES[phase] if expected is STAY else expected)
    assert stage.session.ended == (stage.phase is Ended) == stage.wire.closed
    is_call = phase in ("talking", "closing", "ended") or stage.session.begun
    assert (stage.tap.call is not None) == is_call
    assert (stage.session.failure is None) == (is_call or stage.phase is PHASES[phase])


@pytest.mark.parametrize(("gets_less", "closes_after_s"), [(False, STALLED_S), (True, MAX_CLOSING_S)])
def test_what_gets_through_slowly_is_waited_for_but_not_for_ever(gets_less: bool, closes_after_s: float) -> None:
    wire = FakeWire()
    wire.undelivered = 10_000
    closing, now_s = Closing(wire, 100.0), 100.0
    while (outcome := closing.tick(now_s)) is None:
        assert closing.wake_s() - now_s <= CLOSE_TIMEOUT_S
        now_s = closing.wake_s()
        wire.undelivered -= gets_less
    assert outcome == Closed()
    assert now_s == 100.0 + closes_after_s


class Scheduler:
    def defer_flush(self) -> None:
        pass

    def released(self) -> None:
        pass

    def replan(self) -> None:
        pass


def below(session: Session) -> set[int]:
    """All that a session's parts refer to, by identity."""
    found: set[int] = set()
    parts: list[object] = [session.receiver, session._sender, session._queue, session._phase]
    while parts:
        part = parts.pop()
        if id(part) not in found and not isinstance(part, type):
            found.add(id(part))
            if type(part).__module__.startswith(("audiosocket_cli.call", "builtins")) and not callable(part):
                parts += gc.get_referents(part)
    return found


def test_nothing_below_a_session_refers_to_it() -> None:
    session = Stage("talking").session
    assert id(session._sender.pacer) in below(session)
    assert id(session) not in below(session)


@pytest.mark.parametrize("phase", ["opening", "waiting", "talking"])
def test_a_session_that_has_ended_lets_go_of_taps_and_keeper_which_may_know_it(phase: str) -> None:
    wire, clock, tap, scheduler = FakeWire(), FakeClock(), KeepingTap(), Scheduler()
    admission: Callable[[Call], None] | None = (lambda call: None) if phase == "waiting" else None
    session = AnsweredSession(wire, "peer", source=Echo(), admission=admission, clock=clock)
    session.watch([tap])
    tap.session = scheduler.session = session  # type: ignore[attr-defined]
    session.start(scheduler)
    if phase != "opening":
        wire.inbox += [OPENING + AUDIO, AUDIO]
        run_until(clock.now_s + 0.1, clock, session)
    left = [weakref.ref(tap), weakref.ref(scheduler)]
    gc.collect()
    gc.disable()  # what is gone now is gone at once
    try:
        session.abort()
        del tap, scheduler
        assert [ref() for ref in left] == [None, None]
    finally:
        gc.enable()


def test_who_is_hung_up_before_the_start_is_refused_at_once() -> None:
    wire, clock = FakeWire(), FakeClock()
    session = AnsweredSession(wire, "peer", source=Silence(), limits=LIMITS, clock=clock)
    session.hang_up("too many calls")
    session.start()
    assert isinstance(session._phase, Closing)
    wire.inbox.append(OPENING + AUDIO)
    wire.inbox.append(b"")
    run_until(clock.now_s, clock, session)
    assert (session.ended, session.call, session.failure) == (True, None, "too many calls")


@pytest.mark.parametrize(
    ("after_s", "arrives", "is_check"),
    [(0.1, b"", True), (1.9, b"", True), (2.1, b"", False), (0.1, OPENING, False), (0.1, OPENING[:1], False)],
    ids=["new", "not there for long", "has stayed", "its UUID comes late", "a byte comes late"],
)
def test_who_is_hung_up_without_a_byte_was_a_health_check_if_it_was_new(
    after_s: float, arrives: bytes, is_check: bool
) -> None:
    wire, clock = FakeWire(), FakeClock()
    session = AnsweredSession(wire, "peer", source=Silence(), limits=LIMITS, clock=clock)
    session.start()
    clock.now_s += after_s
    session.stop("server stopped")
    wire.inbox += [arrives, b""] if arrives else [b""]
    run_until(clock.now_s, clock, session)
    assert (session.ended, session.failure, session.closed_silently) == (True, "server stopped", is_check)
