"""The half of a relay that passes bytes on, both ways, and knows which side may be read.

`relay` says how this works.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from audiosocket_cli.call.lane import Lane, RelayWire
from audiosocket_cli.call.overhearing import Overhearing
from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S
from audiosocket_cli.call.tap_queue import Scheduler, TapQueue
from audiosocket_cli.model import Call, Side


class RelayScheduler(Scheduler, Protocol):
    """Who drives a relay among others."""

    def changed(self) -> None:
        """What the relay waits for is something else now."""

    def left(self) -> None:
        """Nothing more is to be read from its wires, or written: they are about to be closed."""


class Phase(Enum):
    """What is done with what comes."""

    PASSING = 1
    RESETTING = 2
    CLOSING = 3
    LEFT = 4


class Passing(ABC):
    """Passes on what two wires bring. The subclass decides what a beginning and an end lead to."""

    __slots__ = (
        "_clock",
        "_flushes",
        "_passed_s",
        "_phase",
        "_queue",
        "_scheduler",
        "begun",
        "call",
        "caller",
        "closed_silently",
        "needs_plan",
        "server",
    )

    def __init__(self, caller: RelayWire, server: RelayWire, clock: Callable[[], float]) -> None:
        """Take two connected wires."""
        self.call: Call | None = None
        """The call, once there is a UUID."""
        self.begun = self.closed_silently = False
        self._queue = TapQueue(caller)
        self.caller = Lane(Side.CALLER, caller, server, Overhearing(Side.CALLER, self._queue, self._heard_hangup))
        self.server = Lane(Side.SERVER, server, caller, Overhearing(Side.SERVER, self._queue, self._heard_hangup))
        """What each side sends."""
        self._clock = clock
        self._scheduler: RelayScheduler | None = None
        self._phase = Phase.PASSING
        self._flushes = False
        """Whether the taps have too much, and get it before anything else is read."""
        self._passed_s = clock()
        """When, on the clock, something last passed."""
        self.needs_plan = True
        """Whether something has happened but the passing of bytes: what is waited for may be something else now."""

    @abstractmethod
    def flush(self) -> None:
        """Flush the taps."""

    @abstractmethod
    def _set_wake(self) -> None:
        """Say when `tick` is wanted next."""

    @abstractmethod
    def _open(self, lane: Lane, data: bytes, now_s: float) -> None:
        """Overhear what passes before there is a call."""

    @abstractmethod
    def _heard_hangup(self, side: Side) -> None:
        """A side has sent a hangup."""

    @abstractmethod
    def _end_lane(self, lane: Lane, now_s: float) -> None:
        """A side has closed its half."""

    @abstractmethod
    def _lose(self, lane: Lane, now_s: float) -> None:
        """A side has reset its connection, or it was lost."""

    @abstractmethod
    def _leave_if_over(self) -> None:
        """Close both connections if nothing more is to come, either way."""

    @property
    def lanes(self) -> tuple[Lane, Lane]:
        """Both directions."""
        return self.caller, self.server

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of both directions as JSON values, by the side that sends."""
        return {lane.side.value: lane.as_dict() for lane in self.lanes}

    @property
    def is_behind(self) -> bool:
        """Whether what has passed is not overheard yet: `overhear` is to be called, after others."""
        return self.caller.overhearing.is_behind or self.server.overhearing.is_behind

    def readable(self, lane: Lane, now_s: float) -> None:
        """Read once what a side has sent, and pass it on."""
        is_passing = self._phase is Phase.PASSING
        try:
            data = lane.source.pass_on(lane.sink) if is_passing else lane.source.receive()
        except OSError:
            self._lose(lane, now_s)
            return
        if not data:
            if data is not None:
                self._end_lane(lane, now_s)
            return
        if not is_passing:
            self.closed_silently &= lane is not self.caller
            return
        self._note_passed(lane, data, now_s)

    def _note_passed(self, lane: Lane, data: bytes, now_s: float) -> None:
        """What a side has sent was passed on: count and overhear it."""
        lane.passed_bytes += len(data)
        self._passed_s = now_s
        if lane.sink.blocked or lane.sink.refused:
            self._obstruct(lane, now_s)
        if self.call is None:
            self._open(lane, data, now_s)
        elif lane.overhearing.hear(data, now_s):
            self._press()

    def lost(self, lane: Lane, now_s: float) -> None:
        """The connection of a side is lost that is not read now: it is over already, or the other one takes nothing."""
        if lane.over:
            self.readable(lane, now_s)
        else:
            lane.cut_by_s = now_s + CLOSE_TIMEOUT_S
            self._set_wake()

    def writable(self, lane: Lane, now_s: float) -> None:
        """The side whose words this lane carries takes more of the other's."""
        wire, other = lane.source, self._across(lane)
        wire.flush()
        if wire.refused:
            self._obstruct(other, now_s)
        elif not wire.blocked:
            other.resume(now_s)
            self._leave_if_over()

    def overhear(self) -> None:
        """Go on with what has passed and is not overheard yet."""
        for lane in self.lanes:
            if lane.overhearing.is_behind and not self._flushes:
                lane.overhearing.take()
        self._press()
        self._leave_if_over()

    def wants_readable(self, lane: Lane) -> bool:
        """Whether a lane is to be read as soon as there is something."""
        if self._phase is Phase.CLOSING:
            return not lane.over
        return self._phase is Phase.PASSING and not self._flushes and lane.wants_readable

    def wants_loss(self, lane: Lane) -> bool:
        """Whether it is to be told that a lane which is not read is `lost`."""
        return self._phase is Phase.PASSING and (lane.over or (lane.sink.blocked and math.isinf(lane.cut_by_s)))

    # For somebody who looks at what passes, before the taps get it.

    def peek(self) -> Peek:
        """Return a look at what passes from now on, until `end_peek`."""
        self._settle()
        return self._queue.peek()

    def end_peek(self, peek: Peek) -> None:
        """End a look. Safe to call twice."""
        self._queue.end_peek(peek)

    def catch_up(self) -> None:
        """Let all peeks see what has come so far."""
        self._settle()

    def _across(self, lane: Lane) -> Lane:
        return self.server if lane is self.caller else self.caller

    def _obstruct(self, lane: Lane, now_s: float) -> None:
        """What was read cannot be passed on now, or at all."""
        self.needs_plan = True
        if not lane.sink.refused:
            lane.stall(now_s)
            return
        lane.over = True  # nobody is there to hear it
        other = self._across(lane)
        if other.over:
            self._lose(other, now_s)

    def _press(self) -> None:
        """There is more than can be overheard at once, or the taps have too much: they get it first."""
        self.needs_plan = True
        if not self.begun or not self._queue.is_full:
            return
        self._settle()
        if self._scheduler is None:
            self.flush()
        elif not self._flushes:
            self._flushes = True
            self._scheduler.defer_flush()

    def _settle(self) -> None:
        self.caller.overhearing.settle()
        self.server.overhearing.settle()
