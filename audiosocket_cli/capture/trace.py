"""Captures one live connection to a pcapng as it happens: what was read and written, when, and what it means.

All of it goes through a `packet_queue`, which writes whole blocks only, whatever kills the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from audiosocket_cli.capture.block_table import Maker
from audiosocket_cli.capture.conversation import Address, Conversation
from audiosocket_cli.capture.packet_queue import PacketQueue
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
"""The most comments on one read or write, and of UUIDs beyond them: a peer can send thousands of frames that would each
have one."""

_SEQ_TICK_NS: Final = 4000
"""Sequence numbers begin with the clock, as in RFC 9293, section 3.4.1."""

Clock = Callable[[], int]


def steady_clock() -> Clock:
    """Return a wall clock in ns since 1970 that starts right and never steps, for the stamps of one file."""
    start_ns = time.time_ns() - time.monotonic_ns()
    return lambda: start_ns + time.monotonic_ns()


class Trace:
    """Captures one connection. A file that fails ends the capture, never the call.

    What is told here goes into a queue, and its packets are made in order, later, when that is flushed.
    """

    def __init__(
        self,
        queue: PacketQueue,
        ours: Address,
        theirs: Address,
        *,
        me: Side,
        clock_ns: Clock,
        on_failure: Callable[[OSError], object] | None = None,
        on_uuid: Callable[[str], object] | None = None,
    ) -> None:
        """Take addresses as sockets give them. The caller is who dialled.

        `on_failure` is told once, when the capture ends before its connection; `on_uuid` when a UUID has passed.
        """
        self.me = me
        self._queue = queue
        self._clock_ns = clock_ns
        at_ns = clock_ns()
        self._talk = _Talk(Conversation(ours, theirs, first_seq=at_ns // _SEQ_TICK_NS), on_failure, on_uuid)
        self._theirs, self._ours = self._talk.lanes = [_Lane(self._talk, sent=sent) for sent in (False, True)]
        self._reset_ns: int | None = None
        self._is_own_reset = False
        for sent, packet in self._talk.conversation.opening(sent=me is Side.CALLER):
            self._note(partial(packet_block, data=packet, outbound=sent), at_ns)

    @property
    def error(self) -> OSError | None:
        """Why the capture is not complete, if it is not."""
        return self._talk.error

    def received(self, data: bytes) -> None:
        """The peer's next bytes were read."""
        self._queue.add(self._clock_ns(), self._theirs, data)

    def sent(self, data: bytes) -> None:
        """These bytes of ours were taken by the system."""
        self._queue.add(self._clock_ns(), self._ours, data)

    def ended(self, *, sent: bool) -> None:
        """We closed our half of the connection, or found that the peer had closed its."""
        self._note(partial(self._end, sent=sent))

    def was_reset(self, *, sent: bool = False) -> None:
        """The connection was reset or lost, or `sent` a reset of ours. The packet of the first is written at the end,
        with the last comments."""
        if self._reset_ns is None:
            self._reset_ns, self._is_own_reset = self._clock_ns(), sent

    def remark(self, text: str) -> None:
        """Write a comment on the next packet."""
        self._note(partial(self._talk.remark, text))

    def close(self) -> None:
        """The connection is closed. The last comments go onto its last packet, which may have no data."""
        self._note(self._close)
        self._queue.flush()
        self._talk.lanes = []  # no longer a reference cycle

    def fail(self, error: OSError) -> None:
        """End the capture because of an error, and report it."""
        self._talk.fail(error)

    def _note(self, act: Callable[[int], bytes], at_ns: int | None = None) -> None:
        self._queue.add(self._clock_ns() if at_ns is None else at_ns, _Act(self._talk, act), b"")

    def _end(self, at_ns: int, *, sent: bool) -> bytes:
        packet = self._talk.conversation.end(sent=sent)
        if packet is None:
            return b""
        return packet_block(at_ns, packet, outbound=sent, comments=self._talk.take_remarks())

    def _close(self, at_ns: int) -> bytes:
        talk, conversation = self._talk, self._talk.conversation
        if self._reset_ns is not None and not conversation.has_ended:
            sent = self._is_own_reset
            packet = conversation.reset(sent=sent)
            return packet_block(self._reset_ns, packet, outbound=sent, comments=talk.take_remarks())
        blocks = self._end(at_ns, sent=True)
        if talk.remarks:
            packet = conversation.acknowledgement(sent=True)
            blocks += packet_block(at_ns, packet, outbound=True, comments=talk.take_remarks())
        return blocks


