"""The phases of a session, one class each: how each reacts to received data, to time, and to an end.

A phase does not know its session. Each method returns an `Outcome`: what becomes of the session now, or None while the
phase goes on. The session alone goes from one phase to another; `session` has the table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from audiosocket_cli.asterisk.rules import without_uuid
from audiosocket_cli.call.receiver import Receiver
from audiosocket_cli.call.roles import Role
from audiosocket_cli.call.sender import Sender
from audiosocket_cli.call.slices import Slice
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.tap_queue import TapQueue
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.codec import HEADER_BYTES, Frame, Kind, decode_digit, decode_uuid, kind_name
from audiosocket_cli.errors import FrameError, IncompleteFrameError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Digit, Ending, How

CLOSE_TIMEOUT_S: Final = 2.0
"""Seconds that a peer may take to close its side after our hangup, before we close without it."""

STALLED_S: Final = 6.0
"""Seconds without progress after which sent data is given up: if a queue on the way is full, TCP takes seconds to
resend a lost packet."""

MAX_CLOSING_S: Final = 30.0
"""The most seconds to wait after our goodbye for sent data to arrive: closing may reset the connection, and data still
on its way would be lost."""

_SILENCE: Final = Silence()

_NOTHING: Final[frozenset[int | tuple[int, int]]] = frozenset()
"""An empty set of its own takes 200 bytes, in each call."""

_TOLD_EACH_TIME: Final = (Kind.DTMF, Kind.HANGUP, Kind.ERROR)
"""Kinds without audio whose every frame matters; of others, the first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a session ends a call by itself; infinite means never."""

    uuid_s: float = 10.0
    idle_s: float = math.inf
    duration_s: float = math.inf


class Failure(NamedTuple):
    """A connection never became a call."""

    reason: str
    is_silent: bool = False
    """Whether it is a health check if the peer has sent no byte: it closed, or was not there for long."""


class Closed(NamedTuple):
    """Nothing keeps the wire open any longer."""


Outcome = UUID | Failure | Ending | Closed | None


class Phase:
    """What a phase does that does nothing."""

    __slots__ = ()

    def wake_s(self) -> float:
        """When, on the clock, it wants `tick` next."""
        return math.inf

    def other_s(self) -> float:
        """When, on the clock, something other than the next frame may be due; minus infinity: it has no frames."""
        return -math.inf

    def hear(self, data: bytes, *, is_answered: bool = True) -> Outcome:
        """Take what was read, and hear a slice of it; `is_answered` says that the source may answer it."""
        return None

    def tick(self, now_s: float) -> Outcome:
        """Do what is due."""
        return None

    def flush(self, now_s: float) -> Outcome:
        """Flush the taps."""
        return None

    def lose(self, how: How, reason: str) -> Outcome:
        """The peer is gone."""
        return None

    def hang_up(self, reason: str, now_s: float) -> Outcome:
        """Our side ends the call."""
        return None

    def leave_by(self, until_s: float) -> None:
        """Close by `until_s`, on the clock, at the latest."""

    def leave(self) -> bool:
        """Nothing more is to be heard or said: return whether the wire may be closed now, or else answer `flush` with
        `Closed`."""
        return True


class Opening(Phase):
    """Until the peer has sent its UUID. Nothing is sent."""

    __slots__ = ("_connected_s", "_receiver", "_role", "_uuid_s")

    def __init__(self, role: Role, receiver: Receiver, uuid_s: float, connected_s: float = math.inf) -> None:
        self._role = role
        self._receiver = receiver
        self._uuid_s = uuid_s
        self._connected_s = connected_s

    def wake_s(self) -> float:
        return self._connected_s + self._uuid_s

    def hear(self, data: bytes, *, is_answered: bool = True) -> Outcome:
        first = self._receiver.take_first(data)
        fault = self._role.fault_of_opening(first or self._receiver.decoder.buffered)
        if fault:
            return Failure(fault)
        return decode_uuid(first[HEADER_BYTES:]) if first else None

    def tick(self, now_s: float) -> Outcome:
        if now_s < self._connected_s + self._uuid_s:
            return None
        return Failure(without_uuid(f"no UUID within {self._uuid_s:g} s"))

    def lose(self, how: How, reason: str) -> Outcome:
        received = self._receiver.received_bytes
        if received:
            return Failure(f"closed after {received} bytes, before its UUID was complete")
        return Failure(without_uuid("closed without a UUID"), is_silent=True)

    def hang_up(self, reason: str, now_s: float) -> Outcome:
        return Failure(reason, is_silent=now_s < self._connected_s + CLOSE_TIMEOUT_S)


class Waiting(Phase):
    """Until the caller is admitted. It hears silence, and what it sends is kept."""

    __slots__ = ("_receiver", "_role", "_sender")

    def __init__(self, role: Role, receiver: Receiver, sender: Sender) -> None:
        self._role = role
        self._receiver = receiver
        self._sender = sender

    def wake_s(self) -> float:
        return self._sender.pacer.deadline_s

    def hear(self, data: bytes, *, is_answered: bool = True) -> Outcome:
        heard = self._receiver.take(data)
        if heard is None:
            return None
        is_kept = self._receiver.keep(heard)
        if any(heard.data[heard.starts[mark.number]] == Kind.HANGUP for mark in heard.marks):
            return Failure(f"{self._role.me.other} hung up, before it was let in")
        return None if is_kept else Failure("sent too much before it was let in")

    def tick(self, now_s: float) -> Outcome:
        return self._sender.say(now_s, _SILENCE, self._receiver.heard_kind)

    def lose(self, how: How, reason: str) -> Outcome:
        return Failure(f"{reason}, before it was let in")

    def hang_up(self, reason: str, now_s: float) -> Outcome:
        return Failure(reason)


class Talking(Phase):
    """The call: both sides are heard, and the taps are told."""

    __slots__ = ("_call", "_limits", "_passed_over", "_queue", "_receiver", "_role", "_sender", "is_limited")

    def __init__(
        self, call: Call, role: Role, receiver: Receiver, sender: Sender, queue: TapQueue, limits: Limits
    ) -> None:
        self._call = call
        self._role = role
        self._receiver = receiver
        self._sender = sender
        self._queue = queue
        self._limits = limits
        self.is_limited = not all(map(math.isinf, (limits.idle_s, limits.duration_s, role.frame_timeout_s)))
        """Whether there is anything to judge by the clock."""
        self._passed_over = _NOTHING
        """Kinds that mean nothing, and changes from one kind to another: they are noted once. Few calls have any."""

    def wake_s(self) -> float:
        return min(self._sender.pacer.deadline_s, self.other_s())

    def other_s(self) -> float:
        receiver = self._receiver
        other_s = self._queue.next_flush_s if receiver.wants_readable else receiver.next_read_s
        if self.is_limited:
            limits = self._limits
            other_s = min(other_s, receiver.origin_s + limits.duration_s, receiver.last_heard_s + limits.idle_s)
            if self._waits_for_rest:
                other_s = min(other_s, receiver.last_heard_s + self._role.frame_timeout_s)
        return other_s

    @property
    def _waits_for_rest(self) -> bool:
        """Whether the rest of a frame has yet to come."""
        return self._receiver.decoder.inside_frame and not self._receiver.is_behind

    # Saying.

    def tick(self, now_s: float) -> Outcome:
        outcome: Outcome = self._judge(now_s) if self.is_limited else None
        if outcome is None:
            outcome = self._sender.say(now_s, self._sender.source, self._receiver.heard_kind)
        if outcome is None and now_s >= self._queue.next_flush_s:
            self._flush_in_time(now_s)
        return outcome

    def end_tick(self, now_s: float) -> Outcome:
        """Do all that is due except sending, once what was read in bulk has been heard."""
        outcome = self._judge(now_s) if self.is_limited else None
        if outcome is None and now_s >= self._queue.next_flush_s:
            self._flush_in_time(now_s)
        return outcome

    def _judge(self, now_s: float) -> Ending | None:
        """End a call whose time is over."""
        limits, receiver, role = self._limits, self._receiver, self._role
        if now_s >= receiver.origin_s + limits.duration_s:
            return role.our_ending(f"longer than {limits.duration_s:g} s")
        if now_s >= receiver.last_heard_s + limits.idle_s:
            return role.our_ending(f"nothing heard for {limits.idle_s:g} s")
        if self._waits_for_rest and now_s >= receiver.last_heard_s + role.frame_timeout_s:
            reason = f"{role.me.other} did not finish a frame; Asterisk ends the call here"
            return Ending(role.me.other, How.FAULT, reason)
        return None

    def flush(self, now_s: float) -> Outcome:
        self._queue.flush(now_s, is_all=self._receiver.has_heard_all)
        return None

    def _flush_in_time(self, now_s: float) -> None:
        self._queue.flush_in_time(now_s, is_all=self._receiver.has_heard_all)

    # Hearing.

    def hear(self, data: bytes, *, is_answered: bool = True) -> Outcome:
        receiver = self._receiver
        early = receiver.take_early(self._passed_over)
        if early is not None:
            return self._hear(*early, is_echoed=False)  # else all of it would be echoed in one burst
        heard = receiver.take(data, self._passed_over)
        if heard is None:
            return self._role.judge_begun(receiver.decoder.buffered)
        return self._hear(heard, *receiver.place(heard.audio_s), is_answered=is_answered)

    def _hear(
        self, heard: Slice, at_s: float, held_s: float, *, is_answered: bool = True, is_echoed: bool = True
    ) -> Ending | None:
        """Hear frames of any kinds. Frames after the one that ends the call are dropped."""
        if self._queue.is_full:
            self._queue.flush(math.inf, is_all=False)
        for mark in heard.marks:
            if not mark.is_audio and self._role.ends_with(heard.data[heard.starts[mark.number]]):
                heard = heard.up_to(mark.number)
                break
        self._receiver.hear(heard, at_s, held_s)
        if self._sender.source.listens and is_answered:
            now_s = self._receiver.origin_s + at_s
            for frame in heard.frames():
                self._sender.answer(frame, now_s, is_echoed=is_echoed)
        ending = None
        for number, before_s, is_audio in heard.marks:
            if is_audio:
                self._note_kind(heard.data[heard.starts[number]])
            else:
                ending = self._take_other(heard.frame(number), self._receiver.mark_s(heard, at_s, before_s))
        return ending

    def _take_other(self, frame: Frame, now_s: float) -> Ending | None:
        """Take a frame that is not audio, unless its kind was noted before and need not be again."""
        if frame.kind in self._passed_over:
            return None
        ending = self._role.judge(frame, self._call)
        if frame.kind == Kind.DTMF and ending is None:
            self._take_digit(frame, now_s)
        if frame.kind not in _TOLD_EACH_TIME:
            self._passed_over |= {frame.kind}
        return ending

    def _take_digit(self, frame: Frame, now_s: float) -> None:
        try:
            digit = decode_digit(frame.payload)
        except FrameError as error:
            self._call.note(tagged("bad-digit", f"ignored a DTMF frame: {error}"))
            return
        at_s = now_s - self._receiver.origin_s
        if self._call.press(Digit(at_s, digit)):
            self._queue.digit(at_s, digit)

    def _note_kind(self, kind: int) -> None:
        before, self._receiver.heard_kind = self._receiver.heard_kind, kind
        if before is None or before == kind or (before, kind) in self._passed_over:
            return
        self._passed_over |= {(before, kind)}
        text = f"the {self._role.me.other}'s kind changed from {kind_name(before)} to {kind_name(kind)}"
        self._call.note(tagged("kind-changed", text))

    # Ending.

    def lose(self, how: How, reason: str) -> Outcome:
        try:
            self._receiver.decoder.finish()
        except IncompleteFrameError as error:
            self._call.note(tagged("frame-cut", f"the last frame is cut: {error}"))
            reason = f"{reason}, in mid-frame"
        return Ending(self._role.me.other, how, reason)

    def hang_up(self, reason: str, now_s: float) -> Outcome:
        return self._role.our_ending(reason)


class Closing(Phase):
    """We said goodbye, and read to the end of the stream; sent data may still be on its way.

    The last batch goes to the taps in a turn of its own: when many calls end at once, that takes long.
    """

    __slots__ = ("_close_by_s", "_is_left", "_leave_by_s", "_moved_s", "_queue", "_undelivered", "_wire")

    def __init__(self, wire: Wire, now_s: float, queue: TapQueue | None = None) -> None:
        """Wait for the peer to close; `queue` is that of taps that have yet to be told that the call is over."""
        self._wire = wire
        self._queue = queue
        self._close_by_s = now_s + CLOSE_TIMEOUT_S
        self._leave_by_s = now_s + MAX_CLOSING_S
        self._undelivered = wire.undelivered
        """What of ours was on its way when we said goodbye, and again each time that it had got less: `_moved_s`."""
        self._moved_s = now_s
        self._is_left = False
        """Whether nothing but the taps keeps the wire open."""

    def wake_s(self) -> float:
        # Once nothing but the taps is waited for, whoever keeps the session calls `flush`: no clock is needed for that.
        return math.inf if self._is_left else self._close_by_s

    def tick(self, now_s: float) -> Outcome:
        """Close without the peer, unless what we said is still getting through to it."""
        if now_s < self._close_by_s:
            return None
        left = self._wire.undelivered
        if left < self._undelivered:
            self._undelivered, self._moved_s = left, now_s
        if not left or now_s >= min(self._moved_s + STALLED_S, self._leave_by_s):
            return Closed()
        self._close_by_s = min(now_s + CLOSE_TIMEOUT_S, self._leave_by_s)
        return None

    def flush(self, now_s: float) -> Outcome:
        if self._queue is None:
            return None
        queue, self._queue = self._queue, None
        queue.close()
        return Closed() if self._is_left else None

    def leave_by(self, until_s: float) -> None:
        self._leave_by_s = min(self._leave_by_s, until_s)
        self._close_by_s = min(self._close_by_s, self._leave_by_s)

    def leave(self) -> bool:
        self._is_left = self._queue is not None
        return not self._is_left


class Ended(Phase):
    """The wire is closed, and the taps have all they were to get."""

    __slots__ = ()
