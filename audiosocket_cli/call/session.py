"""The session: one call over one connection, whichever end of it we are.

Theory of operation
===================

A session never waits for I/O, and has no event loop. Its driver (`driver`, bench's Locust user, a test) calls it when
something happens, and then reads what it needs next.

    it is told      `start`; `readable`, there is something to read; `tick`, it is `wake_s`; `flush`, there is time for
                    the taps; `admit`, `hang_up`, `stop`, `abort`
    it wants        `wake_s`, when to be woken; `wants_readable`, whether to be told of something to read; `has_more`,
                    whether to be told again although nothing new came; `ended`, nothing any more

Who does what, each calling only those below it:

    Session     the life of a call: from phase to phase, with what that takes; says and hears when it is time
    Reader      its other half: reads the wire, and keeps each turn within its bounds
    Flow        the shortest path of a frame, past all of these; the session learns of it afterwards
    phases      what is done with what comes, and with time that passes, in each phase
    Sender      sends the source's frames when the pacer says so, and answers at once
    Receiver    makes frames of bytes, knows when they arrived, and keeps what a caller says who waits to be let in
    TapQueue    keeps what was heard and said, until the taps get it in a batch
    Role        how the two ends of a call differ: it judges, and does nothing

A phase returns an `Outcome` (a UUID, a `Failure`, an `Ending`, `Closed`), and the session goes to the phase that
follows. None of these parts refers to the session, and the session drops its taps at the end. So a call leaves memory
as soon as it is over, without a reference cycle that stays for thousands of calls until Python's garbage collector
looks for it.

Phases
------

                 OPENING         WAITING          TALKING            CLOSING              ENDED
    heard        first: UUID?    kept             to taps, source    to nobody            -
    said         nothing         paced silence    the source         (our goodbye)        -
    wakes for    the UUID limit  its next frame   its next frame,    the peer's close,    never
                                                  a flush, a bulk    or ours without it
                                                  read, its limits
    UUID         -> WAITING, and with nobody to ask, or once let in, -> TALKING
    peer gone    -> ENDED        -> ENDED         -> ENDED           -> ENDED
    hang_up      -> CLOSING      -> CLOSING       -> CLOSING         -                    -
    time is up   -> CLOSING      -                -> CLOSING         -> ENDED             -
    bad frame    -> CLOSING      (hangup)         -> CLOSING         -                    -

OPENING and WAITING end in TALKING, or with a `Failure`: there never was a call, and no tap is told. TALKING ends with
an `Ending`. The way to ENDED leads through CLOSING even where the peer is gone, and from there the taps are told the
last of the call. Before we end a call we hear all that has arrived: the peer may have ended it already.

Time
----

All that has arrived is read before the clock is looked at, so that a stall of ours does not count against the peer: if
it is woken `HELD_UP_S` late, a session reads first, and then judges. Reads never wait for writes.

Work is done per batch where possible, not per frame. Calls spend nearly all of their time on three paths. Frames that
are echoed, or that a bot hears: `Flow.take`. If another source hears each frame: `readable`, `_received`,
`Receiver.flow`, `Sender.answer`. Otherwise every `READ_S`: `_tick_in_bulk`, `_look_in_bulk`, `Receiver.leave`, and
then, for a batch, `_read_in_bulk`, `Receiver.hear_left`, `Receiver.flow`. What is said, but for echoes: `tick`,
`_say_alone`, `Sender.say`. One more function call per frame on these paths costs about 1 % of the total CPU time, so
they use plain attributes and skip rare cases. After a frame on the first two paths `wake_s` is not updated: being woken
too early now and then costs less than planning each time.

Bounds
------

No peer delays other calls, whatever it sends. A turn (`readable`) ends after `TURN_S`, checked after each slice;
`has_more` asks for another turn, after those of others. A turn that comes late reads as much as can have come meanwhile
(`_MAX_BYTES_S`), in at most `_MAX_CHUNKS` reads. Nothing more is read until all that was read has been heard, and
nothing more is heard until the taps have what was heard before. So TCP flow control slows down a peer that sends faster
than it can be heard, and of each peer we hold one read, one batch for the taps (`TapQueue`), and what it sent before it
was admitted (`Receiver.keep`). Closing is bounded by `phases`: 2 s for a peer that does not close, 30 s for data that
is still on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID, uuid4

from audiosocket_cli.call.pacer import EARLY_S, Pacer
from audiosocket_cli.call.phases import Closed, Closing, Ended, Failure, Limits, Opening, Outcome, Talking, Waiting
from audiosocket_cli.call.reader import HELD_UP_S, Reader
from audiosocket_cli.call.roles import Answering, AnsweringProxied, Placing
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.tap_queue import WAKE_TOLERANCE_S, SessionScheduler
from audiosocket_cli.call.taps.tap import FLUSH_S, Tap
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.model import Call, Ending, How, Side, now_utc

STOP_S: Final = 0.8
"""How long we stay after our goodbye when somebody stopped us, and wants it done within two seconds."""

_NO_UUID: Final = UUID(int=0)
"""Of a call that is answered, which has yet to say its own."""


class Session(Reader):
    """One call, from its connection to its end."""

    __slots__ = (
        "_admission",
        "_is_silent",
        "_limits",
        "_uuid",
        "begun",
        "failure",
        "peer",
    )

    def __init__(
        self,
        wire: Wire,
        peer: str,
        *,
        source: Source,
        limits: Limits | None = None,
        uuid: UUID | None = None,
        admission: Callable[[Call], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a connected wire. `uuid` is the one that a placed call says; an answered call hears it.

        `admission` gets the call once its UUID is known, and calls `admit` or `hang_up`, at once or later. Until then
        the caller hears silence; what arrives is kept, and no tap is told.
        """
        limits = limits or Limits()
        super().__init__(wire, source, limits.uuid_s, clock)
        self.peer = peer
        self.begun = False
        """Whether it has become a call: there is a UUID, and the caller was let in."""
        self.failure: str | None = None
        """Why the connection never became a call, once it has ended without one."""
        self._is_silent = False
        self._limits = limits
        self._uuid = uuid or (uuid4() if self.role.me is Side.CALLER else _NO_UUID)
        self._admission = admission

    def watch(self, taps: Sequence[Tap], *, flush_s: float = FLUSH_S, each_arrival: bool = False) -> None:
        """Tell these taps, so often; before `start`. `each_arrival` says that it matters when each frame arrived."""
        self._queue.watch(taps, flush_s)
        if each_arrival:
            self.receiver.reads_in_bulk = False

    @property
    def closed_silently(self) -> bool:
        """Whether the peer came and went without ever having sent a byte, as health checks do."""
        return self._is_silent and not self.received_bytes

    @property
    def source(self) -> Source:
        """What we say."""
        return self._sender.source

    @property
    def pacer(self) -> Pacer:
        """When we say it, and how well that was kept."""
        return self._sender.pacer

    @property
    def age_s(self) -> float:
        """Seconds since the call's start, or its whole length once it has ended; 0.0 before the UUID."""
        if self.call is None:
            return 0.0
        return self.call.duration_s if self.call.ending else self._clock() - self.receiver.origin_s

    # What its source may ask for, outside of a step.

    @property
    def now_s(self) -> float:
        """The time on its clock."""
        return self._clock()

    def send(self, data: bytes, now_s: float) -> bool:
        """Send a frame of the source's now; False if it cannot be sent."""
        is_sent = self._sender.send_ahead(data, now_s)
        if self.wire.blocked:
            self.replan()
        return is_sent

    def replan(self) -> None:
        """Something is due at another time."""
        self._set_wake()
        if self._scheduler is not None:
            self._scheduler.replan()

    # What happens to a session, said by whoever drives it.

    def start(self, scheduler: SessionScheduler | None = None) -> None:
        """The connection is there; `scheduler` drives the session among others."""
        self._scheduler = scheduler
        self._queue.use_scheduler(scheduler)
        if isinstance(self._phase, Opening):  # else it was hung up already: the connection is refused
            self._phase = Opening(self.role, self.receiver, self._limits.uuid_s, self._clock())
            words = self.role.first_words(self._uuid)
            if words:
                self.wire.send(words)
                self._open(self._uuid, self._clock())
        self._set_wake()

    def tick(self) -> None:
        """Do what is due. Call it at `wake_s`; earlier or later does no harm."""
        now_s = self._clock()
        if now_s + EARLY_S < self._other_s and now_s <= self.wake_s + HELD_UP_S and not self.flow.echoes:
            self._say_alone(now_s)
            return
        self._settle()
        phase = self._phase
        if not self.receiver.wants_readable:
            self._tick_in_bulk(now_s)
        else:
            if now_s - self.wake_s > HELD_UP_S and not (self.has_more and self._scheduler is not None):
                # We woke late. What waits on the wire arrived in time: hear it before judging the peer by the clock.
                self.readable()
            if self._phase is phase:
                outcome = phase.tick(now_s)
                if outcome is not None:
                    self._end_on(outcome)
        self._set_wake()

    def _say_alone(self, now_s: float) -> None:
        """Send what is due, as nothing else is, and leave what took the shortest path where it is."""
        sender = self._sender
        outcome = sender.say(now_s, sender.source, self.receiver.heard_kind)
        if outcome is not None:
            self._settle()
            self._end_on(outcome)
            self._set_wake()
            return
        self.wake_s = min(sender.pacer.deadline_s, self._other_s)
        self.flow.until_s = self.wake_s + WAKE_TOLERANCE_S

    def flush(self) -> None:
        """Flush the taps; for a call that has ended, for the last time."""
        self._settle()
        outcome = self._phase.flush(self._clock())
        if self._queue.ready:
            self.flow.stop()
        if outcome is not None:
            self._become(outcome)

    def admit(self) -> None:
        """Admit a caller who waits for it."""
        if isinstance(self._phase, Waiting):
            self._begin()
            self.replan()

    def hang_up(self, reason: str) -> None:
        """End the call from our side, for a reason in words. Safe to call twice."""
        self._settle()
        self._end_on(self._phase.hang_up(reason, self._clock()))
        self.replan()

    def stop(self, reason: str) -> None:
        """End the call from our side, as `hang_up` does, but stay no longer than `STOP_S` after our goodbye."""
        leave_by_s = self._clock() + STOP_S
        self.hang_up(reason)
        self._phase.leave_by(leave_by_s)
        self.replan()

    def abort(self) -> None:
        """End it now, without waiting for the peer. Safe to call twice."""
        self.hang_up("stopped at once")
        self.flush()
        self._end()
        self._set_wake()

    def _tick_in_bulk(self, now_s: float) -> None:
        """Send what is due, and read what came since the last time; used in TALKING only."""
        talking, sender = self._phase, self._sender
        assert isinstance(talking, Talking)
        # Send first: our packet also acknowledges what has arrived.
        outcome: Outcome = sender.say(now_s, sender.source, self.receiver.heard_kind)
        if outcome is None:
            if now_s + EARLY_S >= self.receiver.next_read_s:
                self._look_in_bulk(now_s)
            if self._phase is talking and (talking.is_limited or now_s >= self._queue.next_flush_s):
                outcome = talking.end_tick(now_s)
        if outcome is not None:
            self._end_on(outcome)

    # From phase to phase.

    def _become(self, outcome: Outcome) -> None:
        """Go where an outcome leads."""
        if isinstance(outcome, UUID):
            self._open(outcome, self.receiver.read_s)
        elif isinstance(outcome, Failure):
            self._fail(outcome)
        elif isinstance(outcome, Ending):
            self._finish(outcome)
        elif isinstance(outcome, Closed):
            self._end()

    def _end_on(self, outcome: Outcome) -> None:
        """Act on the outcome. Before it ends the call, hear all that has arrived: that may end the call in another
        way."""
        phase = self._phase
        if isinstance(outcome, Ending):
            self._hear_rest(phase)
            if self._phase is phase and not self.receiver.wants_readable:  # some audio waits to be read
                self._read_in_bulk(self._clock())
                self._hear_rest(phase)
        if self._phase is phase:
            self._become(outcome)

    def _open(self, uuid: UUID, now_s: float) -> None:
        """There is a UUID: ask whether the caller may come in, if there is anybody to ask."""
        self.call = Call(self.role.me, self.peer, uuid, now_utc(), self._sender.pacer)
        self.receiver.begin(now_s)
        self._sender.begin(self.call, now_s)
        self._queue.begin(self.call, now_s)
        admission, self._admission = self._admission, None
        if admission is None:
            self._begin()
        else:
            self._phase = Waiting(self.role, self.receiver, self._sender)
            admission(self.call)

    def _begin(self) -> None:
        """The caller is admitted: start the call."""
        assert self.call is not None
        self._phase = Talking(self.call, self.role, self.receiver, self._sender, self._queue, self._limits)
        self.begun = True
        self._queue.open(self._clock())
        if self.source.says_at_once:
            self.source.begin(self)
        if self.receiver.let_in():
            self.readable()

    def _finish(self, ending: Ending) -> None:
        """Settle how the call ended, and say goodbye; the taps get the last of it."""
        assert self.call is not None
        now_s = self._clock()
        self.flow.stop()
        self._phase = Closing(self.wire, now_s, self._queue)
        self.receiver.stop()
        self.call.ending = ending
        self.call.duration_s = now_s - self.receiver.origin_s
        if ending.by is self.role.me or ending.how in (How.HANGUP, How.FAULT):
            self.wire.end_sending(self.role.last_words)
        for text in self._sender.source.close():
            self.call.note(text)
        if self._scheduler is None:
            self.flush()
        else:
            self._scheduler.defer_flush()  # flushing many calls that end at once takes long: let others run between

    def _fail(self, failure: Failure) -> None:
        """End a connection that never became a call."""
        self.failure = failure.reason
        self._is_silent = failure.is_silent
        self._phase = Closing(self.wire, self._clock())
        self.receiver.stop()
        self.wire.end_sending(self.role.last_words)

    def _end(self) -> None:
        if self.ended:
            return
        self.has_left = True
        if not self._phase.leave():
            return
        self._phase = Ended()
        self.ended = True
        self._admission = None
        self._queue.release()
        if self.call is not None:
            self.call.undelivered_bytes = self.wire.undelivered
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.released()
        self.wire.close()


class AnsweredSession(Session):
    """A call that Asterisk dialled."""

    __slots__ = ()
    role = Answering()


class ProxiedSession(Session):
    """A call that Asterisk dialled, through a proxy that has said so in its header."""

    __slots__ = ()
    role = AnsweringProxied()


class PlacedSession(Session):
    """A call that we place as Asterisk would."""

    __slots__ = ()
    role = Placing()
