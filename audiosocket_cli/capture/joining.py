"""Several captures as one: the files of a rotation, joined by the times of their packets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from audiosocket_cli.capture.connections import Connections
from audiosocket_cli.capture.items import Damage, Item, Opened
from audiosocket_cli.capture.opening import CallsInPackets, Capture, open_capture
from audiosocket_cli.capture.pcap import Packet
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.errors import FileError

_OUT_OF_ORDER_NS: Final = 10_000_000
"""Packets that several processors captured are out of order by at most this much."""


class _Part(NamedTuple):
    """One of the captures. Only one that cannot be read again stays open, with what was read of it."""

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
    """Return captures to be read one after the other. All that consist of packets are one, in the place of the first;
    others are names, also those that cannot be read: opening them says why."""
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
    """Captures of packets in the order of time, read as one where each goes on from the one before.

    Where one begins before the one before has ended, as of both ends of a call, it is a capture of its own.
    """

    def __init__(self, parts: list[_Part], *, resync: bool) -> None:
        self.name = f"{parts[0].name} and {len(parts) - 1} more"
        self.format = "pcap"
        self._calls = CallsInPackets()
        self.packets = None
        self._parts = sorted(parts, key=lambda part: part.first_ns)
        self._resync = resync
        self._current: Capture = self
        self._dropped = self._ignored = 0
        self._is_cut = False

    @property
    def current(self) -> Capture:
        return self._current

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def ignored(self) -> int:
        return self._ignored + self._calls.connections.ignored

    @property
    def is_cut(self) -> bool:
        return self._is_cut or self._calls.connections.is_cut

    @property
    def is_beyond_resync(self) -> bool:
        return self._current is not self and self._current.is_beyond_resync

    def __iter__(self) -> Iterator[Item]:
        last_ns = self._parts[0].first_ns
        for part in self._parts:
            if part.first_ns < last_ns - _OUT_OF_ORDER_NS:
                yield from self._end()
            capture, packets = part.packets(self._resync)
            self._current = capture
            for packet in packets:
                if isinstance(packet, Damage):
                    yield packet
                    continue
                last_ns = max(last_ns, packet.at_ns)
                frame = self._calls.take_frame(packet)
                if frame is not None:
                    yield frame
                    continue
                for item in self._calls.take(packet, capture.me):
                    if isinstance(item, Opened):
                        item.call.file = capture.name
                    yield item
            yield from capture.faults()
            self._dropped += capture.dropped
        yield from self._end()

    def _end(self) -> Iterator[Item]:
        """End all calls: another capture follows."""
        yield from self._calls.connections.finish()
        self._ignored, self._is_cut = self.ignored, self.is_cut
        self._calls.connections = Connections()

    def runs(self) -> Iterator[Run | Item]:
        return in_runs(self)


def _after(first: Packet, rest: Iterator[Packet | Damage]) -> Iterator[Packet | Damage]:
    yield first
    yield from rest
