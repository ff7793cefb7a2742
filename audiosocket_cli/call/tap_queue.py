"""Frames that wait for the taps, which get them in batches, and never a whole flood at once.

Taps cost most of what a call costs, and most of that is for being called at all: so they get half a second and more in
one batch. Audio that keeps changing kind costs them many times more. Where others wait, one tap gets such a batch in
a turn of its own, and the next tap in the next turn; meanwhile the session hears nothing more, so that the peer waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import uniform
from typing import Final, Protocol

from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.slices import MAX_STRETCHES, Slice
from audiosocket_cli.call.taps.tap import FLUSH_S, Tap
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.chunks import Chunk, Chunks
from audiosocket_cli.mixed_runs import MixedRun
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun, in_runs, note_echo

WAKE_TOLERANCE_S: Final = 0.005
"""Event loops may wake us this much later than asked for, or a little too early: it held up nothing."""

_MAX_BYTES: Final = 320 << 10
_SPARE_AUDIO_S: Final = 0.2
"""Limits on what waits for the next flush: bytes in memory, and seconds of audio heard beyond those between flushes, as
some taps take milliseconds for each second. A paced call stays below both, even with slin192 where taps are flushed
every `FLUSH_S`."""

_MIXED_COST: Final = 4
"""How much longer taps take for audio that keeps changing kind or length."""

CHUNK_COST_BYTES: Final = 200
_EQUAL_COST_BYTES: Final = 16
"""What a chunk takes beside its payload, and each frame that is like the one before."""


class Scheduler(Protocol):
    """Who drives a session among others."""

    def defer_flush(self) -> None:
        """Call the session's `flush` soon, once other sessions have said what they have to say."""

    def released(self) -> None:
        """The session has ended, and its wire is about to be closed. Called once."""

    def run(self, step: Callable[[], object]) -> None:
        """Let the session do something now. If that raises, it ends this call, and no other."""


class SessionScheduler(Scheduler, Protocol):
    """Who drives a session whose source may say something of its own accord."""

    def replan(self) -> None:
        """The session's next wake has changed, or its wire is blocked, by something other than its driver."""


