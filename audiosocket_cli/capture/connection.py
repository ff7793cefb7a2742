"""One TCP connection: whether it is a call, who is the caller, and the frames of both sides.

It is taken for a call when it begins with a UUID frame, or is on AudioSocket's port, or, seen from its middle on, holds
a run of frames that is not an accident.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from enum import Enum, auto
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.asterisk.rules import fault_of_opening, without_uuid
from audiosocket_cli.capture.call_items import CallItems
from audiosocket_cli.capture.clock import Clock
from audiosocket_cli.capture.items import CallNames, Captured, CapturedCall, Item, NoCall, Opened
from audiosocket_cli.capture.packet_runs import Numbers
from audiosocket_cli.capture.packets import ACK, RST, SYN, Segment, flow_names, flow_ports, reverse_of
from audiosocket_cli.capture.tcp import SEQ_MODULUS, Direction
from audiosocket_cli.capture.undecided import Event, Undecided
from audiosocket_cli.model import Side

_MIN_REPEATED: Final = 3
_MAX_REPEATED: Final = 0.5
"""No network has to send half of all segments again."""

_QUOTED_BYTES: Final = 64
"""How much of the first bytes of another protocol is quoted."""

_SILENT: Final = without_uuid("it ended without a UUID")
_REFUSED: Final = "it was refused: is a server listening there?"
_UNANSWERED: Final = "it was not answered: is the address right? is a firewall in the way?"
_CUT_UUID: Final = "it ended before its UUID was complete"
_CUT_SHORT: Final = "its bytes are missing from the capture (tcpdump keeps them with -s 0)"
_STOPPED: Final = "the capture ends before it sent anything"


class Standing(Enum):
    """What a call is among the others of a capture."""

    NEW = auto()
    COPY = auto()
    """It is there already, captured elsewhere."""
    IN_DOUBT = auto()
    """It may be a copy: that is to be seen."""


class Connection:
    """One TCP connection that is a call, or may be one."""

    def __init__(
        self,
        flow: bytes,
        me: Side | None,
        names: CallNames,
        check_copy: Callable[[Connection, bool], Generator[Item, None, Standing]],
    ) -> None:
        """`check_copy` gets a call before it begins, and whether the decision cannot wait; it returns what the call is
        among the others."""
        self.flow = flow
        self.done = False
        """Whether it yields nothing more."""
        self.is_other = False
        """Whether it is not a call."""
        self._standing = Standing.NEW
        self.uuid: UUID | None = None
        """The UUID of its call, once that is known."""
        self._clock = Clock()
        self._check_copy = check_copy
        self._copies: dict[str, None] = {}
        """The other ways in which the call was captured."""
        self._me = me
        self._names = names
        self._directions = (Direction(), Direction())
        self._opener: int | None = None
        self._answered = False
        self._undecided = Undecided()
        self._call: CallItems | None = None
        """Once it is known to be one."""
        self._caller = 0
        self._ends_told: set[int] = set()

    def is_replaced_by(self, segment: Segment) -> bool:
        """Whether a segment begins another connection between the same ports."""
        direction = self._directions[segment.flow != self.flow]
        return bool(segment.flags & SYN) and direction.is_replaced_by(segment)

    def distance_to(self, segment: Segment) -> tuple[int, int]:
        """Return how far, in bytes, a segment's sequence and acknowledgement numbers are from what comes next here.

        The first value is the smaller distance: it tells whether the segment can belong to this connection. The second
        is the sum of both: of several connections, the one with the least sum is the right one.
        """
        who = int(segment.flow != self.flow)
        found = [self._directions[who].distance_to(segment.seq)]
        if segment.flags & ACK:
            found.append(self._directions[1 - who].distance_to(segment.ack))
        known = [distance for distance in found if distance is not None]
        return min(known, default=0), sum(known) * len(found) // max(1, len(known))

    @property
    def first_ns(self) -> int:
        """When its first packet passed."""
        return self._clock.first_ns

    @property
    def last_ns(self) -> int:
        """When its last packet passed, so far."""
        return self._clock.last_ns

    @property
    def is_copy(self) -> bool:
        """Whether it is a call that is there already."""
        return self._standing is Standing.COPY

    @property
    def _is_ours(self) -> bool:
        """Whether it is on AudioSocket's port."""
        return DEFAULT_PORT in flow_ports(self.flow)

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
            how = f"it is also here from {caller} to {server}"
        self._copies[how] = None

    def skip(self, segment: Segment, at_ns: int) -> None:
        """Take a segment only to follow the connection; it yields nothing."""
        self._clock.last_ns = max(self.last_ns, at_ns)
        direction = self._directions[segment.flow != self.flow]
        direction.take(segment, at_ns)
        direction.forget()

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...]) -> Iterator[Item]:
        """Take a segment and yield what it brings."""
        who = int(segment.flow != self.flow)
        direction, other = self._directions[who], self._directions[1 - who]
        is_next = bool(segment.payload) and direction.goes_on_with(segment.seq)
        at_ns = self._clock.take(at_ns, direction.last_ns if is_next else 0)
        if segment.flags & SYN and self._opener is None:
            self._opener = 1 - who if segment.flags & ACK else who
        if not segment.flags & RST and segment.flags & (SYN | ACK) != SYN:
            self._answered = True
        events: list[Event] = [(piece.at_ns, who, piece) for piece in direction.take(segment, at_ns)]
        if direction.was_reset:  # the bytes that wait came before the reset
            events += [(piece.at_ns, who, piece) for piece in direction.finish()]
        if segment.flags & ACK and not segment.flags & RST:
            events += [(piece.at_ns, 1 - who, piece) for piece in other.acknowledge(segment.ack, at_ns)]
        events += [(at_ns, who, text) for text in comments]
        if (direction.ended or direction.was_reset) and who not in self._ends_told:
            self._ends_told.add(who)
            events.append((at_ns, who, None))
        yield from self._pass_on(events)
        if direction.was_reset or (direction.ended and other.ended):
            yield from self.finish()

    def take_frame(self, flow: bytes, seq: int, data: bytes, at_ns: int) -> Captured | None:
        """Do the same for a segment that holds the next bytes of its side, if they are a frame and nothing else comes
        of it; else take nothing."""
        who = int(flow != self.flow)
        direction, clock = self._directions[who], self._clock
        if self._call is None or at_ns < clock.last_ns or not direction.goes_on_with(seq):
            return None
        if self._directions[1 - who].waits or clock.moves(at_ns):
            return None
        frame = self._call.take_frame(who, at_ns, data)
        if frame is not None:
            clock.last_ns = at_ns
            self._answered = True
            direction.go_on(len(data), at_ns)
        return frame

    @property
    def started_ns(self) -> int:
        """When its call began, in ns since 1970; 0 while that is not known."""
        return 0 if self._call is None else self._call.call.started_ns or 0

    def count_frames(self, flow: bytes, seqs: Numbers, sizes: Numbers, first_ns: int) -> int:
        """Return how many of these segments of a direction, each of them a frame, `take_frame` would take one after the
        other, from `first_ns` on: numbers and sizes in bytes, both of shape (n,)."""
        who = int(flow != self.flow)
        if self._call is None or first_ns < self.last_ns or not self._directions[who].goes_on_with(int(seqs[0])):
            return 0
        if self._directions[1 - who].waits or not self._call.is_between_frames(who) or self._clock.moves(first_ns):
            return 0
        follows = seqs[1:] == (seqs[:-1] + sizes[:-1]) % SEQ_MODULUS
        return len(seqs) if follows.all() else 1 + int(follows.argmin())

    def take_frames(self, flow: bytes, sizes: Numbers, last_ns: int) -> tuple[CapturedCall, Side, int]:
        """Take segments that were counted; return the call, their side, and the offset where the first begins."""
        assert self._call is not None
        who, size = int(flow != self.flow), int(sizes.sum())
        self._clock.last_ns = max(self.last_ns, last_ns)
        self._answered = True
        self._directions[who].go_on(size, last_ns, len(sizes))
        return self._call.call, *self._call.go_on(who, size)

    def finish(self) -> Iterator[Item]:
        """Yield the rest: no more segments follow."""
        if self.done:
            return
        self.done = True
        events: list[Event] = []
        for who, direction in enumerate(self._directions):
            events += [(piece.at_ns, who, piece) for piece in direction.finish()]
            if direction.ended and who not in self._ends_told:
                self._ends_told.add(who)
                events.append((direction.ended_ns, who, None))
        yield from self._pass_on(events)
        if self._call is None and not (self.is_other or self.is_copy):
            yield from self._decide(ends=True)
        if self._call is not None:
            yield from self._call.finish(self.last_ns)
            self._call.call.remarks += self._remarks(self._call)
            yield self._call.over()

    def _remarks(self, call: CallItems) -> Iterator[str]:
        """Yield what there is to say about how the call was captured."""
        segments = sum(direction.segments for direction in self._directions)
        repeated = sum(direction.repeated for direction in self._directions)
        if repeated >= max(_MIN_REPEATED, (segments - repeated) * _MAX_REPEATED):
            self._copies["its packets are repeated, as by a bridge and its ports, or by tcpdump -i any"] = None
        if self._copies:
            yield f"captured more than once: {'; '.join(self._copies)}. It is shown once"
        cut_bytes = self.cut_bytes
        if cut_bytes:
            yield f"{cut_bytes} bytes are missing from the capture, which cut packets: tcpdump -s 0 keeps them whole"
        if call.missing_bytes > cut_bytes:
            yield (
                f"{call.missing_bytes - cut_bytes} bytes are missing from the capture, which lost packets: tcpdump "
                "-s 0 -B 16384 keeps more"
            )
        if step_s := self._clock.step_ns / 1e9:
            yield (
                f"the clock was set {'on' if step_s > 0 else 'back'} by {abs(step_s):.1f} s "
                f"{call.seconds(self._clock.step_at_ns):.1f} s after the call began: the times after that are moved"
            )
        if call.call.unseen:
            yield f"nothing that the {call.call.unseen} sent was captured"

    def _pass_on(self, events: list[Event]) -> Iterator[Item]:
        for event in events:
            if self._call is not None:
                yield from self._call.of(event)
            elif not (self.is_other or self.is_copy):
                self._undecided.take(event)
                yield from self._decide(ends=False)

    def _decide(self, *, ends: bool) -> Iterator[Item]:
        """Decide what it is, if that is clear by now."""
        opener, heads = self._opener, self._undecided.heads
        for who in (0, 1) if opener is None else (opener,):
            if heads[who].is_call:
                yield from self._become_call(who, ends=ends or self._undecided.is_much)
                return
        if opener is not None and self._directions[opener].from_start and heads[opener].is_first:
            # The caller decides what this is. A server may speak first.
            said = bytes(heads[opener].data[:_QUOTED_BYTES])
            if fault := said and fault_of_opening(said):
                yield from self._become_other(fault)
            elif ends:
                yield from self._become_other(_CUT_UUID if said else self._why_silent())
            elif self._undecided.is_much:
                yield from self._decide_by_frames(ends=False)
        elif ends or self._undecided.is_much or self._undecided.shows_frames(ends=False):
            yield from self._decide_by_frames(ends=ends)

    def _decide_by_frames(self, *, ends: bool) -> Iterator[Item]:
        undecided = self._undecided
        if undecided.shows_frames(ends=ends) or (self._is_ours and undecided.has_data):
            yield from self._become_call(self._likely_caller(), ends=True)
        else:
            yield from self._become_other("there are no frames in it" if undecided.is_whole else _CUT_SHORT)

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
        self.uuid = uuid = self._undecided.uuid(caller)
        self._standing = yield from self._check_copy(self, ends)
        if self.is_copy:
            self._forget_all()
        if self._standing is not Standing.NEW:
            return
        started_ns = self._undecided.opened_ns(caller, self.last_ns) if uuid else self.first_ns
        call = CapturedCall(
            self._names.name(uuid), uuid, *self._names_of_ends(), started_ns, self._me, whole=uuid is not None
        )
        self._call = CallItems(call, caller, self._directions)
        yield Opened(call, min(0.0, self._call.seconds(self.first_ns)))
        held, self._undecided = self._undecided.events, Undecided()
        for event in held:
            yield from self._call.of(event)

    def _names_of_ends(self) -> tuple[str, str]:
        """Return caller and server, as far as that is known, as host:port."""
        names = flow_names(self.flow)
        return names[self._caller], names[1 - self._caller]

    def _become_other(self, reason: str) -> Iterator[Item]:
        self.is_other = True
        if self._is_ours or self._undecided.shows_frames(ends=False):
            self._caller = self._likely_caller()
            yield NoCall(self.first_ns, *self._names_of_ends(), reason)
        self._forget_all()

    def _forget_all(self) -> None:
        self._undecided = Undecided()
        for direction in self._directions:
            direction.forget()
