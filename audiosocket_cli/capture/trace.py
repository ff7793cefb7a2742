"""Writes one live connection to a pcapng as it happens: what was read and written, when, and what it means.

Each block is one write, so the file holds whole blocks whatever kills the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from audiosocket_cli.capture.conversation import Address, Conversation
from audiosocket_cli.capture.pcapng import packet_block
from audiosocket_cli.codec import (
    HEADER_BYTES,
    RATE_BY_KIND,
    Frame,
    FrameDecoder,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    is_audio,
    kind_name,
)
from audiosocket_cli.errors import FrameError
from audiosocket_cli.model import Side

CAPTURE_SCHEMA: Final = "audiosocket.capture/1"

MAX_COMMENTS: Final = 20
"""The most comments on one read or write: a peer can send thousands of frames that would each have one."""

_SEQ_TICK_NS: Final = 4000
"""Sequence numbers begin with the clock, as in RFC 9293, section 3.4.1."""

Clock = Callable[[], int]


def steady_clock() -> Clock:
    """Return a wall clock in ns since 1970 that starts right and never steps, for the stamps of one file."""
    start_ns = time.time_ns() - time.monotonic_ns()
    return lambda: start_ns + time.monotonic_ns()


class Trace:
    """Captures one connection. A file that fails ends the capture, never the call."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        ours: Address,
        theirs: Address,
        *,
        me: Side,
        clock_ns: Clock,
        on_failure: Callable[[OSError], object] | None = None,
        on_uuid: Callable[[str], object] | None = None,
    ) -> None:
        """`write` takes whole blocks, and raises `OSError` where it cannot. The caller is who dialled.

        `on_failure` is told once, when the capture ends before its connection; `on_uuid` as soon as a UUID has passed.
        """
        self.me = me
        self.error: OSError | None = None
        """Why the capture is not complete, if it is not."""
        self._on_failure = on_failure
        self._on_uuid = on_uuid
        self._write = write
        self._clock_ns = clock_ns
        at_ns = clock_ns()
        self._conversation = Conversation(ours, theirs, first_seq=at_ns // _SEQ_TICK_NS)
        self._meanings = {True: _Meanings(), False: _Meanings()}
        self._remarks: list[str] = []
        self._reset_ns: int | None = None
        for sent, packet in self._conversation.opening(sent=me is Side.CALLER):
            self._put(packet_block(at_ns, packet, outbound=sent))

    def received(self, data: bytes) -> None:
        """The peer's next bytes were read."""
        self._chunk(data, sent=False)

    def sent(self, data: bytes) -> None:
        """These bytes of ours were taken by the system."""
        self._chunk(data, sent=True)

    def ended(self, *, sent: bool) -> None:
        """We closed our half of the connection, or found that the peer had closed its."""
        packet = self._conversation.end(sent=sent)
        if packet is not None:
            self._put(packet_block(self._clock_ns(), packet, outbound=sent, comments=self._take_remarks()))

    def was_reset(self) -> None:
        """The connection was reset or lost. The packet of the reset is written at the end, with the last comments."""
        self._reset_ns = self._clock_ns()

    def remark(self, text: str) -> None:
        """Write a comment on the next packet."""
        self._remarks.append(text)

    def close(self) -> None:
        """The connection is closed. The last comments go onto its last packet, which may have no data."""
        conversation, outbound = self._conversation, False
        if self._reset_ns is not None and not conversation.has_ended:
            at_ns, packet = self._reset_ns, conversation.reset(sent=False)
        else:
            self.ended(sent=True)
            if not self._remarks:
                return
            at_ns, packet, outbound = self._clock_ns(), conversation.acknowledgement(sent=True), True
        self._put(packet_block(at_ns, packet, outbound=outbound, comments=self._take_remarks()))

    def fail(self, error: OSError) -> None:
        """End the capture because of an error, and report it."""
        self.error = error
        if self._on_failure is not None:
            self._on_failure(error)

    def _chunk(self, data: bytes, *, sent: bool) -> None:
        if self.error is not None:
            return
        at_ns = self._clock_ns()
        meanings = self._meanings[sent].of(data)
        comments = self._take_remarks() + meanings if self._remarks else meanings
        for packet in self._conversation.chunk(data, sent=sent):
            self._put(packet_block(at_ns, packet, outbound=sent, comments=comments))
            comments = []
        uuid = self._meanings[sent].uuid
        if uuid is not None:
            self._meanings[sent].uuid = None
            if self._on_uuid is not None:
                self._on_uuid(uuid)
                self._on_uuid = None

    def _take_remarks(self) -> list[str]:
        remarks, self._remarks = self._remarks, []
        return remarks

    def _put(self, block: bytes) -> None:
        if self.error is not None:
            return
        try:
            self._write(block)
        except OSError as error:
            self.fail(error)


class _Meanings:
    """What the bytes of one side mean, unless they are audio that goes on."""

    def __init__(self) -> None:
        self.uuid: str | None = None
        """A UUID that has just passed."""
        self._decoder = FrameDecoder()
        self._audio_kind: int | None = None

    def of(self, data: bytes) -> list[str]:
        """Return a comment on each notable frame that ends in these bytes; of too many, the first."""
        if data and data[0] == self._audio_kind and data[1:3] != b"\0\0" and self._decoder.take_equal(data):
            return []
        frames, starts = self._decoder.take(data)
        comments: list[str] = []
        more = 0
        for start, end in zip(starts, [*starts[1:], len(frames)], strict=False):
            kind = frames[start]
            if kind == self._audio_kind and end > start + HEADER_BYTES:
                continue
            if len(comments) < MAX_COMMENTS or kind == Kind.UUID:
                comments.append(self._of_frame(Frame(kind, frames[start + HEADER_BYTES : end])))
                continue
            more += 1
            if kind in RATE_BY_KIND and end > start + HEADER_BYTES:
                self._audio_kind = kind
        if more:
            comments.append(f"and {more:,} more frames that are not like the one before")
        return comments

    def _of_frame(self, frame: Frame) -> str:
        try:
            if frame.kind == Kind.UUID:
                self.uuid = str(decode_uuid(frame.payload))
                return f"call {self.uuid}"
            if frame.kind == Kind.DTMF:
                return f"digit {decode_digit(frame.payload)}"
        except FrameError as error:
            return str(error)
        if frame.kind == Kind.HANGUP:
            return "hangup"
        if frame.kind == Kind.ERROR:
            return f"error: {describe_error(frame.payload)}"
        if not is_audio(frame.kind):
            return f"a frame of unknown kind {kind_name(frame.kind)}"
        if not frame.payload:
            return "an audio frame of length 0"
        self._audio_kind = frame.kind
        return f"audio: {kind_name(frame.kind)}"
