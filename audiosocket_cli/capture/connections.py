"""All TCP connections of a capture: which are calls, which are not, and which were captured more than once.

Connections that are not calls are counted, and cost nothing more. There may be several connections between the same
ports: one after the other, or at the same time, when two merged captures number the bytes of a connection differently.
Each of them is a strand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from functools import partial
from typing import Final
from uuid import UUID

import numpy as np

from audiosocket_cli.capture.clock import SET_NS
from audiosocket_cli.capture.connection import Connection, Standing
from audiosocket_cli.capture.items import CallNames, Captured, CapturedCall, Item
from audiosocket_cli.capture.packet_runs import FrameSegments
from audiosocket_cli.capture.packets import SYN, Segment, reverse_of
from audiosocket_cli.codec import HEADER_BYTES, Frame
from audiosocket_cli.model import Side

_MAX_OPEN: Final = 10_000
"""The most connections that are followed at a time. Beyond it, the one that was silent for longest is ended: a port
scan opens any number."""

_MAX_ENDED: Final = 10_000
"""Connections that are remembered after their end, so that a late segment is not taken for a new one."""

_MAX_STRANDS: Final = 8
"""The most connections between the same ports."""

_FAR_BYTES: Final = 1 << 26
_FASTEST_BYTES: Final = 1 << 20
"""A segment that is farther away than this, plus so much for each second, is of another connection: slin192 has 384,000
bytes a second."""

_NS: Final = 1_000_000_000
_STALE_NS: Final = 30 * _NS
"""A copy comes no later than this after the last of its original: clocks of two captures agree better."""

_GOES_ON_NS: Final = 2 * _NS
"""A copy of a call goes on within this time; after a longer pause it is another call between the same ports."""

_captured: Final = partial(tuple.__new__, Captured)
"""Makes an item of a tuple: thrice as fast as the class itself."""

_MIN_EACH: Final = 8
"""As many frames of each direction, on average, are taken together: of fewer, each by itself costs less."""


class Connections:
    """All connections of a capture."""

    def __init__(self) -> None:
        self.me: Side | None = None
        """The side that the capture was taken on, if it says so."""
        self.ignored = 0
        """Connections that are not calls."""
        self.is_cut = False
        """Whether bytes of connections that are not calls were cut off, so that they may be calls."""
        self._by_flow: dict[bytes, list[Connection]] = {}
        """Strands, the same list for both directions of a flow."""
        self._by_uuid: dict[UUID | None, list[Connection]] = {}
        """Calls that are remembered; those without a UUID only while they go on."""
        self._open: dict[Connection, None] = {}
        """Those that are still followed; the one that was silent for longest comes first."""
        self._ended: deque[Connection] = deque()
        self._names = CallNames()

    def take(self, segment: Segment, at_ns: int, comments: tuple[str, ...] = ()) -> Iterator[Item]:
        """Take a segment, and yield what it brings."""
        strands = self._by_flow.get(segment.flow, [])
        connection = _strand_of(segment, at_ns, strands)
        if connection is None:
            if not segment.flags & SYN and not segment.payload and not segment.missing_bytes:
                return  # the end of something that has ended, or begins later
            for old in [old for old in strands if not self._goes_on(old, at_ns) or len(strands) >= _MAX_STRANDS]:
                yield from self._end(old)
            connection = Connection(segment.flow, self.me, self._names, self._check_copy)
            strands = self._by_flow.setdefault(segment.flow, [])
            self._by_flow[reverse_of(segment.flow)] = strands
            strands.append(connection)
        elif connection not in self._open:
            connection.skip(segment, at_ns)
            return
        self._open.pop(connection, None)
        self._open[connection] = None
        yield from self._pass(connection, connection.take(segment, at_ns, comments))
        if len(self._open) > _MAX_OPEN:
            yield from self._end(next(iter(self._open)))

    def take_frame(self, flow: bytes, seq: int, data: bytes, at_ns: int) -> Captured | None:
        """Do the same for a segment that brings one frame of a call that goes on, and nothing else; else take nothing.

        Nearly all segments of calls do. `take` gives the same, in six times the time.
        """
        strand = self._only_strand(flow)
        frame = strand.take_frame(flow, seq, data, at_ns) if strand is not None else None
        if frame is not None and strand is not None:
            del self._open[strand]
            self._open[strand] = None
        return frame

    def _only_strand(self, flow: bytes) -> Connection | None:
        """Return the connection that a segment can only belong to, if it goes on."""
        strands = self._by_flow.get(flow)
        return strands[0] if strands is not None and len(strands) == 1 and strands[0] in self._open else None

    def take_frames(self, segments: FrameSegments) -> tuple[int, Iterator[Captured]]:
        """Do the same for many such segments, up to the first that is anything else; return how many were taken, and
        their frames, which are made as they are wanted: many that are there at once keep the garbage collector busy."""
        data, at_ns, _, seqs, begins, ends = segments
        sizes = ends - begins
        flows, which = segments.by_flow(len(at_ns) // _MIN_EACH)
        strands = [self._only_strand(flow) for flow in flows]
        places = [np.flatnonzero(which == number) for number in range(len(flows))]
        is_set = at_ns >= SET_NS  # see `clock`: a clock that was set meanwhile
        stops = np.flatnonzero((which[1:] < 0) | (at_ns[1:] < at_ns[:-1]) | (is_set[1:] & ~is_set[:-1]))
        count = int(stops[0]) + 1 if len(stops) else len(which)
        for flow, strand, mine in zip(flows, strands, places, strict=True):
            taken = strand.count_frames(flow, seqs[mine], sizes[mine], int(at_ns[mine[0]])) if strand else 0
            if taken < len(mine):
                count = min(count, int(mine[taken]))
        calls: list[CapturedCall | None] = [None] * len(flows)
        sides: list[Side | None] = [None] * len(flows)
        at_s, offsets = np.zeros(count), np.zeros(count, np.int64)
        last: dict[int, Connection] = {}
        for number, (flow, strand, all_mine) in enumerate(zip(flows, strands, places, strict=True)):
            mine = all_mine[: np.searchsorted(all_mine, count)]
            if strand is None or not len(mine):
                continue
            its_sizes = sizes[mine]
            calls[number], sides[number], offset = strand.take_frames(flow, its_sizes, int(at_ns[mine[-1]]))
            offsets[mine] = offset + np.cumsum(its_sizes) - its_sizes
            at_s[mine] = (at_ns[mine] - strand.started_ns) / _NS
            last[int(mine[-1])] = strand
        for _, strand in sorted(last.items()):
            del self._open[strand]
            self._open[strand] = None
        kinds = np.frombuffer(data, np.uint8)[begins[:count]].tolist()
        payloads = map(data.__getitem__, map(slice, (begins[:count] + HEADER_BYTES).tolist(), ends[:count].tolist()))
        who, times = which[:count].tolist(), at_s.tolist()
        columns = (
            map(calls.__getitem__, who), times, map(sides.__getitem__, who), map(Frame, kinds, payloads), times,
            offsets.tolist(), [0.0] * count,
        )  # fmt: skip
        return count, map(_captured, zip(*columns, strict=True))

    def finish(self) -> Iterator[Item]:
        """Yield the rest of all connections: no more segments follow."""
        for connection in [strand for strands in self._by_flow.values() for strand in strands]:
            if connection in self._open:
                yield from self._end(connection)

    def _check_copy(self, new: Connection, ends: bool) -> Generator[Item, None, Standing]:
        """Decide what a connection that has just begun is: a copy of a call already known (captured at two places), or
        a call of its own. A new call between the same ports ends the old one; a copy leaves its original as it is.

        Returns `IN_DOUBT` where the next packets will tell; with `ends` there are none, and it is decided now.
        """
        originals = [old for old in self._by_uuid.get(new.uuid, ()) if self._may_be(old, new)]
        sure = [old for old in originals if old.last_ns > new.first_ns or old.is_duplicate_of(new)]
        is_new = ends or new.last_ns - new.first_ns > _GOES_ON_NS
        if sure:
            sure[0].take_copy(new)
            return Standing.COPY
        if originals and not is_new:
            return Standing.IN_DOUBT
        for old in list(self._by_flow[new.flow]):
            if old is not new and old in self._open and old.last_ns <= new.first_ns:
                yield from self._end(old)
        self._by_uuid.setdefault(new.uuid, []).append(new)
        return Standing.NEW

    def _goes_on(self, strand: Connection, now_ns: int) -> bool:
        """Whether more of a connection may come, also of a copy, which yields nothing."""
        return strand in self._open or (strand.is_copy and strand.last_ns > now_ns - _GOES_ON_NS)

    def _may_be(self, old: Connection, new: Connection) -> bool:
        """Whether a call may be another, captured elsewhere."""
        if old is new or old.last_ns < new.first_ns - _STALE_NS:
            return False
        is_between_its_ports = new.uuid is not None and old in self._by_flow[new.flow] and old in self._open
        return is_between_its_ports or old.is_duplicate_of(new)

    def _end(self, connection: Connection) -> Iterator[Item]:
        """Yield the rest of a connection, and forget it."""
        if connection in self._open:
            yield from self._pass(connection, connection.finish())
        self._forget(connection)

    def _pass(self, connection: Connection, items: Iterator[Item]) -> Iterator[Item]:
        yield from items
        if connection in self._open and (connection.done or connection.is_other or connection.is_copy):
            self.ignored += connection.is_other
            self.is_cut |= connection.is_other and connection.cut_bytes > 0
            del self._open[connection]
            self._ended.append(connection)
            if connection.uuid is None:
                self._forget_call(connection)
            if len(self._ended) > _MAX_ENDED:
                self._forget(self._ended.popleft())

    def _forget(self, connection: Connection) -> None:
        self._forget_call(connection)
        for key in (connection.flow, reverse_of(connection.flow)):
            strands = self._by_flow.get(key, [])
            if connection in strands:
                strands.remove(connection)
            if not strands:
                self._by_flow.pop(key, None)

    def _forget_call(self, connection: Connection) -> None:
        calls = self._by_uuid.get(connection.uuid, [])
        if connection in calls:
            calls.remove(connection)
            if not calls:
                del self._by_uuid[connection.uuid]


def _strand_of(segment: Segment, at_ns: int, strands: list[Connection]) -> Connection | None:
    """Return the connection that a segment belongs to, or None where it begins another."""
    if segment.flags & SYN:
        strands = [strand for strand in strands if not strand.is_replaced_by(segment)]
    if not strands:
        return None
    nearest = min(strands, key=lambda strand: strand.distance_to(segment)[1]) if len(strands) > 1 else strands[0]
    if segment.flags & SYN or not (segment.payload or segment.missing_bytes):
        return nearest
    reach = _FAR_BYTES + max(0, at_ns - nearest.last_ns) * _FASTEST_BYTES // _NS
    return nearest if nearest.distance_to(segment)[0] <= reach else None