class _Talk:
    """What the packets of one connection share."""

    def __init__(
        self,
        conversation: Conversation,
        on_failure: Callable[[OSError], object] | None,
        on_uuid: Callable[[str], object] | None,
    ) -> None:
        self.conversation = conversation
        self.remarks: list[str] = []
        """Comments for the next packet."""
        self.error: OSError | None = None
        self.lanes: list[_Lane] = []
        self._on_failure = on_failure
        self._on_uuid = on_uuid

    def remark(self, text: str, at_ns: int) -> bytes:
        self.remarks.append(text)
        self._stop_lanes()
        return b""

    def take_remarks(self) -> list[str]:
        """Return the comments for the packet that is made now."""
        remarks, self.remarks = self.remarks, []
        return remarks

    def tell_uuid(self, uuid: str) -> None:
        """A UUID has passed, the first or a later one."""
        if self._on_uuid is not None:
            self._on_uuid(uuid)
            self._on_uuid = None

    def fail(self, error: OSError) -> None:
        """Write no more: what follows a hole would be taken for something else."""
        if self.error is None:
            self.error = error
            self._stop_lanes()
            if self._on_failure is not None:
                self._on_failure(error)

    def _stop_lanes(self) -> None:
        for lane in self.lanes:
            lane.size = -1


class _Act(Maker):
    """Makes blocks of what is not a chunk."""

    __slots__ = ("_act", "_talk")

    def __init__(self, talk: _Talk, act: Callable[[int], bytes]) -> None:
        super().__init__(talk.conversation)
        self._talk = talk
        self._act = act

    def blocks(self, at_ns: int, data: bytes) -> bytes:
        return b"" if self._talk.error is not None else self._act(at_ns)

    def fail(self, error: OSError) -> None:
        self._talk.fail(error)


class _Lane(Maker):
    """Makes blocks of the chunks of one side. Those in which its audio only goes on need no look."""

    __slots__ = ("_meanings", "_talk")

    def __init__(self, talk: _Talk, *, sent: bool) -> None:
        super().__init__(talk.conversation, sent=sent)
        self._talk = talk
        self._meanings = _Meanings()

    def blocks(self, at_ns: int, data: bytes) -> bytes:
        talk, meanings = self._talk, self._meanings
        if talk.error is not None:
            return b""
        comments = talk.take_remarks() + meanings.of(data)
        blocks = []
        for packet in self.conversation.chunk(data, sent=self.sent):
            blocks.append(packet_block(at_ns, packet, outbound=self.sent, comments=comments))
            comments = []
        if meanings.uuid is not None:
            talk.tell_uuid(meanings.uuid)
            meanings.uuid = None
        self._expect(meanings.header)
        return b"".join(blocks)

    def fail(self, error: OSError) -> None:
        self._talk.fail(error)

    def _expect(self, header: bytes) -> None:
        """Know by which header audio goes on, if it does. A form pays from the second time on."""
        self.size = -1
        if header and header == self.header:
            self.size = HEADER_BYTES + int.from_bytes(header[1:])
        elif header:
            self.header = header
            self._forms.clear()


class _Meanings:
    """What the bytes of one side mean, unless they are audio that goes on."""

    def __init__(self) -> None:
        self.uuid: str | None = None
        """A UUID that has just passed."""
        self.header = b""
        """The header of the last frame, if that was audio, and nothing has begun after it."""
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
            if len(comments) < (2 if kind == Kind.UUID else 1) * MAX_COMMENTS:
                comments.append(self._of_frame(Frame(kind, frames[start + HEADER_BYTES : end])))
                continue
            more += 1
            if kind in RATE_BY_KIND and end > start + HEADER_BYTES:
                self._audio_kind = kind
        if self._decoder.inside_frame:
            self.header = b""
        elif starts:
            last = starts[-1]
            self.header = frames[last : last + HEADER_BYTES] if frames[last] == self._audio_kind else b""
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
