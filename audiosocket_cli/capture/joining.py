"""Several captures as one: the files of a rotation, or those of both ends, joined by the times of their packets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from audiosocket_cli.capture.items import Damage, Item, Opened
from audiosocket_cli.capture.opening import CallsInPackets, Capture, open_capture
from audiosocket_cli.capture.pcap import Packet
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.errors import FileError


class _Part(NamedTuple):
    """One of the captures. Only what cannot be read again stays open, with what was read of it."""

    name: str
    first: Packet
    opened: tuple[Capture, Iterator[Packet | Damage]] | None

    @property
    def first_ns(self) -> int:
        return self.first.at_ns

    def packets(self, resync: bool) -> tuple[Capture, Iterator[Packet | Damage]]:
        """Return the capture, and all packets of it."""
        if self.opened is not None:
            capture, rest = self.opened
            return capture, _after(self.first, rest)
        capture = open_capture(self.name, resync=resync)
        return capture, capture.read_packets()


def joined_captures(names: tuple[str, ...], *, resync: bool) -> list[JoinedCapture | str]:
    """Return captures to be read one after the other: all that consist of packets as one, in the place of the first;
    others by their names, and so what cannot be read, for whoever opens it to say why."""
    found: list[JoinedCapture | str] = []
    parts: list[_Part] = []
    place = 0
    for name in names:
        part = _part(name, resync)
        if part is None:
            found.append(name)
            continue
        place = place if parts else len(found)
        parts.append(part)
    if len(parts) == 1 and parts[0].opened is None:
        found.insert(place, parts[0].name)
    elif parts:
        found.insert(place, JoinedCapture(parts, resync=resync))
    return found


def _part(name: str, resync: bool) -> _Part | None:
    try:
        if not (name == "-" or os.path.exists(name)):
            return None
        if name != "-" and not os.path.isfile(name):
            return None  # a pipe: what was looked at would be gone
        capture = open_capture(name, resync=resync)
        packets = capture.read_packets()
        first = next(packets, None)
    except FileError:
        return None
    if not isinstance(first, Packet):
        return None
    return _Part(name, first, (capture, packets) if name == "-" else None)


class JoinedCapture(Capture):
    """Captures of packets, read as one."""

    def __init__(self, parts: list[_Part], *, resync: bool) -> None:
        self.name = f"{parts[0].name} and {len(parts) - 1} more"
        self.format = "pcap"
        self._calls = CallsInPackets()
        self.packets = None
        self._parts = sorted(parts, key=lambda part: part.first_ns)
        self._resync = resync
        self._current: Capture = self
        self._dropped: dict[str, int] = {}

    @property
    def current(self) -> Capture:
        return self._current

    @property
    def dropped(self) -> int:
        return sum(self._dropped.values())

    @property
    def is_beyond_resync(self) -> bool:
        return self._current is not self and self._current.is_beyond_resync

    def __iter__(self) -> Iterator[Item]:
        for capture, packet in self._in_order():
            self._current = capture
            if isinstance(packet, Damage):
                yield packet
                continue
            for item in self._calls.take(packet, capture.me):
                if isinstance(item, Opened):
                    item.call.file = capture.name
                yield item
        yield from self._calls.connections.finish()

    def runs(self) -> Iterator[Run | Item]:
        return in_runs(self)

    def _in_order(self) -> Iterator[tuple[Capture, Packet | Damage]]:
        """Yield all packets in the order of time. A file is open while its time has come, and it is not at its end."""
        waiting, numbers = list(reversed(self._parts)), count()
        heap: list[tuple[int, int, Packet, Capture, Iterator[Packet | Damage]]] = []
        while waiting or heap:
            if waiting and (not heap or waiting[-1].first_ns <= heap[0][0]):
                capture, packets = waiting.pop().packets(self._resync)
            else:
                _, _, packet, capture, packets = heappop(heap)
                yield capture, packet
            for following in packets:
                if isinstance(following, Packet):
                    heappush(heap, (following.at_ns, next(numbers), following, capture, packets))
                    break
                yield capture, following
            else:
                self._dropped[capture.name] = capture.dropped
                yield from ((capture, fault) for fault in capture.faults())


def _after(first: Packet, rest: Iterator[Packet | Damage]) -> Iterator[Packet | Damage]:
    yield first
    yield from rest
