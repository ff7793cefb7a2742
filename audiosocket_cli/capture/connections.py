"""From TCP segments to calls: which connections are AudioSocket, who is the caller, and the frames of both sides.

A connection is taken for a call when it begins with a UUID frame, or is on AudioSocket's port, or, seen from its middle
on, holds a run of frames that is no accident. All others are counted, and cost nothing more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk import DEFAULT_PORT, UUID_WITHOUT_ANSWER_HINT, Side, fault_of_opening
from audiosocket_cli.capture.items import (
    CUT_FRAME,
    CallNames,
    Captured,
    CapturedCall,
    Ended,
    Item,
    Lost,
    NoCall,
    Opened,
    Over,
    Remark,
)
from audiosocket_cli.capture.packets import ACK, RST, SYN, Segment, flow_names, flow_ports, reverse_of
from audiosocket_cli.capture.resync import LONGEST_CHAIN_BYTES, find_frames
from audiosocket_cli.capture.tcp import Direction, Piece
from audiosocket_cli.codec import HEADER_BYTES, UUID_BYTES, FrameDecoder, Kind, decode_uuid

_OPENING: Final = bytes([Kind.UUID, 0, UUID_BYTES])
_OPENING_BYTES: Final = HEADER_BYTES + UUID_BYTES

_MOST_HELD_BYTES: Final = 128 << 10
"""How much of one side of a connection is kept to find out what it is: a run of the longest frames."""

_MOST_HELD: Final = 4000
"""How many of its segments are."""

_MOST_OPEN: Final = 10_000
"""Connections that are followed at a time. Beyond, what was silent for longest is over: a scan has no end."""

_MOST_ENDED: Final = 10_000
"""Connections that are remembered after their end, so that a late segment is not taken for a new one."""

_GROWTH: Final = 8
"""A search that found nothing is made again when there is an eighth more to search: each byte is seen a few times, in
however small pieces it comes."""

_NS: Final = 1e9

_QUOTED_BYTES: Final = 64
"""As much as is told of what some other protocol began with."""

_SILENT: Final = f"it ended without a UUID ({UUID_WITHOUT_ANSWER_HINT})"
_REFUSED: Final = "it was refused: does nothing listen there?"
_UNANSWERED: Final = "nobody answered it: is the address right, or a firewall in the way?"
_CUT_SHORT: Final = "its bytes are missing from the capture (tcpdump keeps them with -s 0)"

_Happened = Piece | str | None
"""Bytes, a comment, or the end of a direction."""

_Event = tuple[int, int, _Happened]
"""When, in ns; which end; what."""


class Stream:
    """One side's bytes to frames. After a loss, and from the middle of a call on, it looks for the next frame first."""

    def __init__(self, *, in_step: bool) -> None:
        self.offset = 0
        """Where the next frame begins, in bytes of this side; what is missing counts."""
        self._decoder = FrameDecoder()
        self._begun_s = 0.0
        self._in_step = in_step
        self._search: list[tuple[float, bytes]] = []
        """What came since the step was lost, with its times."""
        self._search_bytes = 0
        self._search_from = 0
        """How many bytes have to be there for the next search."""

    def feed(self, call: CapturedCall, side: Side, at_s: float, data: bytes) -> Iterator[Item]:
        """Take bytes, and yield the frames that they complete."""
        if not self._in_step:
            self._search.append((at_s, data))
            self._search_bytes += len(data)
            if self._search_bytes >= self._search_from:
                yield from self._find(call, side, ends=False)
            return
        begun_s = self._begun_s if self._decoder.inside_frame else at_s
        for frame in self._decoder.feed(data):
            yield Captured(call, at_s, side, frame, begun_s, self.offset)
            self.offset += HEADER_BYTES + len(frame.payload)
            begun_s = at_s
        self._begun_s = begun_s

    def lose(self, call: CapturedCall, side: Side, at_s: float, lost_bytes: int) -> Iterator[Item]:
        """Hear that the next bytes are missing."""
        yield from self.finish(call, side, at_s)
        yield Lost(call, at_s, side, lost_bytes, "missing from the capture")
        self.offset += lost_bytes
        self._in_step = False

    def finish(self, call: CapturedCall, side: Side, at_s: float) -> Iterator[Item]:
        """Say that nothing follows on what came so far."""
        if not self._in_step:
            yield from self._find(call, side, ends=True)
        rest = len(self._decoder.buffered) + self._search_bytes
        if rest:
            yield Lost(call, at_s, side, rest, CUT_FRAME)
            self.offset += rest
        self._decoder, self._search, self._search_bytes, self._search_from = FrameDecoder(), [], 0, 0

    def _find(self, call: CapturedCall, side: Side, *, ends: bool) -> Iterator[Item]:
        """Go on from the next frame, if there is one in what came so far."""
        data = b"".join(data for _, data in self._search)
        found = find_frames(data, ends=ends)
        if found is None and len(data) > 2 * LONGEST_CHAIN_BYTES:
            passed_over = len(data) - LONGEST_CHAIN_BYTES  # a run that begins here would have been found
        else:
            passed_over = found or 0
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


