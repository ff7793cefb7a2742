"""The receiving side of a call: bytes in; frames with their times out, for the taps.

**Times of arrival.** A frame's time is that of its read. If the session was woken late, because this machine was busy,
the frame may have waited up to `held_s` seconds before that. Both are passed on, so our delay is not counted as the
peer's.

**Continuous audio.** Most frames have the header of the frame before. `flow` takes them as raw bytes, without looking
at each one: this is most of the work of hearing. All other frames are looked at in slices (`take`).

**Reading in bulk.** Where nobody needs each frame at once, we look at the wire `READ_S` apart while audio flows, or
more often if it has paused of late. If less audio has come than the time since the last look, the audio is placed
directly after the last frame, and the rest of the time is a pause.

**Left on the wire.** What arrives between two batches for the taps costs no memory of ours while it waits in the
system's. So in bulk we mostly ask only how much has arrived (`leave`), and note when, and read it all just before the
taps get it. A number that is not one of whole frames means a digit, or something else that somebody waits for: that is
read at once.

**Bounds.** A slice is some hundred frames, a third of a millisecond of work. What has been read and not been heard yet
(`is_behind`) is one read at most: the session reads no more until it has been heard. What a caller says who waits to be
let in (`keep`) may take `_MAX_EARLY_BYTES`.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Final

from audiosocket_cli.asterisk.facts import GAP_MS
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.slices import Slice, slice_of, starts_in
from audiosocket_cli.call.tap_queue import CHUNK_COST_BYTES, WAKE_TOLERANCE_S, TapQueue
from audiosocket_cli.call.wire import READ_BYTES
from audiosocket_cli.chunks import Chunk
from audiosocket_cli.codec import SAMPLE_BYTES, FrameDecoder, Kind, rate_of

READ_S: Final = 0.2
"""Seconds between looks at the wire while audio flows that nobody needs at once: digits are told that much later."""

_QUICK_READ_S: Final = 0.1
"""The same where audio has paused within `_STEADY_S`, as a pause inside a read is not seen where it was; and of rates
that would fill more than one read, as what waits for us is to fit into the system's smallest buffer."""

_STEADY_S: Final = 2.0
_PAUSE_S: Final = GAP_MS / 1000
_MAX_RARE_HZ: Final = READ_BYTES / READ_S / SAMPLE_BYTES

_TOGETHER_S: Final = 0.05
"""Seconds between wakes of calls that only listen, many together: the first of a batch costs several times as much as
the others."""

_SLICE: Final = 256
_SLICE_ANSWERED: Final = 16
"""Frames that are heard at once: a third of a millisecond of work. A source that listens to each takes longer."""

_MAX_EARLY_BYTES: Final = 16 << 20
"""What may be kept of a caller who waits to be let in: 10 minutes of slin, 40 s of slin192, by its size in memory."""


