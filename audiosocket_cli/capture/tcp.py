"""One direction of a TCP connection: segments in, however they were captured, the stream's bytes out, in order.

Retransmissions and overlaps are dropped, what comes out of order waits. What never comes is named, so that nothing that
follows is taken for something else.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, NamedTuple

from audiosocket_cli.capture.packets import FIN, RST, SYN, Segment

_MAX_WAITING_BYTES: Final = 4 << 20
"""How many bytes may wait for a missing segment: about as many as a receiver keeps (Linux: tcp_rmem, 6 MiB)."""

_WAITING_COST_BYTES: Final = 250
"""The memory of a waiting segment, apart from its payload."""

_ACKED_PATIENCE_NS: Final = 1_000_000_000
"""A segment that its receiver has acknowledged will not be sent again; it may still be captured a little later."""

_PATIENCE_NS: Final = 20_000_000_000
"""A segment that nobody acknowledges is sent again, each time twice as late (Linux: six times in 12.6 s). A capture of
one direction holds no acknowledgements, and would wait for ever."""

_MAX_COPY_LEAD_BYTES: Final = 1 << 18
"""How far one copy of a stream may be ahead of the other."""

SEQ_MODULUS: Final = 1 << 32
"""Sequence numbers wrap here."""


class Piece(NamedTuple):
    """The next bytes of a stream, or how many of them are missing, and when they passed, in ns."""

    at_ns: int
    data: bytes
    lost_bytes: int = 0


class _Waiting(NamedTuple):
    position: int
    payload: bytes
    missing_bytes: int
    at_ns: int


class Direction:
    """Puts the segments of one direction in order. Positions are sequence numbers that do not wrap."""

    def __init__(self) -> None:
        self.from_start = False
        """Whether the connection's beginning was seen in this direction."""
        self.ended = False
        """Whether all up to the end of the stream has been handed out."""
        self.ended_ns = 0
        """When the end of the stream was seen first, even if bytes before it are missing."""
        self.last_ns = 0
        """When its last bytes passed."""
        self.was_reset = False
        self.segments = 0
        """Segments with bytes in them."""
        self.repeated = 0
        """Those of them of which all bytes had been there before."""
        self.cut_bytes = 0
        """Bytes that were cut off from segments."""
        self._syn: int | None = None
        self._first: int | None = None
        self._next: int | None = None
        self._end: int | None = None
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._waiting_since_ns = 0

    @property
    def is_seen(self) -> bool:
        """Whether a packet with a place in the stream was captured."""
        return self._next is not None

    def is_replaced_by(self, segment: Segment) -> bool:
        """Whether a SYN begins another connection than the one that is known."""
        if self._syn is None and self._first == (segment.seq + 1) % SEQ_MODULUS:
            return False  # captured a little late, after what it begins
        return self._next is not None and self._syn != segment.seq

    def distance_to(self, number: int) -> int | None:
        """Return how far a sequence number is from where the stream is, in bytes; None where that is not known."""
        return None if self._next is None else abs(_distance(self._next, number))

    def is_duplicate_of(self, other: Direction) -> bool:
        """Whether another direction counts the same bytes from the same number: a copy of it, taken elsewhere."""
        if self._next is None or other._next is None:
            return False
        if self.from_start and other.from_start:
            return self._first == other._first
        return abs(_distance(self._next, other._next % SEQ_MODULUS)) <= _MAX_COPY_LEAD_BYTES

    def goes_on_with(self, seq: int) -> bool:
        """Whether bytes with this number are simply the next: none wait, none are missing, and it has not ended."""
        position = self._next
        is_open = self._end is None and not self.was_reset and not self._waiting
        return is_open and position is not None and position % SEQ_MODULUS == seq

    @property
    def waits(self) -> bool:
        """Whether segments wait for others before them."""
        return bool(self._waiting)

    def go_on(self, size: int, last_ns: int, segments: int = 1) -> None:
        """Take segments, of so many bytes in all, that are simply the next, up to that time."""
        assert self._next is not None
        self.last_ns = last_ns
        self._next += size
        self.segments += segments

    def take(self, segment: Segment, at_ns: int) -> list[Piece]:
        """Take a segment, and return what of the stream is in order now."""
        seq, flags = segment.seq, segment.flags
        size = len(segment.payload) + segment.missing_bytes
        self.was_reset = self.was_reset or bool(flags & RST)
        if flags & SYN:
            self._syn, self.from_start = seq, True
            seq = (seq + 1) % SEQ_MODULUS
        if self._next is None:
            if not size and not flags & (SYN | FIN):
                return []
            self._next = self._first = seq
        ahead = _distance(self._next, seq)
        if flags & FIN and self._end is None and ahead + size >= 0:  # it cannot end before what has passed
            self._end, self.ended_ns = self._next + ahead + size, at_ns
        pieces: list[Piece] = []
        if size:
            self.last_ns = max(self.last_ns, at_ns)
            self.segments += 1
            self.repeated += ahead + size <= 0
            self.cut_bytes += segment.missing_bytes
        if size and ahead <= 0:
            self._deliver(-ahead, segment.payload, segment.missing_bytes, at_ns, pieces)
            self._drain(at_ns, pieces)
        elif size:
            self._keep(_Waiting(self._next + ahead, segment.payload, segment.missing_bytes, at_ns))
        if self._waiting and (
            self._waiting_bytes > _MAX_WAITING_BYTES or at_ns - self._waiting_since_ns > _PATIENCE_NS
        ):
            self._give_up(pieces)
        self.ended = self._end is not None and self._next >= self._end
        return pieces

    def acknowledge(self, ack: int, at_ns: int) -> list[Piece]:
        """Hear what the other direction says it has received: what is missing here was lost to the capture alone."""
        pieces: list[Piece] = []
        if not self._waiting or self._next is None or at_ns - self._waiting_since_ns <= _ACKED_PATIENCE_NS:
            return pieces
        if self._next + _distance(self._next, ack) >= self._waiting[0].position:
            self._give_up(pieces)
        return pieces

    def finish(self) -> list[Piece]:
        """Return all that waits, with what is missing between; nothing more is coming."""
        pieces: list[Piece] = []
        while self._waiting:
            self._give_up(pieces)
        if self._end is not None and self._next is not None and self._next < self._end:
            pieces.append(Piece(self.ended_ns, b"", self._end - self._next))
            self._next = self._end
        self.ended = self._end is not None
        return pieces

    def forget(self) -> None:
        """Drop all that waits; nobody wants it."""
        self._waiting.clear()
        self._waiting_bytes = 0

    def _keep(self, waiting: _Waiting) -> None:
        if not self._waiting:
            self._waiting_since_ns = waiting.at_ns
        self._waiting_bytes += len(waiting.payload) + _WAITING_COST_BYTES
        heappush(self._waiting, waiting)

    def _deliver(self, known: int, payload: bytes, missing_bytes: int, at_ns: int, pieces: list[Piece]) -> None:
        """Hand out a segment of which the first `known` bytes have been already, up to the end of the stream."""
        assert self._next is not None
        if self._end is not None:
            room = max(0, self._end - self._next + known)
            payload = payload[:room]
            missing_bytes = min(missing_bytes, room - len(payload))
        size = len(payload) + missing_bytes
        if known >= size:
            return
        if known < len(payload):
            pieces.append(Piece(at_ns, payload[known:]))
        missing_bytes = size - max(known, len(payload))
        if missing_bytes:
            pieces.append(Piece(at_ns, b"", missing_bytes))
        self._next += size - known

    def _drain(self, at_ns: int, pieces: list[Piece]) -> None:
        """Hand out what has waited for nothing but what came at `at_ns`; none of it was of use before."""
        assert self._next is not None
        while self._waiting and self._waiting[0].position <= self._next:
            position, payload, missing_bytes, its_ns = heappop(self._waiting)
            self._waiting_bytes -= len(payload) + _WAITING_COST_BYTES
            at_ns = max(at_ns, its_ns)
            self._deliver(self._next - position, payload, missing_bytes, at_ns, pieces)

    def _give_up(self, pieces: list[Piece]) -> None:
        """Name what is missing before the first segment that waits, and go on from there, at the time when it came."""
        assert self._next is not None
        first = self._waiting[0]
        if self._end is not None and first.position >= self._end:
            self.forget()  # nothing after its end belongs to the stream
            return
        pieces.append(Piece(first.at_ns, b"", first.position - self._next))
        self._next = first.position
        self._drain(first.at_ns, pieces)
        if self._waiting:
            self._waiting_since_ns = self._waiting[0].at_ns


def _distance(position: int, seq: int) -> int:
    """Return by how many bytes a sequence number is after a position; negative for one before it."""
    return (seq - position + 0x80000000) % SEQ_MODULUS - 0x80000000
