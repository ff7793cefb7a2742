"""Overhears one side of a call that is passed on: makes frames of its bytes, for the taps, and changes none of them.

What passes is often one frame with the header of the frame before. Such a read goes to the taps as it is; all others
are decoded, `_SLICE` frames at a time: while some are left (`is_behind`), nothing more of this side is to be read.

**Bytes that are not frames.** To the codec any bytes are frames. So framing is believed lost where a kind is unknown
and its frame longer than `MAX_STRANGE_BYTES`, or follows another unknown one: then the rest is not decoded any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audiosocket_cli.asterisk.facts import FRAME_GAP_MS
from audiosocket_cli.asterisk.findings import findings_on_frame
from audiosocket_cli.call.slices import Slice, slice_of
from audiosocket_cli.call.tap_queue import TapQueue
from audiosocket_cli.capture.streams import FrameParts
from audiosocket_cli.codec import (
    HEADER_BYTES,
    Frame,
    FrameDecoder,
    Kind,
    decode_digit,
    describe_error,
    is_audio,
    kind_name,
    peek_header,
)
from audiosocket_cli.errors import FrameError, IncompleteFrameError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Digit, Side

_SLICE: Final = 256
"""Frames that are decoded at once: a third of a millisecond of work."""

_MAX_FLOWING: Final = 32
"""The most frames before the queue learns of them: it bounds what waits for the taps."""

MAX_STRANGE_BYTES: Final = 1024
"""A payload of an unknown kind that is longer is not one. Our own choice: random bytes claim 32 KiB on average, text no
less than 8 KiB."""

KNOWN_KINDS: Final = frozenset(Kind) | {0x02}  # silence in old libraries
_NONE: Final = -1
_SPLIT: Final = -1

Hangup = Callable[[Side], object]


class Overhearing:
    """The frames of one side, as they pass."""

    __slots__ = (
        "_call",
        "_chunks",
        "_count",
        "_decoder",
        "_frame_s",
        "_header",
        "_is_strange",
        "_on_hangup",
        "_origin_s",
        "_parts",
        "_passed_over",
        "_queue",
        "_read_s",
        "_size",
        "frames",
        "is_behind",
        "is_lost",
        "side",
    )

    def __init__(self, side: Side, queue: TapQueue, on_hangup: Hangup) -> None:
        """Put the frames of a side into the queue: the caller's as heard, the server's as said.

        `on_hangup` is called with the side when it sends a hangup frame.
        """
        self.side = side
        self.is_behind = False
        """Whether there is more to be decoded of what has passed."""
        self.is_lost = False
        """Whether these are not frames: nothing more is decoded."""
        self.frames = 0
        """How many have passed."""
        self._queue = queue
        self._chunks = queue.heard if side is Side.CALLER else queue.said
        self._on_hangup = on_hangup
        self._decoder = FrameDecoder()
        self._call: Call | None = None
        self._origin_s = 0.0
        self._header = b""
        self._size = _NONE
        """The header of the last frame, and its length, if more such frames need no look."""
        self._frame_s = 0.0
        self._count = 0
        """Frames that the queue has not learnt of."""
        self._read_s = 0.0
        """When what is being decoded passed, on the clock."""
        self._parts = FrameParts()
        self._is_strange = False
        """Whether the last frame was of an unknown kind."""
        self._passed_over = frozenset[int]()
        """Kinds whose oddness was noted; and `_SPLIT`, once it was noted that frames come in parts."""

    def begin(self, call: Call, origin_s: float) -> None:
        """The call has its UUID: what passes from now on is for the taps."""
        self._call = call
        self._origin_s = origin_s

    def first(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what passed before there was a call; return the first frame of all once it is whole, and else what there
        is of it."""
        frame, starts = self._decoder.take(data, 1)
        self.is_behind = bool(starts)
        self.frames += len(starts)
        return frame, b"" if starts else self._decoder.buffered

    def hear(self, data: bytes, now_s: float) -> bool:
        """Take what has just passed; return whether some of it is left to be decoded, or the queue may be full."""
        if len(data) == self._size and data.startswith(self._header):
            self._chunks.add(now_s - self._origin_s, data)
            self._count += 1
            if self._count < _MAX_FLOWING:
                return False
            self.settle()
            return self._queue.is_full
        if self.is_lost:
            return False
        self.settle()
        self._read_s = now_s
        self.take(data)
        return self.is_behind or self._queue.is_full

    def settle(self) -> None:
        """Let the queue learn of frames that took the shortest path."""
        count, self._count = self._count, 0
        if count:
            self._decoder.pass_over(count)
            self.frames += count
            self._queue.note_passed(count, self._size, count * self._frame_s)

    def take(self, data: bytes = b"") -> None:
        """Decode a slice of what has passed; `is_behind` says whether more is left."""
        decoder = self._decoder
        was_inside = decoder.inside_frame and not self.is_behind
        if was_inside:
            self._parts.go_on(self._read_s)
        frames, starts = decoder.take(data, _SLICE)
        self.is_behind = len(starts) == _SLICE
        self.frames += len(starts)
        self._size = _NONE
        if starts:
            heard = slice_of(frames, starts, self._passed_over)
            if self._call is not None:
                self._put(heard)
                if was_inside:
                    self._judge_split(heard.frame(0))
            self._expect(heard)
        if decoder.inside_frame and not self.is_behind:
            if starts or not was_inside:
                self._parts.begin(self._read_s)
            self._judge_begun(strange_before=self._is_strange)

    def catch_up(self) -> None:
        """Decode all that has passed, as there is no later turn for it."""
        self.settle()
        while self.is_behind:
            self.take()

    def lose(self) -> None:
        """Decode nothing more: from here on, these are not frames."""
        at = self._decoder.offset
        self.is_lost, self.is_behind, self._size = True, False, _NONE
        self._decoder = FrameDecoder()
        if self._call is not None:
            text = (
                f"from its byte {at:,} on, what the {self.side} sends is not AudioSocket: it is passed on as it is, "
                "but not recorded, measured or searched for digits"
            )
            self._call.note(tagged("not-audiosocket", text))

    def end(self) -> str:
        """The side has closed; return what is odd about where it did, for the reason of the call's end."""
        self.catch_up()
        try:
            self._decoder.finish()
        except IncompleteFrameError as error:
            if self._call is not None:
                self._call.note(tagged("frame-cut", f"the {self.side}'s last frame is cut: {error}"))
            return ", in mid-frame"
        return ""

    def release(self) -> None:
        """Forget whom to tell of a hangup: it refers to this, and is to leave memory at once."""
        self._on_hangup = lambda side: None

    def is_between_frames(self) -> bool:
        """Whether all that has passed are whole frames, so that another may follow."""
        self.catch_up()
        return not (self.is_lost or self._decoder.inside_frame)

    def _put(self, heard: Slice) -> None:
        at_s = self._read_s - self._origin_s
        self._queue.add_slice(heard, heard.chunks(at_s, 0.0, in_turn=False), is_said=self.side is Side.SERVER)
        for number, _, is_sound in heard.marks:
            if not is_sound:
                self._judge(heard.frame(number), at_s)

    def _expect(self, heard: Slice) -> None:
        """Know how audio goes on, if it does."""
        start = heard.starts[-1]
        kind, size = heard.data[start], len(heard.data) - start
        self._is_strange = kind not in KNOWN_KINDS
        self._frame_s = heard.last_s
        if self._call is not None and is_audio(kind) and size > HEADER_BYTES and not self._decoder.inside_frame:
            self._header, self._size = heard.data[start : start + HEADER_BYTES], size

    def _judge_begun(self, *, strange_before: bool) -> None:
        """Judge a frame by its header: who waits for all that garbage claims to be would wait for ever."""
        header = peek_header(self._decoder.buffered[:HEADER_BYTES])
        if header is None or header[0] in KNOWN_KINDS:
            return
        if strange_before or header[1] > MAX_STRANGE_BYTES:
            self.lose()

    def _judge_split(self, frame: Frame) -> None:
        """Judge a frame that came in parts."""
        if self._parts.gap_s > FRAME_GAP_MS / 1000 and _SPLIT not in self._passed_over and self._call is not None:
            for text in findings_on_frame(self.side, Frame(Kind.SLIN, frame.payload or b"\0"), self._parts.gap_s):
                self._passed_over |= {_SPLIT}
                self._call.note(text)

    def _judge(self, frame: Frame, at_s: float) -> None:
        """Note what is odd about a frame that is not audio; take a digit, or a hangup."""
        call = self._call
        assert call is not None
        if frame.kind == Kind.HANGUP:
            self._on_hangup(self.side)
        elif frame.kind == Kind.DTMF and self.side is Side.CALLER:
            self._take_digit(call, frame, at_s)
        else:
            for text in self._oddities(frame):
                call.note(text)
            if frame.kind not in (Kind.ERROR, Kind.DTMF):
                self._passed_over |= {frame.kind}

    def _oddities(self, frame: Frame) -> list[str]:
        if self.side is Side.SERVER:
            return findings_on_frame(self.side, frame, 0.0)
        if frame.kind == Kind.ERROR:
            return [tagged("caller-error", f"caller reported an error: {describe_error(frame.payload)}")]
        if frame.kind == Kind.UUID:
            return [tagged("second-uuid", "the caller sent a second UUID frame")]
        if is_audio(frame.kind):
            return [tagged("caller-sends-empty-audio", "the caller sent an audio frame of length 0")]
        text = f"the caller sent frames of unknown kind {kind_name(frame.kind)}"
        return [tagged("caller-sends-unknown-kind", text)]

    def _take_digit(self, call: Call, frame: Frame, at_s: float) -> None:
        try:
            digit = decode_digit(frame.payload)
        except FrameError as error:
            call.note(tagged("bad-digit", f"a DTMF frame without a digit: {error}"))
            return
        if call.press(Digit(at_s, digit)):
            self._queue.digit(at_s, digit)