class Receiver:
    """What one call hears, and when."""

    __slots__ = (
        "_early",
        "_early_bytes",
        "_left",
        "_queue",
        "_read_held_s",
        "_slice",
        "_steady_from_s",
        "_was_in_bulk",
        "decoder",
        "frame_s",
        "heard_kind",
        "is_behind",
        "is_listened_to",
        "last_heard_s",
        "left_bytes",
        "most_equal",
        "next_read_s",
        "origin_s",
        "read_s",
        "reads_in_bulk",
        "received_bytes",
        "wants_readable",
    )

    def __init__(self, queue: TapQueue, *, listens: bool, reads_in_bulk: bool) -> None:
        """Put what is heard into a queue. `listens` says that the source hears each frame at once."""
        self.decoder = FrameDecoder()
        self.origin_s = 0.0
        """When, on the clock, the call began."""
        self.last_heard_s = math.inf
        """When, on the clock, something was last heard. Before the call has begun, nothing can have waited for us."""
        self.heard_kind: int | None = None
        """The kind of the last audio."""
        self.received_bytes = 0
        self.frame_s = 0.0
        """Seconds of audio in the last frame heard, while audio is all that comes."""
        self.wants_readable = True
        """Whether the wire is to be read as soon as there is something, rather than in bulk, at `next_read_s`."""
        self.reads_in_bulk = reads_in_bulk and not listens
        """Whether the wire may be read in bulk. Who wants to know when each frame arrived says no."""
        self.is_listened_to = False
        """Whether somebody listens to the call now: it is not read in bulk then."""
        self.next_read_s = 0.0
        self._steady_from_s = 0.0
        """From then on, on the clock, it may be read every `READ_S`, if it goes on as it does."""
        self.left_bytes = 0
        """What was left on the wire: audio that has arrived and was not read."""
        self._left: list[tuple[float, int]] = []
        """When it arrived, in seconds since the call's start, and how many frames each time."""
        self.is_behind = False
        """Whether there is more to be heard of what has been read."""
        self.read_s = 0.0
        """When that was read, on the clock."""
        self._read_held_s = 0.0
        """How long it may have waited for us before."""
        self._was_in_bulk = False
        """Whether it was read in bulk."""
        self._slice = _SLICE_ANSWERED if listens else _SLICE
        self.most_equal = _SLICE_ANSWERED if listens else READ_BYTES
        """Frames that are heard at once, and such as are all alike."""
        self._queue = queue
        self._early: list[Chunk] = []
        """What was kept of a caller who waits to be let in; once it is let in, the first of it last."""
        self._early_bytes = 0

    def begin(self, now_s: float) -> None:
        """The call has its UUID: times count from now on."""
        self.origin_s = self.last_heard_s = now_s

    @property
    def may_begin_bulk(self) -> bool:
        """Whether the wire is read as soon as there is something, and need not be."""
        return self.wants_readable and self.reads_in_bulk and not self.is_listened_to

    @property
    def has_heard_all(self) -> bool:
        """Whether all was heard that we know to have arrived."""
        return not (self.is_behind or self.left_bytes)

    def stop(self) -> None:
        """We said goodbye: drop what was read and not heard, and all that comes."""
        self.is_behind = False
        self.wants_readable = True
        self.frame_s = 0.0
        self._early.clear()
        self.forget_left()

    # Audio that goes on.

    def flow(self, data: bytes, count: int, held_s: float, now_s: float) -> None:
        """Hear `count` frames, all with the header of the last one, which was audio."""
        audio_s = count * self.frame_s
        at_s = now_s - self.origin_s if self.wants_readable else self._place_in_bulk(audio_s, now_s)
        self.last_heard_s = now_s
        self._queue.add_equal((at_s, held_s, count, data), audio_s, now_s, is_all=not self.is_behind)

    def _place_in_bulk(self, audio_s: float, now_s: float) -> float:
        """Return when the audio arrived that has come since the last look, in seconds since the call's start."""
        pause_s = now_s - self.last_heard_s - audio_s
        if pause_s > _PAUSE_S:
            self._steady_from_s = now_s + _STEADY_S
        return now_s - self.origin_s - max(0.0, pause_s)

    def leave(self, waiting_bytes: int, now_s: float) -> bool:
        """Leave audio on the wire, of which `waiting_bytes` have arrived, and note when; False if it is to be read: it
        is nothing new, or not just more of the same, or will be more than one read."""
        new_bytes = waiting_bytes - self.left_bytes
        count = self.decoder.count_equal(new_bytes) if new_bytes > 0 and self.frame_s else 0
        if not count or waiting_bytes + new_bytes > READ_BYTES:
            return False
        self._left.append((self._place_in_bulk(count * self.frame_s, now_s), count))
        self.left_bytes = waiting_bytes
        self.last_heard_s = now_s
        return True

    def hear_left(self, data: bytes, now_s: float) -> bytes:
        """Hear what was left on the wire, the first of what has now been read; return the rest. If it is not what it
        seemed to be, all is the rest."""
        size = self.left_bytes
        if len(data) >= size and self.decoder.take_equal(data[:size]):
            frame_bytes, start = self.decoder.pass_over(0), 0
            for at_s, count in self._left:
                end = start + count * frame_bytes
                self._queue.add_equal((at_s, 0.0, count, data[start:end]), count * self.frame_s, now_s, is_all=False)
                start = end
            data = data[size:]
        self.forget_left()
        return data

    def forget_left(self) -> None:
        """Nothing is left on the wire that we know of."""
        self._left.clear()
        self.left_bytes = 0

    def note_flowed(self, count: int, last_s: float, *, is_echoed: bool) -> None:
        """Learn of frames that were heard elsewhere (`Flow`) and maybe sent back, all with the header of the last."""
        size = self.decoder.pass_over(count)
        self.received_bytes += count * size
        self.last_heard_s = last_s
        self._queue.note_flowed(count, size, count * self.frame_s, is_echoed=is_echoed)

    def begin_bulk(self, now_s: float, pacer: Pacer) -> None:
        """Read in bulk from now on, with a frame of ours, so that both cost one wake; if those are as rare as reads,
        then together with other calls'."""
        self.wants_readable = False
        if pacer.period_s < READ_S:
            # Not with the next frame of ours: the peer's next one comes after it, and to find nothing ends this.
            self.next_read_s = max(now_s, pacer.deadline_s + _QUICK_READ_S - pacer.period_s)
        else:
            self.next_read_s = math.ceil(now_s / _TOGETHER_S) * _TOGETHER_S
            pacer.restart(self.next_read_s)
        self._steady_from_s = now_s + _STEADY_S

    def plan_read(self, now_s: float) -> None:
        """Say when to read in bulk next, after a read that was due."""
        is_rare = now_s >= self._steady_from_s and rate_of(self.heard_kind or Kind.SLIN) <= _MAX_RARE_HZ
        self.next_read_s = max(self.next_read_s + (READ_S if is_rare else _QUICK_READ_S), now_s)

    # All else, a slice at a time.

    def note_read(self, now_s: float, held_s: float) -> None:
        """Note when something was read, before it is taken."""
        self.read_s, self._read_held_s, self._was_in_bulk = now_s, held_s, not self.wants_readable

    def held_s(self, now_s: float, wake_s: float) -> float:
        """Return how long what is read now may have waited for us, who wanted to be woken at `wake_s`."""
        if not self.wants_readable or now_s < wake_s + WAKE_TOLERANCE_S:
            return 0.0
        return max(0.0, now_s - max(wake_s, self.last_heard_s))

    def take_first(self, data: bytes) -> bytes:
        """Take what was read; return the first frame of all once it is whole."""
        frame, starts = self.decoder.take(data, 1)
        self.is_behind = bool(starts)
        return frame

    def take(self, data: bytes, passed_over: Container[object] = ()) -> Slice | None:
        """Take what was read; return the next whole frames, if there is one."""
        frames, starts = self.decoder.take(data, self._slice)
        self.is_behind = len(starts) == self._slice
        if not starts:
            self.last_heard_s = self.read_s
            return None
        return slice_of(frames, starts, passed_over)

    def hear(self, heard: Slice, at_s: float, held_s: float) -> None:
        """Put frames into the queue that arrived at a time, in seconds since the call's start."""
        self._queue.add_slice(heard, heard.chunks(at_s, held_s, in_turn=self._was_in_bulk))
        self.frame_s = heard.last_s

    def place(self, audio_s: float) -> tuple[float, float]:
        """Return when `audio_s` seconds of the audio just read arrived, in seconds since the call's start, and how long
        they may have waited for us. Audio read in bulk is placed directly after the slice before."""
        heard = self._queue.heard
        if self._was_in_bulk and self.last_heard_s == self.read_s and heard:
            at_s = min(self.read_s - self.origin_s, heard.at_s[-1] + audio_s)
        else:
            at_s = self._arrival_s(audio_s)
        self.last_heard_s = self.read_s
        return at_s, self._read_held_s

    def _arrival_s(self, audio_s: float) -> float:
        at_s = self.read_s - self.origin_s
        if self.wants_readable or not audio_s:
            return at_s
        return at_s - max(0.0, self.read_s - self.last_heard_s - audio_s)

    def mark_s(self, heard: Slice, at_s: float, before_s: float) -> float:
        """Return when, on the clock, a frame was sent: it is in a slice that arrived at `at_s`, after `before_s` of the
        slice's audio."""
        return self.origin_s + at_s - heard.audio_s + before_s if self._was_in_bulk else self.origin_s + at_s

    # A caller who waits to be let in.

    def keep(self, heard: Slice) -> bool:
        """Keep what was just taken until the caller is let in; False when that is too much."""
        at_s, held_s = self.place(heard.audio_s)
        self._early += heard.chunks(at_s, held_s, in_turn=False)
        self._early_bytes += len(heard.data) + len(heard.starts) * CHUNK_COST_BYTES
        self.heard_kind = heard.last_kind or self.heard_kind
        return self._early_bytes <= _MAX_EARLY_BYTES

    def let_in(self) -> bool:
        """From now on, hear what was kept; return whether there is any."""
        self.heard_kind = None  # set again as the kept audio is heard
        if not self._early:
            return False
        self._early.reverse()
        self.is_behind = True
        return True

    def take_early(self, passed_over: Container[object]) -> tuple[Slice, float, float] | None:
        """Return the next of what was kept, if any is left, when it arrived, and how long it may have waited for us."""
        if not self._early:
            return None
        kept = self._early.pop()
        return slice_of(kept[3], starts_in(kept), passed_over), kept[0], kept[1]