class Head:
    """What one side of a connection began with, or, where bytes are missing, went on with behind them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_first = True
        """Whether nothing is missing before it."""
        self.is_call = False
        """Whether it began as a call does: with a UUID, or as much of one as the capture holds."""
        self._has_frames = False
        self._search_from = _OPENING_BYTES

    def take(self, piece: Piece) -> None:
        """Take the side's next bytes, or hear that they are missing."""
        if piece.lost_bytes:
            self.is_call = self.is_call or (self.is_first and self.data.startswith(_OPENING))
            self.is_first = False
            self.data.clear()
            self._search_from = _OPENING_BYTES
            return
        self.data += piece.data
        if self.is_first and len(self.data) >= _OPENING_BYTES:
            self.is_call = self.data.startswith(_OPENING)

    def shows_frames(self, *, ends: bool) -> bool:
        """Whether a run of frames was found in it that is no accident."""
        size = len(self.data)
        if not self._has_frames and (ends or size >= self._search_from):
            self._search_from = size + size // _GROWTH
            self._has_frames = find_frames(bytes(self.data), ends=ends) is not None
        return self._has_frames

    def uuid(self) -> UUID | None:
        """Return the UUID that it began with, if it did and it is whole."""
        is_whole = self.is_call and self.is_first
        return decode_uuid(bytes(self.data[HEADER_BYTES:_OPENING_BYTES])) if is_whole else None


