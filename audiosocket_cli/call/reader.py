"""The half of a session that reads its wire: in turns that have their bounds, or in bulk.

`session` says how this works, and why the bounds are what they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from audiosocket_cli.asterisk.facts import GAP_MS
from audiosocket_cli.call.flow import Flow
from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.phases import Opening, Outcome, Phase, Talking
from audiosocket_cli.call.receiver import Receiver
from audiosocket_cli.call.roles import Role
from audiosocket_cli.call.sender import Sender
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.tap_queue import WAKE_TOLERANCE_S, SessionScheduler, TapQueue
from audiosocket_cli.call.wire import READ_BYTES, Wire
from audiosocket_cli.model import Call, How, Side

TURN_S: Final = 0.001
"""Seconds that one peer's turn may take before the rest waits for the next. It is checked after each slice; a flush to
the taps, which is bounded as well, comes on top."""

HELD_UP_S: Final = GAP_MS / 1000
"""A wake this many seconds late shows that this machine was busy, or stood still."""

_MAX_BYTES_S: Final = 384_000
"""Bytes a second of the best audio, slin192: a peer that sends more does not wait for its turn longer than others."""

_MAX_CHUNKS: Final = 256
"""The most reads from one peer in its turn, however late we are, if they take no longer than `TURN_S`."""


class Reader(ABC):
    """Reads the wire of a session. The subclass decides what an outcome leads to."""

    __slots__ = (
        "_clock",
        "_other_s",
        "_phase",
        "_queue",
        "_scheduler",
        "_sender",
        "call",
        "ended",
        "flow",
        "has_left",
        "has_more",
        "receiver",
        "wake_s",
        "wire",
    )

    role: ClassVar[Role]

    def __init__(self, wire: Wire, source: Source, uuid_s: float, clock: Callable[[], float]) -> None:
        """Take a connected wire, and make its receiver, sender and queue."""
        self.wire = wire
        self.call: Call | None = None
        """The call, once there is a UUID."""
        self.ended = False
        """Whether all is over: wire closed, taps told."""
        self.has_left = False
        """Whether the wire has nothing more to give, and only the taps keep the session. A poll would report it for as
        long as it is not closed: while hundreds of calls end at once, their ends would be read over and over."""
        self.has_more = False
        """Whether the last turn left something to hear: `readable` is to be called again, after others."""
        self._clock = clock
        self._scheduler: SessionScheduler | None = None
        self._queue = TapQueue(wire)
        self._sender = Sender(wire, source, self.role, self._queue)
        self.receiver = Receiver(self._queue, listens=source.listens, reads_in_bulk=self.role.reads_in_bulk)
        self.flow = Flow(self._queue.heard, source)
        """The shortest path of a frame: what was read may go there, and need not come here, if it is taken there and
        echoed or passed on."""
        self._phase: Phase = Opening(self.role, self.receiver, uuid_s)
        self.wake_s = self._phase.wake_s()
        """When, on the clock, `tick` wants to be called next."""
        self._other_s = self._phase.other_s()
        """Until then, on the clock, nothing but the next frame is due."""

    @abstractmethod
    def flush(self) -> None:
        """Flush the taps."""

    @abstractmethod
    def _become(self, outcome: Outcome) -> None:
        """Act on the outcome of a phase."""

    @abstractmethod
    def _end(self) -> None:
        """The wire has nothing more to give: close it, unless something else keeps it open."""

    def _set_wake(self) -> None:
        self.wake_s = self._phase.wake_s()
        self._other_s = self._phase.other_s()
        self.flow.until_s = self.wake_s + WAKE_TOLERANCE_S

    def _settle(self) -> None:
        """Learn of what took the shortest path."""
        count = self.flow.count
        if count:
            self.flow.count = 0
            self.receiver.note_flowed(count, self.flow.last_s, is_echoed=self.flow.echoes)
            if self.flow.echoes:
                self._sender.note_answered(self.flow.last_s)
            if self._queue.is_full:
                self.flow.stop()  # the next frame has the taps flushed

    # For somebody who looks at what passes, before the taps get it.

    def peek(self) -> Peek:
        """Return a look at what passes from now on, until `end_peek`."""
        self.catch_up()
        return self._queue.peek()

    def end_peek(self, peek: Peek) -> None:
        """End a look. Safe to call twice."""
        self._queue.end_peek(peek)

    def catch_up(self) -> None:
        """Let all peeks see what has come so far; of a call that is read in bulk, what is known to have come."""
        self._settle()
        if self.receiver.left_bytes and self._scheduler is not None:
            self._scheduler.run(self._read_left)

    def _read_left(self) -> None:
        if self.receiver.left_bytes and isinstance(self._phase, Talking):
            self._read_in_bulk(self._clock())
            self._set_wake()

    def read_each(self, *, each: bool) -> None:
        """Read each frame as it comes, for as long as somebody listens; or in bulk again, where that was done."""
        if self._scheduler is not None:
            self._scheduler.run(partial(self._begin_to_read_each, each))

    def _begin_to_read_each(self, each: bool) -> None:
        self._settle()
        self.receiver.is_listened_to = each
        if each:
            self.receiver.wants_readable = True
        self._set_wake()

    @property
    def received_bytes(self) -> int:
        """Bytes that were read so far."""
        return self.receiver.received_bytes

    @property
    def wants_readable(self) -> bool:
        """Whether `readable` is to be called as soon as there is something to read, rather than left to `tick`."""
        return self.receiver.wants_readable

    def readable(self) -> bool:
        """Read the wire, or go on with a turn that was cut: call it when there is something to read, or `has_more`.

        Returns `has_more`: whether to call it again soon. A turn is bounded, or a flooding peer would be the only one
        heard. A turn that comes late may read all that can have come meanwhile: that has to be heard before anything is
        judged by the clock.
        """
        self._settle()
        self.flow.stop()
        now_s = self._clock()
        receiver = self.receiver
        if receiver.is_behind or self._queue.ready or now_s >= self.wake_s + HELD_UP_S:
            self.has_more = self._take_turn(now_s)
            return self.has_more
        data = self._read()  # as nearly always: one frame, or a few
        if data:
            self._received(data)
        if receiver.is_behind:
            self.has_more = self._take_turn(now_s)
        else:
            self.has_more = bool(data) and not (self.wire.drained or self.ended)
        return self.has_more

    def _take_turn(self, now_s: float) -> bool:
        """Hear what fits into one turn; return whether there may be more."""
        receiver, queue, wire = self.receiver, self._queue, self.wire
        until_s, late_s = now_s + TURN_S, now_s - self.wake_s
        chunks = 1 if late_s < HELD_UP_S else 1 + int(late_s * _MAX_BYTES_S / READ_BYTES)
        if receiver.is_behind and not queue.ready and queue.is_full:
            self.flush()
        for _ in range(min(chunks, _MAX_CHUNKS)):
            if queue.ready:
                return True  # not all taps have what was heard before
            if not receiver.is_behind:
                data = self._read()
                if not data:
                    return False
                self._received(data)
            while receiver.is_behind:
                if self._clock() >= until_s or (queue.is_full and self._scheduler is not None):
                    return True  # a flush to the taps takes a turn of its own
                self._hear()
            if wire.drained or self.ended:
                return False
            if self._clock() >= until_s:
                break
        return True

    def _read(self) -> bytes:
        """Return what has arrived; nothing if that is so, or if the peer is gone, which is then the end."""
        try:
            data = self.wire.receive()
        except OSError as error:
            how, reason = How.RESET, _loss(error, self.role.me.other)
        else:
            if data:
                return data
            if data is None:
                return b""
            how, reason = How.CLOSED, f"{self.role.me.other} closed"
        outcome = self._phase.lose(how, reason)
        if outcome is not None:
            self._become(outcome)
        self._end()
        self._set_wake()
        return b""

    def _received(self, data: bytes) -> None:
        """Hear what was read: all of it if it is audio that goes on, or else a slice."""
        now_s = self._clock()
        receiver, sender = self.receiver, self._sender
        receiver.received_bytes += len(data)
        if receiver.left_bytes:
            data = receiver.hear_left(data, now_s)
            if not data:
                return
        if receiver.frame_s:
            count = receiver.decoder.take_equal(data, receiver.most_equal)
            if count:
                is_held = now_s > self.wake_s + WAKE_TOLERANCE_S
                receiver.flow(data, count, receiver.held_s(now_s, self.wake_s) if is_held else 0.0, now_s)
                if sender.source.listens:
                    if count == 1:
                        sender.answer(data, now_s)
                        if (sender.source.echoes or sender.source.hears_together) and not self.wire.blocked:
                            self.flow.begin(data, receiver.origin_s)
                    else:
                        sender.answer_each(data, count, now_s)
                elif receiver.may_begin_bulk and self.wire.drained:
                    assert self.call is not None
                    self.call.in_bulk = True
                    receiver.begin_bulk(now_s, sender.pacer)
                    self._set_wake()
                return
        receiver.note_read(now_s, receiver.held_s(now_s, self.wake_s))
        self._hear(data)

    def _hear(self, data: bytes = b"", *, is_answered: bool = True) -> None:
        """Hear a slice of what has been read; `Receiver.is_behind` says whether more is left."""
        outcome = self._phase.hear(data, is_answered=is_answered)
        if outcome is not None:
            self._become(outcome)
        self._set_wake()

    def _hear_rest(self, phase: Phase) -> None:
        """Hear all that has been read, as there is no later turn for it."""
        while self.receiver.is_behind and self._phase is phase:
            self._hear(is_answered=False)

    def _look_in_bulk(self, now_s: float) -> None:
        """Read what came since the last time, or leave it where it is while the taps do not want it yet."""
        is_early = now_s < self._queue.next_flush_s
        if is_early and self.receiver.leave(self.wire.waiting, now_s):
            self.receiver.plan_read(now_s)
        else:
            self._read_in_bulk(now_s)

    def _read_in_bulk(self, now_s: float) -> None:
        """Read what came since the last time. Once nothing did, the next frame is to be heard when it comes."""
        receiver, phase = self.receiver, self._phase
        data = self._read()
        if data and receiver.left_bytes:
            rest = receiver.hear_left(data, now_s)
            receiver.received_bytes += len(data) - len(rest)
            data = rest
        count = receiver.decoder.take_equal(data) if receiver.frame_s else 0
        if count:
            receiver.received_bytes += len(data)
            receiver.flow(data, count, 0.0, now_s)
        elif data:
            self._received(data)
        receiver.plan_read(now_s)
        is_left = receiver.is_behind or not self.wire.drained
        if self._phase is not phase or not data or (is_left and self.readable()):
            receiver.wants_readable = True


def _loss(error: OSError, peer: Side) -> str:
    if isinstance(error, ConnectionResetError):
        return f"{peer} reset the connection"
    return f"connection lost: {(error.strerror or str(error)).lower()}"
