"""One side's bytes of a connection: how they begin, and the frames in them, found again after a loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from audiosocket_cli.capture.items import CUT_FRAME, MISSING, Captured, CapturedCall, Item, Lost
from audiosocket_cli.capture.resync import MAX_CHAIN_BYTES, find_frames, is_plausible
from audiosocket_cli.capture.tcp import Piece
from audiosocket_cli.codec import HEADER_BYTES, UUID_BYTES, FrameDecoder, Kind, decode_uuid, peek_header
from audiosocket_cli.model import Side

OPENING: Final = bytes([Kind.UUID, 0, UUID_BYTES])
OPENING_BYTES: Final = HEADER_BYTES + UUID_BYTES

_GROWTH: Final = 8
"""A search that found nothing is repeated when there is an eighth more to search: so each byte is searched a few times
only, even when bytes come in small pieces."""


class FrameParts:
    """When the parts of a frame came that is not whole yet."""

    __slots__ = ("_last_s", "begun_s", "gap_s")

    def __init__(self) -> None:
        self.begun_s = self._last_s = 0.0
        """When the first part came, and the last so far."""
        self.gap_s = 0.0
        """The longest time between two parts, in seconds."""

    def begin(self, at_s: float) -> None:
        """The first part has come."""
        self.begun_s = self._last_s = at_s
        self.gap_s = 0.0

    def go_on(self, at_s: float) -> None:
        """The next part has come."""
        self.gap_s = max(self.gap_s, round(at_s - self._last_s, 9))
        self._last_s = at_s


class Stream:
    """One side's bytes to frames. After a loss, and from the middle of a call on, it looks for the next frame first."""

    def __init__(self, *, in_step: bool) -> None:
        self.offset = 0
        """Where the next frame begins, in bytes of this side; what is missing counts."""
        self._decoder = FrameDecoder()
        self._parts = FrameParts()
        self._in_step = in_step
        self._search: list[tuple[float, bytes]] = []
        """The bytes since the last whole frame, with their times."""
        self._search_bytes = 0
        self._search_from = 0
        """The number of bytes from which on the next search is made."""
        self._broken_bytes = 0
        """How many bytes of a frame still follow whose other bytes are missing."""

    def feed(self, call: CapturedCall, side: Side, at_s: float, data: bytes) -> Iterator[Item]:
        """Take bytes, and yield the frames that they complete."""
        if self._broken_bytes:
            broken = min(self._broken_bytes, len(data))
            self._broken_bytes -= broken
            self.offset += broken
            yield Lost(call, at_s, side, broken, CUT_FRAME)
            data = data[broken:]
            if not data:
                return
        self._in_step = self._in_step or (not self._search and _is_frame(data))
        if not self._in_step:
            self._search.append((at_s, data))
            self._search_bytes += len(data)
            if self._search_bytes >= self._search_from:
                yield from self._find(call, side, ends=False)
            return
        parts = self._parts
        if self._decoder.inside_frame:
            parts.go_on(at_s)
        else:
            parts.begin(at_s)
        for frame in self._decoder.feed(data):
            yield Captured(call, at_s, side, frame, parts.begun_s, self.offset, parts.gap_s)
            self.offset += HEADER_BYTES + len(frame.payload)
            parts.begin(at_s)

    @property
    def is_between_frames(self) -> bool:
        """Whether a frame is to begin now."""
        return self._in_step and not self._broken_bytes and not self._decoder.inside_frame

    def lose(self, call: CapturedCall, side: Side, at_s: float, lost_bytes: int) -> Iterator[Item]:
        """Note that the next bytes are missing. If all are of one frame, the place of the next frame is known."""
        rest = self._rest_of_frame()
        yield from self.finish(call, side, at_s)
        yield Lost(call, at_s, side, lost_bytes, MISSING)
        self.offset += lost_bytes
        self._in_step = rest >= lost_bytes
        self._broken_bytes = rest - lost_bytes if self._in_step else 0

    def _rest_of_frame(self) -> int:
        """Return how many bytes the frame that has begun still lacks, as far as its header is there."""
        if self._broken_bytes:
            return self._broken_bytes
        begun = self._decoder.buffered
        header = peek_header(begun) if self._in_step else None
        return HEADER_BYTES + header[1] - len(begun) if header else 0

    def finish(self, call: CapturedCall, side: Side, at_s: float) -> Iterator[Item]:
        """End the stream: nothing follows the bytes that came so far."""
        if not self._in_step:
            yield from self._find(call, side, ends=True)
        rest = len(self._decoder.buffered) + self._search_bytes
        if rest:
            yield Lost(call, at_s, side, rest, CUT_FRAME)
            self.offset += rest
        self._decoder, self._search, self._search_bytes, self._search_from = FrameDecoder(), [], 0, 0

    def _find(self, call: CapturedCall, side: Side, *, ends: bool) -> Iterator[Item]:
        """Go on from the next frame, if there is one in the bytes so far."""
        data = b"".join(data for _, data in self._search)
        found = find_frames(data, ends=ends)
        passed_over = found or 0
        if found is None and len(data) > 2 * MAX_CHAIN_BYTES:
            passed_over = len(data) - MAX_CHAIN_BYTES  # a run that begins here would have been found
        if passed_over:
            yield Lost(call, self._search[0][0], side, passed_over, "passed over to find the next frame")
            self.offset += passed_over
        waiting, self._search = self._search, []
        self._search_bytes = 0
        self._in_step = found is not None
        for at_s, part in waiting:
            if passed_over < len(part):
                if self._in_step:
                    yield from self.feed(call, side, at_s, part[passed_over:])
                else:
                    self._search.append((at_s, part[passed_over:]))
                    self._search_bytes += len(part) - passed_over
            passed_over = max(0, passed_over - len(part))
        self._search_from = self._search_bytes + self._search_bytes // _GROWTH


def _is_frame(data: bytes) -> bool:
    """Whether a segment is one believable frame from its first byte to its last: that is no accident, and how most
    programs send."""
    header = peek_header(data)
    return header is not None and is_plausible(*header) and len(data) == HEADER_BYTES + header[1]


class Head:
    """The first bytes of one side of a connection, or, if bytes are missing, the first after them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_first = True
        """Whether nothing is missing before it."""
        self.is_call = False
        """Whether it began as a call does: with a UUID, or with the part of one that the capture holds."""
        self._has_frames = False
        self._search_from = OPENING_BYTES

    def take(self, piece: Piece) -> None:
        """Take the side's next bytes, or note that they are missing."""
        if piece.lost_bytes:
            self.is_call = self.is_call or (self.is_first and self.data.startswith(OPENING))
            self.is_first = False
            self.data.clear()
            self._search_from = OPENING_BYTES
            return
        self.data += piece.data
        if self.is_first and len(self.data) >= OPENING_BYTES:
            self.is_call = self.data.startswith(OPENING)

    def shows_frames(self, *, ends: bool) -> bool:
        """Whether a believable run of frames was found in it."""
        size = len(self.data)
        if not self._has_frames and (ends or size >= self._search_from):
            self._search_from = size + size // _GROWTH
            self._has_frames = find_frames(bytes(self.data), ends=ends) is not None
        return self._has_frames

    def uuid(self) -> UUID | None:
        """Return the UUID that it began with, if it did and it is whole."""
        is_whole = self.is_call and self.is_first
        return decode_uuid(bytes(self.data[HEADER_BYTES:OPENING_BYTES])) if is_whole else None