class TapQueue:
    """The taps of one call, and the frames that they have not got yet."""

    __slots__ = (
        "_audio_s",
        "_call",
        "_flush_s",
        "_max_audio_s",
        "_origin_s",
        "_peeks",
        "_scheduler",
        "_taps",
        "_told_s",
        "_wire",
        "heard",
        "memory_bytes",
        "next_flush_s",
        "ready",
        "said",
    )

    def __init__(self, wire: Wire) -> None:
        """Take the wire, which tells what our peer's system has not confirmed, and whether all has been read."""
        self.heard = Chunks()
        self.said = Chunks()
        self.memory_bytes = 0
        """What all of it takes. The sender itself adds what it says: a call for each frame would cost more than it."""
        self.next_flush_s = 0.0
        """When, on the clock, the taps are to be told next."""
        self.ready: list[tuple[Tap, Sequence[FrameRun], Sequence[FrameRun], float]] = []
        """The taps that have yet to get a batch that is ready for them, the next one last."""
        self._audio_s = 0.0
        self._wire = wire
        self._taps: list[Tap] = []
        self._peeks: tuple[Peek, ...] = ()
        self._flush_s = FLUSH_S
        self._max_audio_s = FLUSH_S + _SPARE_AUDIO_S
        self._scheduler: Scheduler | None = None
        self._call: Call | None = None
        self._origin_s = 0.0
        self._told_s = 0.0
        """Up to when, in seconds since the call's start, the taps know all."""

    def watch(self, taps: Sequence[Tap], flush_s: float) -> None:
        """Give batches to these taps, every `flush_s` seconds."""
        self._taps = list(taps)
        self._flush_s = flush_s
        self._max_audio_s = max(FLUSH_S + _SPARE_AUDIO_S, flush_s * 1.5)

    @property
    def _first_flush_s(self) -> float:
        return min(self._flush_s, FLUSH_S)

    def use_scheduler(self, scheduler: Scheduler | None) -> None:
        """Set the scheduler, which drives other sessions as well, if there is one."""
        self._scheduler = scheduler

    def begin(self, call: Call, now_s: float) -> None:
        """The call has its UUID: times count from now on. The taps are not told yet."""
        self._call = call
        self._origin_s = now_s

    # Who looks at it for a while.

    def peek(self) -> Peek:
        """Return a look at what passes from now on, until `end_peek`."""
        peek = Peek(self.heard, self.said)
        self._peeks = (*self._peeks, peek)
        return peek

    def end_peek(self, peek: Peek) -> None:
        """End a look. Safe to call twice."""
        self._peeks = tuple(other for other in self._peeks if other is not peek)

    # Filling it.

    @property
    def is_full(self) -> bool:
        """Whether the taps have to be flushed before anything else is heard."""
        return self.memory_bytes >= _MAX_BYTES or self._audio_s >= self._max_audio_s

    def add_equal(self, chunk: Chunk, audio_s: float, now_s: float, *, is_all: bool) -> None:
        """Keep frames that were heard, all alike, with `audio_s` seconds of audio. If that is much, all taps are
        flushed at once.

        `is_all` says that no more has been read than what was heard.
        """
        self.heard.append(chunk)
        self.memory_bytes += len(chunk[3]) + CHUNK_COST_BYTES + chunk[2] * _EQUAL_COST_BYTES
        self._audio_s += audio_s
        if self.memory_bytes >= _MAX_BYTES or self._audio_s >= self._max_audio_s:
            self._flush_all(now_s, is_all=is_all)

    def note_flowed(self, count: int, size: int, audio_s: float, *, is_echoed: bool) -> None:
        """Note that the last `count` chunks, single frames of `size` bytes, were heard, and maybe sent back."""
        if is_echoed:
            self.said.add_last_of(self.heard, count)
            self.memory_bytes += count * CHUNK_COST_BYTES
        self.memory_bytes += count * (size + CHUNK_COST_BYTES + _EQUAL_COST_BYTES)
        self._audio_s += audio_s

    def add_slice(self, heard: Slice, chunks: Sequence[Chunk], *, is_said: bool = False) -> None:
        """Keep frames that were heard, of any kinds; or that were said, where somebody else says what comes."""
        (self.said if is_said else self.heard).extend(chunks)
        self.memory_bytes += len(heard.data) + len(heard.stretches) * CHUNK_COST_BYTES
        self.memory_bytes += len(heard.starts) * _EQUAL_COST_BYTES
        self._audio_s += heard.audio_s * (_MIXED_COST if len(heard.stretches) > MAX_STRETCHES else 1)

    def note_passed(self, count: int, size: int, audio_s: float) -> None:
        """Note that `count` single frames of `size` bytes were added to what was heard or said, in a call in which both
        are what comes: each counts half."""
        self.memory_bytes += count * (size + CHUNK_COST_BYTES + _EQUAL_COST_BYTES)
        self._audio_s += audio_s / 2

    # Emptying it.

    def open(self, now_s: float) -> None:
        """Tell the taps that the call has begun."""
        assert self._call is not None
        self.next_flush_s = now_s + self._first_flush_s
        for tap in self._taps:
            tap.opened(self._call)

    def digit(self, at_s: float, digit: str) -> None:
        """Tell the taps of a digit, at once."""
        for tap in self._taps:
            tap.digit(at_s, digit)

    def flush_in_time(self, now_s: float, *, is_all: bool) -> None:
        """It is time to tell the taps: do it, or ask for a turn for it."""
        planned_s = now_s + self._flush_s
        if not self._told_s:
            # The first batch came early: what is wrong with a call is told with the second. Calls that began together
            # part here, or all would be flushed at once ever after.
            planned_s = max(now_s + self._first_flush_s, self._origin_s + self._flush_s * uniform(0.75, 1.25))
        self.next_flush_s = planned_s - WAKE_TOLERANCE_S  # or a wake a little too early would miss it
        if self._scheduler is None:
            self._flush_all(now_s, is_all=is_all)
        else:
            self._scheduler.defer_flush()

    def flush(self, now_s: float, *, is_all: bool) -> None:
        """Give the taps what there is. Frames that keep changing take long: then one tap gets it now, others later."""
        if not self.ready:
            self._gather(now_s, is_all=is_all)
        is_dear = any(isinstance(run, MixedRun) for _, heard, said, _ in self.ready[-1:] for run in (*heard, *said))
        self._hand_out(1 if is_dear and self._scheduler is not None else len(self.ready))
        if self.ready and self._scheduler is not None:
            self._scheduler.defer_flush()

    def close(self) -> None:
        """The call has ended: give the taps the last of it."""
        assert self._call is not None
        self._flush_all(self._origin_s + self._call.duration_s, is_all=True)
        for tap in self._taps:
            tap.closed(self._call)

    def release(self) -> None:
        """Forget the taps, and who keeps the session: they may refer to it, and it is to leave memory at once."""
        self._taps = []
        self._peeks = ()
        self._scheduler = None

    def _flush_all(self, now_s: float, *, is_all: bool) -> None:
        """Give all taps all that there is."""
        self._hand_out(len(self.ready))
        self._gather(now_s, is_all=is_all)
        self._hand_out(len(self.ready))

    def _gather(self, now_s: float, *, is_all: bool) -> None:
        """Prepare the waiting frames for the taps."""
        for peek in self._peeks:
            peek.keep()
        last_s = self.heard.at_s[-1] if self.heard else self._told_s
        heard, said = in_runs(self.heard.take_all()), in_runs(self.said.take_all())
        note_echo(heard, said)
        assert self._call is not None
        self._call.backlog_bytes = max(self._call.backlog_bytes, self._wire.undelivered)
        at_s = now_s - self._origin_s
        if not is_all or not self._wire.drained:
            # More is there to be read: until it is, the time since the last of what was heard would look like a pause.
            at_s = min(at_s, last_s)
        self._told_s = at_s
        self.ready = [(tap, heard, said, at_s) for tap in reversed(self._taps)]
        self.memory_bytes, self._audio_s = 0, 0.0

    def _hand_out(self, taps: int) -> None:
        """Give the ready batch to the next `taps` taps."""
        for _ in range(taps):
            tap, heard, said, at_s = self.ready.pop()
            tap.frames(heard, said, at_s)
