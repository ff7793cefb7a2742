"""The relay: one call that is passed on, between its caller and a server.

Theory of operation
===================

A relay never waits for I/O, and has no event loop. Its driver (`relay_driver`, a test) calls it when something happens,
and then reads what it needs next.

    it is told      `start`; `readable`, a side has something to read; `writable`, a side takes more; `overhear`, there
                    is time for what `is_behind`; `tick`, it is `wake_s`; `flush`, there is time for the taps;
                    `hang_up`, `stop`, `abort`
    it wants        `wake_s`, when to be woken; of each lane, `wants_readable` and `wants_loss`; `is_behind`, whether to
                    be told to `overhear`; `ended`, nothing any more

**Bytes come first.** A read is written on at once, whatever it holds; only then is it overheard (`Overhearing`), for
the same taps that a `Session` has: what the caller sends is heard, what the server sends is said.

**Flow control.** Of each direction we hold one read, at most. A side is not read while the other has not taken it (a
stall, which is counted), while what passed is not overheard, or while the taps have too much. TCP does the rest.

**Ends are passed on as what they were.** The end of a stream is a half-close of ours, and the other direction goes on.
A reset is a reset of ours, once all that came before it has arrived, or 2 s without progress have passed.

                 PASSING            RESETTING                CLOSING                   LEFT          ended
    reads        both sides         nothing                  both, for their ends      -             -
    ends with    both ends: LEFT    all has arrived: LEFT    both ends, or 2 s: LEFT   flush: ended  -
    reset        -> RESETTING       -                        as an end                 -             -
    hang_up      -> CLOSING         -                        -                         -             -

A half-close has its time. Asterisk never closes one half alone: after the end of its stream nobody hears what is said.
So once a side has closed, the call ends where nothing passes for `HALF_CLOSED_S`.

In CLOSING we have said goodbye ourselves: a hangup to Asterisk, if it is between two frames, and both half-closes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.rules import fault_of_opening, without_uuid
from audiosocket_cli.call.lane import Lane, RelayWire
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.passing import Passing, Phase, RelayScheduler
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S, Limits
from audiosocket_cli.call.session import STOP_S
from audiosocket_cli.call.taps.tap import FLUSH_S, Tap
from audiosocket_cli.codec import HEADER_BYTES, Frame, Kind, decode_uuid, encode
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending, How, Side, now_utc

_LOOK_S: Final = 0.005
"""How often it is looked whether all has arrived that is to arrive before a reset."""

HALF_CLOSED_S: Final = 30.0
"""Seconds without a byte after which a call ends that one side has closed, and the other has not. Our own choice: time
for a server to write down what it heard before it closes."""

_HANGUP: Final = encode(Frame(Kind.HANGUP))


class Relay(Passing):
    """One call between two wires, from both connections to their end."""

    __slots__ = (
        "_admission",
        "_close_by_s",
        "_ending",
        "_left_bytes",
        "_limits",
        "_moved_s",
        "_origin_s",
        "_resets",
        "ended",
        "failure",
        "peer",
        "wake_s",
    )

    def __init__(
        self,
        caller: RelayWire,
        server: RelayWire,
        peer: str,
        *,
        limits: Limits | None = None,
        admission: Callable[[Call], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take two connected wires. `peer` is the caller's address.

        `admission` gets the call once its UUID is known, and calls `admit` or `hang_up` before it returns; what passes
        is passed on meanwhile.
        """
        super().__init__(caller, server, clock)
        self.peer = peer
        self.ended = False
        self.failure: str | None = None
        """As those of `Session`."""
        self._limits = limits or Limits()
        self._admission = admission
        self._ending: Ending | None = None
        """How the call ends: the first that showed it."""
        self._origin_s = self._clock()
        """When, on the clock, the call began."""
        self._close_by_s = math.inf
        self._resets: tuple[RelayWire, ...] = ()
        """The wires that are to be reset; when a reset is passed on, the bytes on their way there, and when these had
        last got fewer."""
        self._left_bytes = 0
        self._moved_s = 0.0
        self.wake_s = math.inf
        """When, on the clock, `tick` wants to be called next."""

    def watch(self, taps: Sequence[Tap], *, flush_s: float = FLUSH_S) -> None:
        """Tell these taps, so often; before `start`."""
        self._queue.watch(taps, flush_s)

    @property
    def age_s(self) -> float:
        """Seconds since the call's start, or its whole length once it has ended; 0.0 before the UUID."""
        if self.call is None:
            return 0.0
        return self.call.duration_s if self.call.ending else self._clock() - self._origin_s

    @property
    def was_hung_up(self) -> bool:
        """Whether we have ended the call ourselves."""
        return not math.isinf(self._close_by_s)

    @property
    def wakes_finely(self) -> bool:
        """Whether `tick` is to be called at `wake_s`, to the millisecond."""
        return False

    # What happens to a relay, said by whoever drives it.

    def start(self, scheduler: RelayScheduler | None = None) -> None:
        """Both connections are there; `scheduler` drives the relay among others."""
        self._scheduler = scheduler
        self._queue.use_scheduler(scheduler)
        self._passed_s = self._clock()
        self._set_wake()

    def tick(self) -> None:
        """Do what is due. Call it at `wake_s`; earlier or later does no harm."""
        now_s = self._clock()
        if self._phase is Phase.PASSING:
            self._judge(now_s)
        if self._phase is Phase.PASSING:
            if self.begun and now_s >= self._queue.next_flush_s:
                self._settle()
                self._queue.flush_in_time(now_s, is_all=not self.is_behind)
        elif self._phase is Phase.RESETTING:
            self._look(now_s)
        elif now_s >= self._close_by_s:
            self._leave()
        self._set_wake()

    def flush(self) -> None:
        """Flush the taps; for a call that has ended, for the last time."""
        self._settle()
        if self._phase is Phase.LEFT:
            self._end()
        elif self.begun:
            self._queue.flush(self._clock(), is_all=not self.is_behind)
            self._flushes = bool(self._queue.ready)

    def admit(self) -> None:
        """Count it as a call, and tell the taps."""
        assert self.call is not None
        if self._phase is Phase.PASSING and not self.begun:
            self.begun = True
            self._queue.open(self._clock())

    def hang_up(self, reason: str) -> None:
        """End the call from our side, for a reason in words. Safe to call twice."""
        if self._phase is not Phase.PASSING:
            return
        self._phase = Phase.CLOSING
        self._close_by_s = self._clock() + CLOSE_TIMEOUT_S
        if not self.begun:
            self.failure = self.failure or reason
            is_new = self._ending is None and self._clock() < self._origin_s + CLOSE_TIMEOUT_S
            self.closed_silently = is_new and not self.caller.passed_bytes
        self._ending = self._ending or Ending(Side.SERVER, How.HANGUP, reason)
        whole = self.server.overhearing.is_between_frames()
        self.caller.source.end_sending(_HANGUP if whole else b"")
        self.server.source.end_sending()
        self._leave_if_over()
        self._set_wake()
        if self._scheduler is not None:
            self._scheduler.changed()

    def stop(self, reason: str) -> None:
        """End the call from our side, as `hang_up` does, but wait no longer than `STOP_S` for both sides."""
        self.hang_up(reason)
        self._close_by_s = min(self._close_by_s, self._clock() + STOP_S)
        self._set_wake()
        if self._scheduler is not None:
            self._scheduler.changed()

    def abort(self) -> None:
        """End it now, without waiting. Safe to call twice."""
        self.hang_up("stopped at once")
        self._leave()
        if not self.ended:
            self.flush()

    # The beginning.

    def _open(self, lane: Lane, data: bytes, now_s: float) -> None:
        """Overhear what passes before there is a call: the caller's first frame is to be its UUID."""
        self.needs_plan = True
        overhearing = lane.overhearing
        if overhearing.is_lost or lane is self.server:
            overhearing.hear(data, now_s)
            return
        first, begun = overhearing.first(data)
        self.failure = fault_of_opening(first or begun)
        if self.failure:
            for each in self.lanes:
                each.overhearing.lose()
        elif first:
            self._begin(decode_uuid(first[HEADER_BYTES:]), now_s)
            if overhearing.is_behind:
                overhearing.hear(b"", now_s)

    def _begin(self, uuid: UUID, now_s: float) -> None:
        call = self.call = Call(Side.SERVER, self.peer, uuid, now_utc(), Pacer(now_s))
        self._origin_s = now_s
        self._queue.begin(call, now_s)
        for lane in self.lanes:
            lane.overhearing.begin(call, now_s)
        admission, self._admission = self._admission, None
        if admission is None:
            self.admit()
        else:
            admission(call)
        self._set_wake()

    # In the middle.

    def _judge(self, now_s: float) -> None:
        """End a call whose time is over."""
        limits = self._limits
        for lane in self.lanes:
            if now_s >= lane.cut_by_s:
                self._lose(lane, now_s)
                return
        if now_s >= self._origin_s + limits.duration_s:
            self.hang_up(f"longer than {limits.duration_s:g} s")
        elif now_s >= self._passed_s + self._idle_s:
            if self._idle_s < limits.idle_s:
                self._note_open_half()
            self.hang_up(f"nothing passed for {self._idle_s:g} s")

    @property
    def _idle_s(self) -> float:
        """How long nothing may pass."""
        idle_s = self._limits.idle_s
        return min(idle_s, HALF_CLOSED_S) if self.caller.over or self.server.over else idle_s

    def _note_open_half(self) -> None:
        for lane in self.lanes:
            if self.call is not None and not lane.over:
                text = (
                    f"the {lane.side} left its connection open after the {lane.side.other} had closed its own: the "
                    f"proxy closed it after {HALF_CLOSED_S:g} s in which nothing passed"
                )
                self.call.note(tagged("left-open", text))

    def read_each(self, *, each: bool) -> None:
        """Do nothing: a relay always reads each frame as it comes."""

    def _set_wake(self) -> None:
        if self._phase is Phase.PASSING:
            limits = self._limits
            flush_s = self._queue.next_flush_s if self.begun else math.inf
            self.wake_s = min(
                flush_s, self._origin_s + limits.duration_s, self._passed_s + self._idle_s,
                self.caller.cut_by_s, self.server.cut_by_s,
            )  # fmt: skip
        elif self._phase is Phase.RESETTING:
            self.wake_s = self._clock() + _LOOK_S
        else:
            self.wake_s = self._close_by_s if self._phase is Phase.CLOSING else math.inf

    # The end.

    def _heard_hangup(self, side: Side) -> None:
        self._ending = self._ending or Ending(side, How.HANGUP, f"{side} hung up")

    def _end_lane(self, lane: Lane, now_s: float) -> None:
        """A side has closed its half."""
        self.needs_plan = True
        if lane.over:
            self._lose(lane, now_s)
            return
        lane.over = True
        self._passed_s = now_s
        if self._phase is Phase.PASSING:
            self._ending = self._ending or Ending(lane.side, How.CLOSED, f"{lane.side} closed{lane.overhearing.end()}")
            lane.sink.end_sending()
            if lane.sink.blocked:
                lane.stall(now_s)
        self._leave_if_over()
        self._set_wake()

    def _leave_if_over(self) -> None:
        is_over = all(lane.over and not lane.sink.blocked for lane in self.lanes)
        if is_over and not self.is_behind and self._phase in (Phase.PASSING, Phase.CLOSING):
            self._leave()

    def _lose(self, lane: Lane, now_s: float) -> None:
        """A side has reset its connection, or it was lost: so is the other's to be, once it has what came before."""
        lane.over = self.needs_plan = True
        if self._phase is Phase.CLOSING:
            self._leave_if_over()
        if self._phase is not Phase.PASSING:
            return
        reason = f"{lane.side} reset the connection{lane.overhearing.end()}"
        self._ending = self._ending or Ending(lane.side, How.RESET, reason)
        self._across(lane).over = True
        self._phase = Phase.RESETTING
        self._resets, self._left_bytes, self._moved_s = (lane.sink,), lane.sink.undelivered, now_s
        self._look(now_s)
        self._set_wake()

    def _look(self, now_s: float) -> None:
        """See whether all has arrived that is to arrive before a reset."""
        (wire,) = self._resets
        left = 0 if wire.refused else wire.undelivered
        if left < self._left_bytes:
            self._left_bytes, self._moved_s = left, now_s
        if not left or now_s >= self._moved_s + CLOSE_TIMEOUT_S:
            self._leave()

    def _leave(self) -> None:
        """Both connections are over: close them, once the taps know the last of the call."""
        if self._phase is Phase.LEFT:
            return
        is_cut = self._phase is not Phase.PASSING
        self._phase = Phase.LEFT
        self.wake_s = math.inf
        if self._scheduler is not None:
            self._scheduler.left()
        self._settle()
        call, now_s = self.call, self._clock()
        for lane in self.lanes:
            lane.resume(now_s)
        if call is not None and self.begun:
            call.ending = self._ending or Ending(Side.SERVER, How.HANGUP, "stopped")
            call.duration_s = now_s - self._origin_s
            call.undelivered_bytes = self.caller.source.undelivered if is_cut else 0
        elif self.failure is None:
            self._fail()
        for wire in self._resets:
            wire.reset()
        if self._scheduler is None:
            self.flush()
        else:
            self._scheduler.defer_flush()  # flushing many calls that end at once takes long: let others run between

    def _fail(self) -> None:
        """Say why it never became a call."""
        size = self.caller.passed_bytes
        by = Side.CALLER if self._ending is None else self._ending.by
        self.closed_silently = not size and by is Side.CALLER
        if by is Side.SERVER:
            self.failure = f"the server closed the connection after {size} bytes of the caller, before its UUID"
        elif size:
            self.failure = f"closed after {size} bytes, before its UUID was complete"
        else:
            self.failure = without_uuid("closed without a UUID")

    def _end(self) -> None:
        """Tell the taps the last of the call, and close."""
        if self.ended:
            return
        if self.call is not None and self.begun:
            for lane in self.lanes:
                lane.overhearing.catch_up()
                lane.note_stalls(self.call)
            self._queue.close()
        self.ended = True
        self._admission = None
        self._queue.release()
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.released()
        for lane in self.lanes:
            lane.source.close()
            lane.overhearing.release()
