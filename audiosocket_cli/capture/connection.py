"""One TCP connection: whether it is a call, who is the caller, and the frames of both sides.

It is taken for a call when it begins with a UUID frame, or is on AudioSocket's port, or, seen from its middle on, holds
a run of frames that is not an accident.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.asterisk.rules import UUID_WITHOUT_ANSWER_HINT, fault_of_opening
from audiosocket_cli.capture.items import CallNames, CapturedCall, Ended, Item, NoCall, Opened, Over, Remark
from audiosocket_cli.capture.packets import ACK, RST, SYN, Segment, flow_names, flow_ports, reverse_of
from audiosocket_cli.capture.streams import OPENING_BYTES, Head, Stream
from audiosocket_cli.capture.tcp import Direction, Piece
from audiosocket_cli.model import Side

_MAX_HELD_BYTES: Final = 128 << 10
"""How many bytes of one side of a connection are kept until it is clear what it is: a run of the longest frames."""

_MAX_HELD: Final = 4000
"""How many of its segments are kept for that."""

_MIN_REPEATED: Final = 3
_MAX_REPEATED: Final = 0.5
"""No network has to send half of all segments again."""

_NS: Final = 1e9

_QUOTED_BYTES: Final = 64
"""How much of the first bytes of another protocol is quoted."""

_SILENT: Final = f"it ended without a UUID ({UUID_WITHOUT_ANSWER_HINT})"
_REFUSED: Final = "it was refused: does nothing listen there?"
_UNANSWERED: Final = "nobody answered it: is the address right, or a firewall in the way?"
_CUT_UUID: Final = "it ended before its UUID was whole"
_CUT_SHORT: Final = "its bytes are missing from the capture (tcpdump keeps them with -s 0)"
_STOPPED: Final = "the capture ends before it said anything"

_Happened = Piece | str | None
"""Bytes, a comment, or the end of a direction."""

_Event = tuple[int, int, _Happened]
"""When, in ns; which end; what."""


class Connection:
    """One TCP connection that is a call, or may be one."""

    def __init__(
        self,
        flow: bytes,
        me: Side | None,
        names: CallNames,
        check_copy: Callable[[Connection, bool], Iterator[Item]] = lambda connection, ends: iter(()),
    ) -> None:
        """`check_copy` gets a call before it begins, and may set its `is_copy` or `is_in_doubt`."""
        self.flow = flow
        self.done = False
        """Whether it yields nothing more."""
        self.is_other = False
        """Whether it is not a call."""
        self.is_copy = False
        """Whether it is a copy of a call that was found already."""
        self.is_in_doubt = False
        """Whether that is not decided yet."""
        self.uuid: UUID | None = None
        """The UUID of its call, once that is known."""
        self.first_ns = 0
        self.last_ns = 0
        self._check_copy = check_copy
        self._copies: dict[str, None] = {}
        """The other ways in which the call was captured."""
        self._missing_bytes = 0
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
        self._is_begun = False
        self._told = [False, False]
        self._is_ours = DEFAULT_PORT in flow_ports(flow)

    def is_replaced_by(self, segment: Segment) -> bool:
        """Whether a segment begins another connection between the same ports."""
        direction = self._directions[segment.flow != self.flow]
        return bool(segment.flags & SYN) and direction.is_replaced_by(segment)

    def distance_to(self, segment: Segment) -> tuple[int, int]:
        """Return how far a segment is from where this connection is, in bytes: by the best of its numbers, and by all.

        The second tells which of several it belongs to, the first whether it can belong to it at all.
        """
        who = int(segment.flow != self.flow)
        found = [self._directions[who].distance_to(segment.seq)]
        if segment.flags & ACK:
            found.append(self._directions[1 - who].distance_to(segment.ack))
        known = [distance for distance in found if distance is not None]
        return min(known, default=0), sum(known) * len(found) // max(1, len(known))

    @property
    def cut_bytes(self) -> int:
        """Bytes that were cut off from its packets."""
        return sum(direction.cut_bytes for direction in self._directions)

    def is_duplicate_of(self, other: Connection) -> bool:
        """Whether another call is this one, captured elsewhere: its addresses may differ, its numbers do not."""
        turned = self._caller != other._caller
        pairs = [(self._directions[who], other._directions[who ^ turned]) for who in (0, 1)]
        duplicates = [mine.is_duplicate_of(its) for mine, its in pairs if mine.is_seen and its.is_seen]
        return bool(duplicates) and all(duplicates) and (self.uuid is not None or len(duplicates) == len(pairs))

    def take_copy(self, copy: Connection) -> None:
        """Note a copy of this call."""
        caller, server = copy._names_of_ends()
        if copy.flow in (self.flow, reverse_of(self.flow)):
            how = "two captures of it are merged here"
        else:
            how = f"it is here as from {caller} to {server}, too"
        self._copies[how] = None

    def skip(self, segment: Segment, at_ns: int) -> None:
        """Take a segment only to follow the connection; it yields nothing."""
        self.last_ns = max(self.last_ns, at_ns)
        direction = self._directions[segment.flow != self.flow]
        direction.take(segment, at_ns)
        direction.forget()

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...]) -> Iterator[Item]:
        """Take a segment and yield what it brings."""
        who = int(segment.flow != self.flow)
        self.first_ns = min(self.first_ns, at_ns) if self._is_begun else at_ns
        self.last_ns = max(self.last_ns, at_ns)
        self._is_begun = True
        direction, other = self._directions[who], self._directions[1 - who]
        if segment.flags & SYN and self._opener is None:
            self._opener = 1 - who if segment.flags & ACK else who
        if not segment.flags & RST and segment.flags & (SYN | ACK) != SYN:
            self._answered = True
        events: list[_Event] = [(piece.at_ns, who, piece) for piece in direction.take(segment, at_ns)]
        if direction.was_reset:  # the bytes that wait came before the reset
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
        """Yield the rest: no more segments follow."""
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
        if self._call is None and not (self.is_other or self.is_copy):
            yield from self._decide(ends=True)
        if self._call is not None and self._streams is not None:
            at_s = self._seconds(self.last_ns)
            for who, stream in enumerate(self._streams):
                yield from stream.finish(self._call, self._side(who), at_s)
                if not self._directions[who].is_seen:
                    self._call.unseen = self._side(who)
            self._call.remarks += self._remarks()
            yield Over(self._call)
        self._streams = None

    def _remarks(self) -> Iterator[str]:
        """Yield what there is to say about how the call was captured."""
        segments = sum(direction.segments for direction in self._directions)
        repeated = sum(direction.repeated for direction in self._directions)
        if repeated >= max(_MIN_REPEATED, (segments - repeated) * _MAX_REPEATED):
            self._copies["its packets are there again, as of a bridge and its ports, or of tcpdump -i any"] = None
        if self._copies:
            yield f"captured more than once: {'; '.join(self._copies)}. It is shown once"
        cut_bytes = self.cut_bytes
        if cut_bytes:
            yield f"{cut_bytes} bytes are missing from the capture, which holds packets in part: tcpdump -s 0 keeps all"
        if self._missing_bytes > cut_bytes:
            yield (
                f"{self._missing_bytes - cut_bytes} bytes are missing from the capture, which lost packets: tcpdump "
                "-s 0 -B 16384 keeps more"
            )
        if self._call is not None and self._call.unseen:
            yield f"nothing that the {self._call.unseen} sent was captured"

    def _pass_on(self, events: list[_Event]) -> Iterator[Item]:
        for event in events:
            if self._call is not None:
                yield from self._items_of(*event)
            elif not (self.is_other or self.is_copy):
                self._held.append(event)
                if isinstance(event[2], Piece):
                    self._heads[event[1]].take(event[2])
                yield from self._decide(ends=False)

    def _decide(self, *, ends: bool) -> Iterator[Item]:
        """Decide what it is, if that is clear by now."""
        opener, heads = self._opener, self._heads
        for who in (0, 1) if opener is None else (opener,):
            if heads[who].is_call:
                yield from self._become_call(who, ends=ends or self._is_much_held)
                return
        if opener is not None and self._directions[opener].from_start and heads[opener].is_first:
            # The caller decides what this is. A server may speak first.
            said = bytes(heads[opener].data[:_QUOTED_BYTES])
            if fault := said and fault_of_opening(said):
                yield from self._become_other(fault)
            elif ends:
                yield from self._become_other(_CUT_UUID if said else self._why_silent())
            elif self._is_much_held:
                yield from self._decide_by_frames(ends=False)
        elif ends or self._is_much_held or any(head.shows_frames(ends=False) for head in heads):
            yield from self._decide_by_frames(ends=ends)

    @property
    def _is_much_held(self) -> bool:
        return max(len(head.data) for head in self._heads) >= _MAX_HELD_BYTES or len(self._held) >= _MAX_HELD

    def _decide_by_frames(self, *, ends: bool) -> Iterator[Item]:
        found = any(head.shows_frames(ends=ends) for head in self._heads)
        if found or (self._is_ours and any(head.data for head in self._heads)):
            yield from self._become_call(self._likely_caller(), ends=True)
        else:
            is_cut = not all(head.is_first for head in self._heads)
            yield from self._become_other(_CUT_SHORT if is_cut else "there are no frames in it")

    def _why_silent(self) -> str:
        if self._answered:
            has_ended = any(direction.ended or direction.was_reset for direction in self._directions)
            return _SILENT if has_ended else _STOPPED
        return _REFUSED if any(direction.was_reset for direction in self._directions) else _UNANSWERED

    def _likely_caller(self) -> int:
        if self._opener is not None:
            return self._opener
        ports = flow_ports(self.flow)
        if self._is_ours:
            return 1 - ports.index(DEFAULT_PORT)
        return int(ports[0] < ports[1])  # the side that dials has the higher port

    def _become_call(self, caller: int, *, ends: bool) -> Iterator[Item]:
        self._caller = caller
        self.uuid = uuid = self._heads[caller].uuid()
        yield from self._check_copy(self, ends)
        if self.is_copy:
            self._forget_all()
        if self.is_copy or self.is_in_doubt:
            return
        started_ns = self._when_opened() if uuid else self.first_ns
        self._call = call = CapturedCall(
            self._names.name(uuid), uuid, *self._names_of_ends(), started_ns, self._me, whole=uuid is not None
        )
        # If the UUID was captured, so was all that followed, even if the beginning of the connection was not.
        first, second = (Stream(in_step=uuid is not None or way.from_start) for way in self._directions)
        self._streams = (first, second)
        yield Opened(call, min(0.0, self._seconds(self.first_ns)))
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
                if size >= OPENING_BYTES:
                    return at_ns
        return self.last_ns

    def _names_of_ends(self) -> tuple[str, str]:
        """Return caller and server, as far as that is known, as host:port."""
        names = flow_names(self.flow)
        return names[self._caller], names[1 - self._caller]

    def _become_other(self, reason: str) -> Iterator[Item]:
        self.is_other = True
        if self._is_ours or any(head.shows_frames(ends=False) for head in self._heads):
            self._caller = self._likely_caller()
            yield NoCall(self.first_ns, *self._names_of_ends(), reason)
        self._forget_all()

    def _forget_all(self) -> None:
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
            self._missing_bytes += event.lost_bytes
            yield from self._streams[who].lose(call, side, at_s, event.lost_bytes)
        else:
            yield from self._streams[who].feed(call, side, at_s, event.data)

    def _side(self, who: int) -> Side:
        return Side.CALLER if who == self._caller else Side.SERVER

    def _seconds(self, at_ns: int) -> float:
        assert self._call is not None
        return (at_ns - (self._call.started_ns or 0)) / _NS