class Connection:
    """One TCP connection, of which is not known yet what it is, or that is a call."""

    def __init__(self, flow: bytes, me: Side | None, names: CallNames) -> None:
        self.flow = flow
        self.done = False
        """Whether nothing more is to be had from it."""
        self.is_other = False
        """Whether it is no call."""
        self._me = me
        self._names = names
        self._directions = (Direction(), Direction())
        self._opener: int | None = None
        self._answered = False
        self._held: list[_Event] = []
        self._heads = (Head(), Head())
        self._call: CapturedCall | None = None
        self._streams: tuple[Stream, Stream] | None = None
        self._caller = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._told = [False, False]
        self._is_ours = DEFAULT_PORT in flow_ports(flow)

    def is_replaced_by(self, segment: Segment) -> bool:
        """Whether a segment begins a new connection between the same ports."""
        direction = self._directions[segment.flow != self.flow]
        return bool(segment.flags & SYN) and direction.is_replaced_by(segment)

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...]) -> Iterator[Item]:
        """Take a segment and yield what it brings."""
        who = int(segment.flow != self.flow)
        self._first_ns = at_ns if self._first_ns is None else min(self._first_ns, at_ns)
        self._last_ns = max(self._last_ns, at_ns)
        direction, other = self._directions[who], self._directions[1 - who]
        if segment.flags & SYN and self._opener is None:
            self._opener = 1 - who if segment.flags & ACK else who
        if not segment.flags & RST and segment.flags & (SYN | ACK) != SYN:
            self._answered = True
        events: list[_Event] = [(piece.at_ns, who, piece) for piece in direction.take(segment, at_ns)]
        if direction.was_reset:  # what waits was said before
            events += [(piece.at_ns, who, piece) for piece in direction.finish()]
        if segment.flags & ACK and not segment.flags & RST:
            events += [(piece.at_ns, 1 - who, piece) for piece in other.acknowledge(segment.ack, at_ns)]
        events += [(at_ns, who, text) for text in comments]
        if (direction.ended or direction.was_reset) and not self._told[who]:
            self._told[who] = True
            events.append((at_ns, who, None))
        yield from self._pass_on(events)
        if direction.was_reset or (direction.ended and other.ended):
            yield from self.finish()

    def finish(self) -> Iterator[Item]:
        """Yield the rest; nothing more is coming."""
        if self.done:
            return
        self.done = True
        events: list[_Event] = []
        for who, direction in enumerate(self._directions):
            events += [(piece.at_ns, who, piece) for piece in direction.finish()]
            if direction.ended and not self._told[who]:
                self._told[who] = True
                events.append((direction.ended_ns, who, None))
        yield from self._pass_on(events)
        if self._call is None and not self.is_other:
            yield from self._settle(ends=True)
        if self._call is not None and self._streams is not None:
            at_s = self._seconds(self._last_ns)
            for who, stream in enumerate(self._streams):
                yield from stream.finish(self._call, self._side(who), at_s)
            yield Over(self._call)
        self._streams = None

    def _pass_on(self, events: list[_Event]) -> Iterator[Item]:
        for event in events:
            if self._call is not None:
                yield from self._items_of(*event)
            elif not self.is_other:
                self._held.append(event)
                if isinstance(event[2], Piece):
                    self._heads[event[1]].take(event[2])
                yield from self._settle(ends=False)

    def _settle(self, *, ends: bool) -> Iterator[Item]:
        """Find out what it is, if that can be told by now."""
        opener, heads = self._opener, self._heads
        for who in (0, 1) if opener is None else (opener,):
            if heads[who].is_call:
                yield from self._become_call(who)
                return
        most = max(len(head.data) for head in heads) >= _MOST_HELD_BYTES or len(self._held) >= _MOST_HELD
        if opener is not None and self._directions[opener].from_start and heads[opener].is_first:
            # Who calls says what this is. A server may well speak first.
            said = bytes(heads[opener].data[:_QUOTED_BYTES])
            if fault := said and fault_of_opening(said):
                yield from self._become_other(fault)
            elif ends:
                yield from self._become_other("it ended before its UUID was whole" if said else self._why_silent())
            elif most:
                yield from self._settle_by_frames(ends=False)
        elif ends or most or any(head.shows_frames(ends=False) for head in heads):
            yield from self._settle_by_frames(ends=ends)

    def _settle_by_frames(self, *, ends: bool) -> Iterator[Item]:
        found = any(head.shows_frames(ends=ends) for head in self._heads)
        if found or (self._is_ours and any(head.data for head in self._heads)):
            yield from self._become_call(self._likely_caller())
        else:
            is_cut = not all(head.is_first for head in self._heads)
            yield from self._become_other(_CUT_SHORT if is_cut else "there are no frames in it")

    def _why_silent(self) -> str:
        if self._answered:
            return _SILENT
        return _REFUSED if any(direction.was_reset for direction in self._directions) else _UNANSWERED

    def _likely_caller(self) -> int:
        if self._opener is not None:
            return self._opener
        ports = flow_ports(self.flow)
        if self._is_ours:
            return 1 - ports.index(DEFAULT_PORT)
        return int(ports[0] < ports[1])  # whoever dials has a port of the upper half

    def _become_call(self, caller: int) -> Iterator[Item]:
        self._caller = caller
        names = flow_names(self.flow)
        uuid = self._heads[caller].uuid()
        self._call = call = CapturedCall(
            self._names.name(uuid),
            uuid,
            names[caller],
            names[1 - caller],
            self._when_opened() if uuid else self._first_ns,
            self._me,
            whole=uuid is not None,
        )
        # Where the UUID was seen, so was all that followed, be it that the connection's own beginning was not.
        first, second = (Stream(in_step=uuid is not None or way.from_start) for way in self._directions)
        self._streams = (first, second)
        assert self._first_ns is not None
        yield Opened(call, min(0.0, self._seconds(self._first_ns)))
        held = self._held
        self._forget_what_was_held()
        for event in held:
            yield from self._items_of(*event)

    def _when_opened(self) -> int:
        """Return when the caller's first 19 bytes were there."""
        size = 0
        for at_ns, who, event in self._held:
            if who == self._caller and isinstance(event, Piece):
                size += len(event.data)
                if size >= _OPENING_BYTES:
                    return at_ns
        return self._last_ns

    def _become_other(self, reason: str) -> Iterator[Item]:
        self.is_other = True
        if self._is_ours or any(head.shows_frames(ends=False) for head in self._heads):
            caller = self._likely_caller()
            names = flow_names(self.flow)
            yield NoCall(self._first_ns or 0, names[caller], names[1 - caller], reason)
        self._forget_what_was_held()
        for direction in self._directions:
            direction.forget()

    def _forget_what_was_held(self) -> None:
        self._held, self._heads = [], (Head(), Head())

    def _items_of(self, at_ns: int, who: int, event: _Happened) -> Iterator[Item]:
        call, at_s, side = self._call, self._seconds(at_ns), self._side(who)
        assert call is not None
        assert self._streams is not None
        if isinstance(event, str):
            yield Remark(call, at_s, event)
        elif event is None:
            yield from self._streams[who].finish(call, side, at_s)
            yield Ended(call, at_s, side, self._directions[who].was_reset)
        elif event.lost_bytes:
            yield from self._streams[who].lose(call, side, at_s, event.lost_bytes)
        else:
            yield from self._streams[who].feed(call, side, at_s, event.data)

    def _side(self, who: int) -> Side:
        return Side.CALLER if who == self._caller else Side.SERVER

    def _seconds(self, at_ns: int) -> float:
        assert self._call is not None
        return (at_ns - (self._call.started_ns or 0)) / _NS


