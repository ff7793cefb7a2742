"""From TCP segments to calls: which connections are AudioSocket, who is the caller, and the frames of both sides.

A connection is taken for a call when it begins with a UUID frame, or is on AudioSocket's port, or, seen from its middle
on, holds a run of frames that is no accident. All others are counted, and cost nothing more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk import DEFAULT_PORT, UUID_WITHOUT_ANSWER_HINT, Side, fault_of_opening
from audiosocket_cli.capture.items import (
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
from audiosocket_cli.capture.packets import ACK, RST, SYN, Segment, flow_names, flow_ports
from audiosocket_cli.capture.resync import LONGEST_CHAIN_BYTES, find_frames
from audiosocket_cli.capture.tcp import Direction, Piece
from audiosocket_cli.codec import HEADER_BYTES, UUID_BYTES, FrameDecoder, Kind, decode_uuid

_OPENING: Final = bytes([Kind.UUID, 0, UUID_BYTES])
_OPENING_BYTES: Final = HEADER_BYTES + UUID_BYTES

_MOST_HELD_BYTES: Final = 64 << 10
"""How much of a connection is kept to find out what it is, two seconds of the highest rate."""

_MOST_ENDED: Final = 10_000
"""Connections that are remembered after their end, so that a late segment is not taken for a new one."""

_NS: Final = 1e9

_SILENT: Final = f"it ended without a UUID ({UUID_WITHOUT_ANSWER_HINT})"

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

    def feed(self, call: CapturedCall, side: Side, at_s: float, data: bytes) -> Iterator[Item]:
        """Take bytes, and yield the frames that they complete."""
        if not self._in_step:
            self._search.append((at_s, data))
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
        rest = len(self._decoder.buffered) + sum(len(data) for _, data in self._search)
        if rest:
            yield Lost(call, at_s, side, rest, "of a frame that is not whole")
            self.offset += rest
        self._decoder, self._search = FrameDecoder(), []

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
        self._in_step = found is not None
        for at_s, part in waiting:
            if passed_over < len(part):
                if self._in_step:
                    yield from self.feed(call, side, at_s, part[passed_over:])
                else:
                    self._search.append((at_s, part[passed_over:]))
            passed_over = max(0, passed_over - len(part))


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
        self._held: list[_Event] = []
        self._heads = (bytearray(), bytearray())
        self._call: CapturedCall | None = None
        self._streams: tuple[Stream, Stream] | None = None
        self._caller = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._told = [False, False]
        ports = flow_ports(flow)
        self._is_ours = DEFAULT_PORT in ports
        self._server_port_at = ports.index(DEFAULT_PORT) if self._is_ours else None

    def is_replaced_by(self, segment: Segment) -> bool:
        """Whether a segment begins a new connection between the same ports."""
        direction = self._directions[segment.flow != self.flow]
        return bool(segment.flags & SYN) and direction.is_replaced_by(segment)

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...]) -> Iterator[Item]:
        """Take a segment and yield what it brings."""
        who = int(segment.flow != self.flow)
        if self._first_ns is None:
            self._first_ns = at_ns
        self._last_ns = max(self._last_ns, at_ns)
        direction, other = self._directions[who], self._directions[1 - who]
        if segment.flags & SYN and self._opener is None:
            self._opener = 1 - who if segment.flags & ACK else who
        events: list[_Event] = []
        for piece in direction.take(segment, at_ns):
            events.append((at_ns, who, piece))
        if segment.flags & ACK and not segment.flags & RST:
            events += [(at_ns, 1 - who, piece) for piece in other.acknowledge(segment.ack, at_ns)]
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
        at_ns = self._last_ns
        events: list[_Event] = []
        for who, direction in enumerate(self._directions):
            events += [(at_ns, who, piece) for piece in direction.finish()]
            if direction.ended and not self._told[who]:
                self._told[who] = True
                events.append((at_ns, who, None))
        yield from self._pass_on(events)
        if self._call is None and not self.is_other:
            yield from self._settle(ends=True)
        if self._call is not None and self._streams is not None:
            at_s = self._seconds(at_ns)
            for who, stream in enumerate(self._streams):
                yield from stream.finish(self._call, self._side(who), at_s)
            yield Over(self._call)
        self._held.clear()

    def _pass_on(self, events: list[_Event]) -> Iterator[Item]:
        if self._call is not None:
            for event in events:
                yield from self._items_of(*event)
        elif not self.is_other:
            for event in events:
                self._held.append(event)
                if isinstance(event[2], Piece):
                    self._heads[event[1]].extend(event[2].data)
            yield from self._settle(ends=False)

    def _settle(self, *, ends: bool) -> Iterator[Item]:
        """Find out what it is, if that can be told by now."""
        for who, head in enumerate(self._heads):
            if head.startswith(_OPENING) and len(head) >= _OPENING_BYTES:
                yield from self._become_call(who)
                return
        opener = self._opener
        if opener is not None and self._directions[opener].from_start and self._heads[opener]:
            fault = fault_of_opening(bytes(self._heads[opener][:64]))
            if fault is None and not ends:
                return  # it may still become a UUID
            yield from self._become_other(fault or "it ended before its UUID was whole")
        elif ends or max(map(len, self._heads)) >= _MOST_HELD_BYTES or self._shows_frames():
            yield from self._settle_without_opening(ends=ends)

    def _shows_frames(self) -> bool:
        return any(len(head) >= _OPENING_BYTES and find_frames(bytes(head)) is not None for head in self._heads)

    def _settle_without_opening(self, *, ends: bool) -> Iterator[Item]:
        found = any(find_frames(bytes(head), ends=ends) is not None for head in self._heads)
        if found or (self._is_ours and any(self._heads) and self._opener is None):
            yield from self._become_call(self._likely_caller())
        else:
            yield from self._become_other(_SILENT if not any(self._heads) else "there are no frames in it")

    def _likely_caller(self) -> int:
        if self._opener is not None:
            return self._opener
        if self._server_port_at is not None:
            return 1 - self._server_port_at
        ports = flow_ports(self.flow)
        return int(ports[0] < ports[1])  # whoever dials has a port of the upper half

    def _become_call(self, caller: int) -> Iterator[Item]:
        self._caller = caller
        names = flow_names(self.flow)
        head = bytes(self._heads[caller][:_OPENING_BYTES])
        has_uuid = head.startswith(_OPENING) and len(head) == _OPENING_BYTES
        started_ns = self._when_opened() if has_uuid else self._first_ns
        uuid = decode_uuid(head[HEADER_BYTES:]) if has_uuid else None
        self._call = call = CapturedCall(
            self._names.name(uuid),
            uuid,
            names[caller],
            names[1 - caller],
            started_ns,
            self._me,
            whole=has_uuid,
        )
        # Where the UUID was seen, so was all that followed, be it that the connection's own beginning was not.
        first, second = (Stream(in_step=has_uuid or direction.from_start) for direction in self._directions)
        self._streams = (first, second)
        assert self._first_ns is not None
        yield Opened(call, self._seconds(self._first_ns))
        held, self._held = self._held, []
        for event in held:
            yield from self._items_of(*event)
        self._forget_heads()

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
        if self._is_ours:
            caller = self._likely_caller()
            names = flow_names(self.flow)
            yield NoCall(self._first_ns or 0, names[caller], names[1 - caller], reason)
        self._held.clear()
        self._forget_heads()

    def _forget_heads(self) -> None:
        self._heads = (bytearray(), bytearray())

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
        self.fragments = 0
        """IP fragments, of which the segments cannot be read."""
        self._by_flow: dict[bytes, Connection] = {}
        self._ended: deque[Connection] = deque()
        self._names = CallNames()

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...] = ()) -> Iterator[Item]:
        """Take a segment, and yield what it brings."""
        connection = self._by_flow.get(segment.flow)
        if connection is not None and segment.flags & SYN and connection.is_replaced_by(segment):
            yield from self._pass(connection, connection.finish())
            self._forget(connection)
            connection = None
        if connection is None:
            if not segment.flags & SYN and not segment.payload and not segment.missing_bytes:
                return  # the end of something that has ended, or begins later
            connection = Connection(segment.flow, self.me, self._names)
            self._by_flow[segment.flow] = self._by_flow[segment.reverse] = connection
        elif connection.done or connection.is_other:
            return
        yield from self._pass(connection, connection.take(segment, at_ns, comments))

    def finish(self) -> Iterator[Item]:
        """Yield the rest of all connections; nothing more is coming."""
        for connection in list(self._by_flow.values()):
            if not connection.done and not connection.is_other:
                yield from self._pass(connection, connection.finish())

    def _pass(self, connection: Connection, items: Iterator[Item]) -> Iterator[Item]:
        was_other = connection.is_other
        yield from items
        self.ignored += connection.is_other and not was_other
        if connection.done or (connection.is_other and not was_other):
            self._ended.append(connection)
            if len(self._ended) > _MOST_ENDED:
                self._forget(self._ended.popleft())

    def _forget(self, connection: Connection) -> None:
        flow = connection.flow
        size = (len(flow) - 4) // 2
        reverse = flow[size : 2 * size] + flow[:size] + flow[-2:] + flow[-4:-2]
        for key in (flow, reverse):
            if self._by_flow.get(key) is connection:
                del self._by_flow[key]
