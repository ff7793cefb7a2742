"""The session: one call over one connection, whichever end of it we are.

A session is told what happens (`start`, `readable`, `tick`) and says when to wake it next (`wake_s`). It reads all that
is there before it looks at the clock, so reads never wait for writes; it sends each frame with one `send`; and from the
UUID on it always has something to say, be it silence.

Nothing is done per frame that can be done per batch: audio that goes on is kept as the bytes that arrived, for the taps
to look at in runs; and where nobody has to hear each frame at once, the wire is read `READ_S` apart while audio flows.

Nobody waits for one peer, whatever it sends. What has been read is heard a slice at a time, and a turn ends when it has
taken `TURN_S`: `has_more` asks for another one, after those of others. Nothing more is read until all has been heard,
so a peer that sends faster than it can be heard waits, as TCP has it. The taps get what was heard before it is much.

What the two ends of a call do differently is in `ends`.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol
from uuid import UUID, uuid4

from audiosocket_cli.asterisk import GAP_MS, UUID_WITHOUT_ANSWER_HINT, Side, fault_of_opening
from audiosocket_cli.call.facts import Call, Digit, Ending, How, now_utc
from audiosocket_cli.call.mixed import MixedRun
from audiosocket_cli.call.pacer import EARLY_S
from audiosocket_cli.call.runs import Chunk, FrameRun, in_runs
from audiosocket_cli.call.slices import MOST_STRETCHES, Slice, slice_of, starts_in
from audiosocket_cli.call.sources import Silence, Source, encoded, meant
from audiosocket_cli.call.taps import FLUSH_S, Tap
from audiosocket_cli.call.wire import READ_BYTES, Wire
from audiosocket_cli.codec import (
    HEADER_BYTES,
    RATE_BY_KIND,
    Frame,
    FrameDecoder,
    Kind,
    decode_digit,
    decode_uuid,
    kind_name,
)
from audiosocket_cli.errors import FrameError, IncompleteFrameError

CLOSE_TIMEOUT_S: Final = 2.0
"""How long a peer may take to close its side after our hangup, before we close without it."""

STALLED_S: Final = 6.0
"""How long what we said may get no further before it is given up: with a full queue on the way, TCP takes seconds to
send a lost packet again."""

MOST_CLOSING_S: Final = 30.0
"""How long we stay after our goodbye for what gets through slowly: closing may reset the connection, and what is still
on its way is lost then."""

STOP_S: Final = 0.8
"""The same when somebody stopped us, and wants it done within two seconds, whatever the peer does."""

READ_S: Final = 0.1
"""How far apart the wire is read while audio flows that nobody has to hear at once: digits are late by as much."""

_TOGETHER_S: Final = 0.05
"""Calls that only listen are seen to so far apart, many at a time: the first of many costs several times what each of
the others does."""

_NEVER: Final = math.inf
_SILENCE: Final = Silence()

_HELD_UP_S: Final = GAP_MS / 1000
"""We are this late when this machine was busy elsewhere, or stood still."""

_HELD_S: Final = 0.005
"""Being woken later than asked for by no more than this is what event loops do, and held up nothing."""

_MOST_BYTES_S: Final = 384_000
"""Bytes a second of the best audio, slin192: a peer that sends more does not wait for its turn longer than others."""

_MOST_CHUNKS: Final = 256
"""As much as is read from one peer in its turn, however late we are, and if it takes no longer than `TURN_S`."""

TURN_S: Final = 0.001
"""How long one peer's turn may take until what is left waits for the next. Checked after each slice, and a flush to the
taps comes on top: what they get at once is bounded for it."""

_SLICE: Final = 256
_SLICE_ANSWERED: Final = 16
"""Frames that are heard at once: a third of a millisecond of work. A source that listens to each takes longer."""

_MOST_HEARD_BYTES: Final = 320 << 10
_MOST_HEARD_S: Final = 1.0
"""What was heard and may wait for the next flush, by its size in memory and in seconds of audio, which some taps take
milliseconds each for. A call that keeps to the clock has less than either, be it one of slin192."""

_MIXED_COST: Final = 4
"""How much longer taps take for audio that keeps changing kind or length."""

_MOST_SAID: Final = 64
"""As many frames as are sent before the peer is heard again, should ever so many be due."""

_MOST_EARLY_BYTES: Final = 16 << 20
"""What may be kept of a caller who waits to be let in: 10 minutes of slin, 40 s of slin192, by its size in memory."""

_FRAME_COST_BYTES: Final = 200
_EQUAL_COST_BYTES: Final = 16
"""What a frame takes beside its payload, and what one takes that is like the one before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a session ends a call by itself; infinite means never."""

    uuid_s: float = 10.0
    idle_s: float = _NEVER
    duration_s: float = _NEVER


class _State(Enum):
    OPENING = auto()  # before the UUID
    WAITING = auto()  # until somebody lets the caller in
    TALKING = auto()
    CLOSING = auto()  # we said goodbye and read to the end of the stream
    ENDED = auto()


class Keeper(Protocol):
    """Who drives a session among others."""

    def put_off(self) -> None:
        """Call `flush` soon, once other sessions have said what they have to say."""

    def let_go(self) -> None:
        """All is over, and the wire is about to be closed. Told once."""


class Session(ABC):
    """What both ends of a call share. `me` is the side that we are."""

    __slots__ = (
        "_begun",
        "_behind",
        "_clock",
        "_close_by_s",
        "_connected_s",
        "_decoder",
        "_door",
        "_early",
        "_early_bytes",
        "_end_is_untold",
        "_frame_s",
        "_heard",
        "_heard_bytes",
        "_heard_s",
        "_in_bulk",
        "_is_left",
        "_is_limited",
        "_last_data",
        "_last_heard_s",
        "_last_meant",
        "_last_said",
        "_leave_by_s",
        "_limits",
        "_most_equal",
        "_moved_s",
        "_next_flush_s",
        "_next_read_s",
        "_origin_s",
        "_read_held_s",
        "_read_s",
        "_said",
        "_slice",
        "_state",
        "_told_of",
        "_told_s",
        "_undelivered",
        "_untold",
        "_uuid",
        "call",
        "closed_silently",
        "ended",
        "failure",
        "flush_s",
        "has_more",
        "heard_kind",
        "keeper",
        "pacer",
        "peer",
        "reads_in_bulk",
        "received_bytes",
        "source",
        "taps",
        "wake_s",
        "wants_readable",
        "wire",
    )

    me: Side

    def __init__(
        self,
        wire: Wire,
        peer: str,
        *,
        source: Source,
        taps: Sequence[Tap] = (),
        limits: Limits | None = None,
        uuid: UUID | None = None,
        door: Callable[[Call], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a connected wire. `uuid` is the one that a placed call says; an answered call hears it.

        `door` is told of the UUID, and calls `admit` or `hang_up`, at once or later. Until then the caller hears
        silence; what arrives is kept, and no tap is told.
        """
        self.wire = wire
        self.peer = peer
        self.source = source
        self.taps = list(taps)
        self.call: Call | None = None
        """The call, once there is a UUID."""
        self.failure: str | None = None
        """Why the connection never became a call, once it has ended without one."""
        self.ended = False
        """Whether all is over: wire closed, taps told."""
        self.closed_silently = False
        """Whether the peer has closed without ever having sent a byte, as health checks do."""
        self.pacer = source.make_pacer()
        self.wants_readable = True
        """Whether `readable` is to be called as soon as there is something to read, rather than left to `tick`."""
        self.reads_in_bulk = self._may_read_in_bulk and not source.listens
        """Whether the wire may be read `READ_S` apart. Who wants to know when each frame arrived says no."""
        self.has_more = False
        """Whether the last turn left something to hear: `readable` is to be called again, after others."""
        self.flush_s = FLUSH_S
        self.heard_kind: int | None = None
        self.received_bytes = 0
        self.wake_s = _NEVER
        """When, on the clock, `tick` wants to be called next."""
        self.keeper: Keeper | None = None
        """Who drives it, if that has to be told."""
        self._limits = limits or Limits()
        self._is_limited = not all(
            map(math.isinf, (self._limits.idle_s, self._limits.duration_s, self._frame_timeout_s))
        )
        self._uuid = uuid or uuid4()
        self._door = door
        self._clock = clock
        self._decoder = FrameDecoder()
        self._state = _State.OPENING
        self._origin_s = self._last_heard_s = self._next_flush_s = self._close_by_s = 0.0
        self._connected_s = 0.0
        self._moved_s = 0.0
        self._leave_by_s = _NEVER
        self._undelivered = 0
        """What of ours was on its way when we said goodbye, and again each time that it had got less: `_moved_s`."""
        self._frame_s = 0.0
        """Seconds of audio in the last frame heard, while audio is all that comes."""
        self._next_read_s = 0.0
        self._heard: list[Chunk] = []
        self._heard_bytes = 0
        self._heard_s = 0.0
        self._behind = False
        """Whether there is more to be heard of what has been read."""
        self._read_s = self._read_held_s = 0.0
        """When that was read, and how long it may have waited for us before."""
        self._in_bulk = False
        """Whether it was read in bulk."""
        self._slice = _SLICE_ANSWERED if source.listens else _SLICE
        self._most_equal = _SLICE_ANSWERED if source.listens else READ_BYTES
        """Frames that are heard at once, and such as are all alike."""
        self._told_of: set[int | tuple[int, int]] = set()
        """Kinds that mean nothing, and changes from one kind to another: they are told of once."""
        self._untold: list[tuple[Tap, Sequence[FrameRun], Sequence[FrameRun], float]] = []
        """The taps that have yet to get what is ready for them, the next one last."""
        self._told_s = 0.0
        """Up to when, in seconds since the call's start, the taps know all."""
        self._said: list[Chunk] = []
        self._last_said: Frame | None = None
        self._last_data = self._last_meant = b""
        self._begun = False
        self._end_is_untold = False
        """Whether the call has ended, and the taps have yet to be told."""
        self._is_left = False
        """Whether nothing more than that keeps the wire open."""
        self._early: list[Chunk] = []
        self._early_bytes = 0

    @property
    def begun(self) -> bool:
        """Whether it has become a call: there is a UUID, and the caller was let in."""
        return self._begun

    @property
    def age_s(self) -> float:
        """Seconds since the call's start, or its whole length once it has ended; 0.0 before the UUID."""
        if self.call is None:
            return 0.0
        return self.call.duration_s if self.call.ending else self._clock() - self._origin_s

    # What happens to a session, said by whoever drives it.

    def start(self) -> None:
        """The connection is there."""
        self._connected_s = self._clock()
        self._greet()
        self._plan_wake()

    def readable(self) -> bool:
        """The wire has something to read, or there was more than one turn had time for: take it.

        Returns whether there may be more, to be heard soon: `has_more`. Not without end, or a flooding peer would be
        the only one heard; but as much as there is time for of what can have come while we were late, as that is to be
        heard before anything is judged by the clock.
        """
        now_s = self._clock()
        if self._behind or self._untold or now_s >= self.wake_s + _HELD_UP_S:
            self.has_more = self._hear_on(now_s)
            return self.has_more
        data = self._receive()  # as nearly always: one frame, or a few
        if data:
            self._received(data)
        if self._behind:
            self.has_more = self._hear_on(now_s)
        else:
            self.has_more = bool(data) and not (self.wire.drained or self.ended)
        return self.has_more

    def _hear_on(self, now_s: float) -> bool:
        until_s, late_s = now_s + TURN_S, now_s - self.wake_s
        chunks = 1 if late_s < _HELD_UP_S else 1 + int(late_s * _MOST_BYTES_S / READ_BYTES)
        if self._behind and not self._untold and self._is_full:
            self.flush()
        for _ in range(min(chunks, _MOST_CHUNKS)):
            if self._untold:
                return True  # not all taps have what was heard before
            if not self._behind:
                data = self._receive()
                if not data:
                    return False
                self._received(data)
            while self._behind:
                if self._clock() >= until_s or (self._is_full and self.keeper is not None):
                    return True  # a flush to the taps takes a turn of its own
                self._hear_next()
            if self.wire.drained or self.ended:
                return False
            if self._clock() >= until_s:
                break
        return True

    def tick(self) -> None:
        """It is `wake_s`, or later, or earlier: do what is due."""
        now_s = self._clock()
        if self._state is _State.TALKING:
            self._talk(now_s)
        else:
            self._wait(now_s)
        self._plan_wake()

    def flush(self, *, is_all: bool = True) -> None:
        """Give the taps what there is. Frames that keep changing take long: then one tap gets it now, others later.

        `is_all` says that no more has been read than what was heard.
        """
        if self._end_is_untold:
            self._tell_end()
        if self._state is not _State.TALKING:
            return
        if not self._untold:
            self._gather(self._clock(), is_all=is_all)
        is_dear = any(isinstance(run, MixedRun) for _, heard, said, _ in self._untold[-1:] for run in (*heard, *said))
        self._tell(1 if is_dear and self.keeper is not None else len(self._untold))
        if self._untold and self.keeper is not None:
            self.keeper.put_off()

    def admit(self) -> None:
        """Let a caller in who waits at the door."""
        if self._state is _State.WAITING:
            self._begin()
            self._plan_wake()

    def hang_up(self, reason: str) -> None:
        """End the call from our side, for a reason in words. Twice is fine."""
        if self._state is _State.TALKING:
            self._end_call(Ending(self.me, self._our_goodbye, reason))
        elif self._state in (_State.OPENING, _State.WAITING):
            self._fail(reason)
        self._plan_wake()

    def stop(self, reason: str) -> None:
        """End the call from our side, as `hang_up` does, but stay no longer than `STOP_S` after our goodbye."""
        now_s = self._clock()
        self._leave_by_s = min(self._leave_by_s, now_s + STOP_S)
        self.hang_up(reason)
        self._close_by_s = min(self._close_by_s, self._leave_by_s)
        self._plan_wake()

    def abort(self) -> None:
        """End it now, without waiting for the peer. Twice is fine."""
        self.hang_up("stopped at once")
        if self._end_is_untold:
            self._tell_end()
        self._end()
        self._plan_wake()

    # What the two ends do differently.

    _our_goodbye = How.HANGUP
    _may_read_in_bulk = True
    _frame_timeout_s = math.inf
    """How long the peer may take between two parts of a frame."""

    def _greet(self) -> None:  # noqa: B027 - a server says nothing first
        """Say what this end says first, once connected."""

    @abstractmethod
    def _ends_with(self, kind: int) -> bool:
        """Whether a frame of this kind that is not audio ends the call."""

    @abstractmethod
    def _accept(self, frame: Frame, now_s: float) -> None:
        """Take one frame of the peer's that is not audio."""

    def _blocked(self, now_s: float) -> None:
        """A frame is due, and the peer does not read."""
        self.pacer.held += 1

    def _judge_header(self, begun: bytes, now_s: float) -> None:  # noqa: B027 - a server has no need to
        """Take a look at a frame that has only begun."""

    @abstractmethod
    def _part(self) -> None:
        """Say goodbye on the wire, after `_finish` has settled how the call ended."""

    # Hearing.

    def _receive(self) -> bytes:
        """Return what has arrived; nothing if that is so, or if the peer is gone, which is then the end."""
        try:
            data = self.wire.receive()
        except OSError as error:
            self._peer_gone(How.RESET, _loss(error, self.me.other))
        else:
            if data:
                return data
            if data is None:
                return b""
            self._peer_gone(How.CLOSED, f"{self.me.other} closed")
        self._plan_wake()
        return b""

    def _read_in_bulk(self, now_s: float) -> None:
        """Read what came since the last time. Once nothing did, the next frame is to be heard when it comes."""
        data = self._receive()
        count = self._decoder.take_equal(data) if self._frame_s else 0
        if count:
            self.received_bytes += len(data)
            self._heard_on(data, count, self._arrival_s(now_s, count * self._frame_s), 0.0, now_s)
        elif data:
            self._received(data)
        self._next_read_s = max(self._next_read_s + READ_S, now_s)
        is_left = self._behind or not self.wire.drained
        if self._state is not _State.TALKING or not data or (is_left and self.readable()):
            self.wants_readable = True

    def _received(self, data: bytes) -> None:
        now_s = self._clock()
        self.received_bytes += len(data)
        if self._frame_s:
            count = self._decoder.take_equal(data, self._most_equal)
            if count:
                self._flow_on(data, count, now_s)
                return
        if self._state is _State.CLOSING:
            return  # said after our goodbye, to nobody
        self._read_s, self._read_held_s, self._in_bulk = now_s, self._held_s(now_s), not self.wants_readable
        self._hear_next(data)

    def _hear_next(self, data: bytes = b"", *, is_answered: bool = True) -> None:
        """Hear a slice of what has been read; `_behind` says whether more is left."""
        if self._early and self._state is _State.TALKING:  # the first of it is last in the list
            kept = self._early.pop()
            early = slice_of(kept[3], starts_in(kept), self._told_of)
            self._hear(early, kept[0], kept[1], is_echoed=False)  # or all of it would come back in one burst
            self._plan_wake()
            return
        most = 1 if self._state is _State.OPENING else self._slice
        frames, starts = self._decoder.take(data, most)
        self._behind = len(starts) == most
        if self._state is _State.OPENING:
            self._opened_by(frames, self._read_s)
        elif starts:
            heard = slice_of(frames, starts, self._told_of)
            at_s = self._slice_s(heard.audio_s)
            self._last_heard_s = self._read_s
            if self._state is _State.TALKING:
                self._hear(heard, at_s, self._read_held_s, is_answered=is_answered)
            elif self._state is _State.WAITING:
                self._keep(heard, at_s, self._read_held_s)
        else:
            self._judge_header(self._decoder.buffered, self._read_s)
            self._last_heard_s = self._read_s
        self._plan_wake()

    def _slice_s(self, audio_s: float) -> float:
        """When a slice of what was read arrived, in seconds since the call's start: after the slice before."""
        if self._in_bulk and self._last_heard_s == self._read_s and self._heard:
            return min(self._read_s - self._origin_s, self._heard[-1][0] + audio_s)
        return self._arrival_s(self._read_s, audio_s)

    def _hear_rest(self) -> None:
        """Hear all that has been read: there is no later turn for it."""
        while self._behind and self._state is _State.TALKING:
            self._hear_next(is_answered=False)

    def _flow_on(self, data: bytes, count: int, now_s: float) -> None:
        """Take frames like the last one, which was audio: most of what a call is made of."""
        held_s = self._held_s(now_s) if now_s > self.wake_s + _HELD_S else 0.0
        self._heard_on(data, count, self._arrival_s(now_s, count * self._frame_s), held_s, now_s)
        if self.source.listens:
            if count == 1:
                self._answer(data, now_s)
                return
            size = len(data) // count
            for start in range(0, len(data), size):
                self._answer(data[start : start + size], now_s)
        elif self.wants_readable and self.reads_in_bulk:
            self.wants_readable = False
            # With a frame of ours, so that both cost one wake; if they are as rare, then together with other calls'.
            self._next_read_s = max(now_s, self.pacer.deadline_s)
            if self.pacer.period_s >= READ_S:
                self._next_read_s = math.ceil(self._next_read_s / _TOGETHER_S) * _TOGETHER_S
                self.pacer.restart(self._next_read_s)
            assert self.call is not None
            self.call.in_bulk = True
            self._plan_wake()

    def _heard_on(self, data: bytes, count: int, at_s: float, held_s: float, now_s: float) -> None:
        self._heard.append((at_s, held_s, count, data))
        self._last_heard_s = now_s
        self._heard_bytes += len(data) + _FRAME_COST_BYTES + count * _EQUAL_COST_BYTES
        self._heard_s += count * self._frame_s
        if self._heard_bytes >= _MOST_HEARD_BYTES or self._heard_s >= _MOST_HEARD_S:
            self._flush(now_s)

    @property
    def _waits_for_turn(self) -> bool:
        """Whether what waits on the wire will be heard when others have been."""
        return self.has_more and self.keeper is not None

    @property
    def _is_full(self) -> bool:
        """Whether the taps are to get what was heard before anything else is."""
        return self._heard_bytes >= _MOST_HEARD_BYTES or self._heard_s >= _MOST_HEARD_S

    def _held_s(self, now_s: float) -> float:
        """How long what is read now may have waited for us, because we were busy elsewhere."""
        if not self.wants_readable or self._state not in (_State.WAITING, _State.TALKING):
            return 0.0
        if now_s < self.wake_s + _HELD_S:
            return 0.0
        return max(0.0, now_s - max(self.wake_s, self._last_heard_s))

    def _arrival_s(self, now_s: float, audio_s: float) -> float:
        """When what is read now arrived, in seconds since the call's start.

        Of what is read in bulk, less than went by since the last time is taken to have followed on: then came a pause.
        """
        if self.wants_readable or not audio_s:
            return now_s - self._origin_s
        pause_s = now_s - self._last_heard_s - audio_s
        return now_s - self._origin_s - (pause_s if pause_s > 0 else 0.0)

    def _keep(self, heard: Slice, at_s: float, held_s: float) -> None:
        self._early += heard.chunks(at_s, held_s, in_turn=False)
        self._early_bytes += len(heard.data) + len(heard.starts) * _FRAME_COST_BYTES
        if any(heard.data[heard.starts[mark.number]] == Kind.HANGUP for mark in heard.marks):
            self._fail(f"{self.me.other} hung up, before it was let in")
        elif self._early_bytes > _MOST_EARLY_BYTES:
            self._fail("sent too much before it was let in")
        else:
            self.heard_kind = heard.last_kind or self.heard_kind

    def _hear(
        self, heard: Slice, at_s: float, held_s: float, *, is_answered: bool = True, is_echoed: bool = True
    ) -> None:
        """Hear frames of any kinds. What follows on the one that ends the call is said to nobody."""
        if self._is_full:
            self.flush(is_all=False)
        for mark in heard.marks:
            if not mark.is_audio and self._ends_with(heard.data[heard.starts[mark.number]]):
                heard = heard.up_to(mark.number)
                break
        self._heard += heard.chunks(at_s, held_s, in_turn=self._in_bulk)
        self._heard_bytes += len(heard.data) + len(heard.stretches) * _FRAME_COST_BYTES
        self._heard_bytes += len(heard.starts) * _EQUAL_COST_BYTES
        self._heard_s += heard.audio_s * (_MIXED_COST if len(heard.stretches) > MOST_STRETCHES else 1)
        self._frame_s = heard.last_s
        if self.source.listens and is_answered:
            for frame in heard.frames():
                self._answer(frame, self._origin_s + at_s, is_echoed=is_echoed)
        begin_s = self._origin_s + at_s - (heard.audio_s if self._in_bulk else 0.0)
        for number, before_s, is_audio in heard.marks:
            if is_audio:
                self._note_kind(heard.data[heard.starts[number]])
            else:
                self._look_at(heard.frame(number), begin_s + (before_s if self._in_bulk else 0.0))

    def _look_at(self, frame: Frame, now_s: float) -> None:
        """Take a frame that is not audio, and those no more that would only be told of again."""
        if frame.kind in self._told_of:
            return
        self._accept(frame, now_s)
        if frame.kind not in (Kind.DTMF, Kind.HANGUP, Kind.ERROR):
            self._told_of.add(frame.kind)

    def _opened_by(self, first: bytes, now_s: float) -> None:
        """Judge the first frame of an answered connection, or what there is of it."""
        fault = fault_of_opening(first or self._decoder.buffered)
        if fault:
            self._fail(fault)
        elif first:
            self._open(decode_uuid(first[HEADER_BYTES:]), now_s)

    def _note_kind(self, kind: int) -> None:
        assert self.call is not None
        before, self.heard_kind = self.heard_kind, kind
        if before is None or before == kind or (before, kind) in self._told_of:
            return
        self._told_of.add((before, kind))
        self.call.note(f"the {self.me.other}'s kind changed from {kind_name(before)} to {kind_name(kind)}")

    def _answer(self, data: bytes, now_s: float, *, is_echoed: bool = True) -> None:
        answer = self.source.answer(data, now_s - self._origin_s)
        if answer is None or not is_echoed:
            return
        if self.wire.send(answer):
            self._said.append((now_s - self._origin_s, 0.0, 1, answer))
            self._heard_bytes += _FRAME_COST_BYTES
        else:
            self.pacer.held += 1
        self.pacer.restart(now_s + GAP_MS / 1000)

    def _accept_digit(self, frame: Frame, now_s: float) -> None:
        assert self.call is not None
        try:
            digit = decode_digit(frame.payload)
        except FrameError as error:
            self.call.note(f"ignored a DTMF frame: {error}")
            return
        at_s = now_s - self._origin_s
        if self.call.press(Digit(at_s, digit)):
            for tap in self.taps:
                tap.digit(at_s, digit)

    # Saying.

    def _talk(self, now_s: float) -> None:
        if self.wants_readable:
            if now_s - self.wake_s > _HELD_UP_S and not self._waits_for_turn:
                # We were held up. What waits on the wire arrived in time: hear it before judging the peer by the clock.
                self.readable()
            if self._state is _State.TALKING and not self._is_over(now_s):
                self._say(now_s, self.source)
        else:
            # Ours first: what we say takes the acknowledgement along of all that has arrived.
            self._say(now_s, self.source)
            if not self.wants_readable and now_s + EARLY_S >= self._next_read_s:
                self._read_in_bulk(now_s)
            if self._is_limited and self._state is _State.TALKING:
                self._is_over(now_s)
        if now_s >= self._next_flush_s and self._state is _State.TALKING:
            self._next_flush_s = now_s + self.flush_s - _HELD_S  # or a wake a little too early would miss it
            if self.keeper is None:
                self._flush(now_s)
            else:
                self.keeper.put_off()

    def _is_over(self, now_s: float) -> bool:
        """End a call that has had its time."""
        if not self._is_limited:
            return False
        if now_s >= self._origin_s + self._limits.duration_s:
            self.hang_up(f"longer than {self._limits.duration_s:g} s")
        elif now_s >= self._last_heard_s + self._limits.idle_s:
            self.hang_up(f"nothing heard for {self._limits.idle_s:g} s")
        elif self._decoder.inside_frame and not self._behind and now_s >= self._last_heard_s + self._frame_timeout_s:
            reason = f"{self.me.other} did not finish a frame; Asterisk ends the call here"
            self._end_call(Ending(self.me.other, How.FAULT, reason))
        return self._state is not _State.TALKING

    def _say(self, now_s: float, source: Source) -> None:
        """Send what is due."""
        pacer, wire = self.pacer, self.wire
        due_s = now_s + EARLY_S
        for _ in range(_MOST_SAID):
            if pacer.deadline_s > due_s:
                return
            if wire.blocked:
                pacer.take(now_s)
                self._blocked(now_s)
                if self._state is _State.CLOSING:
                    return
                continue
            frame = source.next_frame(self.heard_kind)
            if frame is None:
                self.hang_up(source.ending)
                return
            at_s = pacer.take(now_s) if frame.kind in RATE_BY_KIND else now_s
            if frame is not self._last_said:  # of silence, there is one frame for all
                self._last_said, self._last_data, self._last_meant = frame, encoded(frame), meant(frame)
            if wire.send(self._last_data):
                self._said.append((at_s - self._origin_s, 0.0, 1, self._last_meant))
                if frame.kind == Kind.DTMF:
                    self._note_our_digit(at_s, frame)
            else:
                pacer.held += 1

    def _note_our_digit(self, at_s: float, frame: Frame) -> None:
        assert self.call is not None
        self.call.digits.append(Digit(at_s - self._origin_s, decode_digit(frame.payload)))

    def _flush(self, now_s: float) -> None:
        """Give all taps all that there is."""
        self._tell(len(self._untold))
        self._gather(now_s)
        self._tell(len(self._untold))

    def _gather(self, now_s: float, *, is_all: bool = True) -> None:
        """Make what there is ready for the taps."""
        heard = in_runs(self._heard)
        said = heard if self._said == self._heard else in_runs(self._said)  # an echo is looked at once
        assert self.call is not None
        self.call.backlog_bytes = max(self.call.backlog_bytes, self.wire.undelivered)
        at_s = now_s - self._origin_s
        if not is_all or self._behind or not self.wire.drained:
            # More is there to be read: until it is, the time since the last of what was heard would look like a pause.
            at_s = min(at_s, self._heard[-1][0] if self._heard else self._told_s)
        self._told_s = at_s
        self._untold = [(tap, heard, said, at_s) for tap in reversed(self.taps)]
        self._heard, self._said, self._heard_bytes, self._heard_s = [], [], 0, 0.0

    def _tell(self, taps: int) -> None:
        """Give the next taps what is ready for them."""
        for _ in range(taps):
            tap, heard, said, at_s = self._untold.pop()
            tap.frames(heard, said, at_s)

    # Beginning and ending.

    def _wait(self, now_s: float) -> None:
        """Do what is due before a call has begun, and after its end."""
        if now_s - self.wake_s > _HELD_UP_S and not self._waits_for_turn:
            self.readable()
        if self._state is _State.OPENING and now_s >= self._connected_s + self._limits.uuid_s:
            self._fail(f"no UUID within {self._limits.uuid_s:g} s ({UUID_WITHOUT_ANSWER_HINT})")
        elif self._state is _State.WAITING:
            self._say(now_s, _SILENCE)
        elif self._state is _State.CLOSING and now_s >= self._close_by_s:
            self._close(now_s)

    def _open(self, uuid: UUID, now_s: float) -> None:
        self._origin_s = self._last_heard_s = now_s
        self.call = Call(self.me, self.peer, uuid, now_utc(), self.pacer)
        self.pacer.restart(now_s)
        if self._door is None:
            self._begin()
        else:
            self._state = _State.WAITING
            door, self._door = self._door, None
            door(self.call)

    def _begin(self) -> None:
        assert self.call is not None
        self._state = _State.TALKING
        self._begun = True
        self._next_flush_s = self._clock() + self.flush_s
        for tap in self.taps:
            tap.opened(self.call)
        self.heard_kind = None  # it changes again as what was kept is heard
        if self._early:
            self._early.reverse()
            self._behind = True
            self.readable()

    def _peer_gone(self, how: How, reason: str) -> None:
        if self._state is _State.OPENING:
            self.closed_silently = not self.received_bytes
            self._fail(self._silent_end())
        elif self._state is _State.WAITING:
            self._fail(f"{reason}, before it was let in")
        elif self._state is _State.TALKING:
            assert self.call is not None
            try:
                self._decoder.finish()
            except IncompleteFrameError as error:
                self.call.note(f"the last frame is cut: {error}")
                reason = f"{reason}, in mid-frame"
            self._finish(Ending(self.me.other, how, reason))
        self._end()

    def _silent_end(self) -> str:
        if self.received_bytes:
            return f"closed after {self.received_bytes} bytes, before its UUID was whole"
        return f"closed without a UUID ({UUID_WITHOUT_ANSWER_HINT})"

    def _end_call(self, ending: Ending) -> None:
        """End the call once all that has arrived has been heard, unless that ends it."""
        self._hear_rest()
        if self._state is _State.TALKING and not self.wants_readable:  # up to READ_S of audio wait to be read in bulk
            self._read_in_bulk(self._clock())
            self._hear_rest()
        if self._state is _State.TALKING:
            self._finish(ending)

    def _finish(self, ending: Ending) -> None:
        """Settle how the call ended, and say goodbye; the taps get the last of it."""
        assert self.call is not None
        now_s = self._clock()
        self._begin_closing(now_s)
        self._frame_s = 0.0
        self.wants_readable = True
        self.call.ending = ending
        self.call.duration_s = now_s - self._origin_s
        if ending.by is self.me or ending.how in (How.HANGUP, How.FAULT):
            self._part()
        for text in self.source.close():
            self.call.note(text)
        self._end_is_untold = True
        if self.keeper is None:
            self._tell_end()
        else:
            self.keeper.put_off()  # the last of many calls that end at once takes long: others have their turns between

    def _tell_end(self) -> None:
        """Give the taps the last of a call that has ended."""
        assert self.call is not None
        self._end_is_untold = False
        self._flush(self._origin_s + self.call.duration_s)
        for tap in self.taps:
            tap.closed(self.call)
        if self._is_left:
            self._end()

    def _fail(self, reason: str) -> None:
        """End a connection that never became a call."""
        self.failure = reason
        self._begin_closing(self._clock())
        self._part()

    def _begin_closing(self, now_s: float) -> None:
        self._state = _State.CLOSING
        self._behind = False
        self._early.clear()
        self._moved_s = now_s
        self._leave_by_s = min(self._leave_by_s, now_s + MOST_CLOSING_S)
        self._close_by_s = now_s + CLOSE_TIMEOUT_S
        self._undelivered = self.wire.undelivered

    def _close(self, now_s: float) -> None:
        """Close without the peer, unless what we said is still getting through to it."""
        left = self.wire.undelivered
        if left < self._undelivered:
            self._undelivered, self._moved_s = left, now_s
        if left and now_s < min(self._moved_s + STALLED_S, self._leave_by_s):
            self._close_by_s = min(now_s + CLOSE_TIMEOUT_S, self._leave_by_s)
        else:
            self._end()

    def _end(self) -> None:
        if self._end_is_untold:
            self._is_left = True
        elif self._state is not _State.ENDED:
            self._state = _State.ENDED
            self.ended = True
            self._door = None
            if self.call is not None:
                self.call.undelivered_bytes = self.wire.undelivered
            if self.keeper is not None:
                self.keeper.let_go()
                self.keeper = None
            self.wire.close()

    def _plan_wake(self) -> None:
        if self._state is _State.TALKING:
            wake_s, other_s = self.pacer.deadline_s, self._next_flush_s if self.wants_readable else self._next_read_s
            if other_s < wake_s:
                wake_s = other_s
            if self._is_limited:
                limits = self._limits
                wake_s = min(wake_s, self._origin_s + limits.duration_s, self._last_heard_s + limits.idle_s)
            self.wake_s = wake_s
        elif self._state is _State.WAITING:
            self.wake_s = self.pacer.deadline_s
        elif self._state is _State.OPENING:
            self.wake_s = self._connected_s + self._limits.uuid_s
        elif self._state is _State.CLOSING and not self._is_left:
            self.wake_s = self._close_by_s
        else:  # nothing is left to wait for; where the taps have yet to be told, the keeper does that
            self.wake_s = _NEVER


def _loss(error: OSError, peer: Side) -> str:
    if isinstance(error, ConnectionResetError):
        return f"{peer} reset the connection"
    return f"connection lost: {(error.strerror or str(error)).lower()}"