class Connections:
    """All connections of a capture."""

    def __init__(self) -> None:
        self.me: Side | None = None
        """Which side the capture was taken on, as far as it says so."""
        self.ignored = 0
        """Connections that are no calls."""
        self._by_flow: dict[bytes, Connection] = {}
        self._open: dict[Connection, None] = {}
        """Those of which more is wanted; what was silent for longest comes first."""
        self._ended: deque[Connection] = deque()
        self._names = CallNames()

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...] = ()) -> Iterator[Item]:
        """Take a segment, and yield what it brings."""
        connection = self._by_flow.get(segment.flow)
        if connection is not None and segment.flags & SYN and connection.is_replaced_by(segment):
            yield from self._end(connection)
            connection = None
        if connection is None:
            if not segment.flags & SYN and not segment.payload and not segment.missing_bytes:
                return  # the end of something that has ended, or begins later
            connection = Connection(segment.flow, self.me, self._names)
            self._by_flow[segment.flow] = self._by_flow[reverse_of(segment.flow)] = connection
        elif connection not in self._open:
            return
        self._open.pop(connection, None)
        self._open[connection] = None
        yield from self._pass(connection, connection.take(segment, at_ns, comments))
        if len(self._open) > _MOST_OPEN:
            yield from self._end(next(iter(self._open)))

    def finish(self) -> Iterator[Item]:
        """Yield the rest of all connections; nothing more is coming."""
        for connection in list(self._by_flow.values()):
            if connection in self._open:
                yield from self._end(connection)

    def _end(self, connection: Connection) -> Iterator[Item]:
        """Yield the rest of a connection, and know it no more."""
        if connection in self._open:
            yield from self._pass(connection, connection.finish())
        self._forget(connection)

    def _pass(self, connection: Connection, items: Iterator[Item]) -> Iterator[Item]:
        yield from items
        if connection.done or connection.is_other:
            self.ignored += connection.is_other
            del self._open[connection]
            self._ended.append(connection)
            if len(self._ended) > _MOST_ENDED:
                self._forget(self._ended.popleft())

    def _forget(self, connection: Connection) -> None:
        flow = connection.flow
        for key in (flow, reverse_of(flow)):
            if self._by_flow.get(key) is connection:
                del self._by_flow[key]
