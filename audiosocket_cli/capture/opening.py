"""One way into every capture: a file, or standard input, of any format, known by its content and never by its name."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from audiosocket_cli.capture.connections import Connections
from audiosocket_cli.capture.foreign import LineEnds, name_foreign, name_json, name_text
from audiosocket_cli.capture.items import Captured, Damage, Item
from audiosocket_cli.capture.jsonl import JsonlReader
from audiosocket_cli.capture.packet_runs import PacketRun, frame_segments
from audiosocket_cli.capture.packets import Unreadable, plain_segment, tcp_segment
from audiosocket_cli.capture.packing import unpack
from audiosocket_cli.capture.pcap import MAGICS, Packet, read_pcap
from audiosocket_cli.capture.pcapng import MAGIC, PcapngReader
from audiosocket_cli.capture.raw import RawReader
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.capture.window import Read, Window
from audiosocket_cli.errors import FileError
from audiosocket_cli.model import Side

_LOOK_S: Final = 0.2

_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|(?:#|//)[^\n]*\n)*+\{\s*[\"}]")
"""JSON lines begin with an object, after comments and empty lines."""

_MAY_BE_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:#|//|\{|/?\Z)")
_LOOK_BYTES: Final = 64 << 10

_MIN_LOOK: Final = 16
"""So many packets cost as much together as one by one. After packets that are not alike, so many are taken one by one,
and each time twice as many."""
_LOOK: Final = 256
"""So many are looked at together, and more where those before were alike."""

T = TypeVar("T")


class Capture:
    """A capture to be read once: iterate over it for items, or over `runs()` for what can be measured at once."""

    def __init__(self, read: Read, name: str, *, resync: bool = False, scripts: bool = False) -> None:
        """Read with a function that returns up to so many bytes. `scripts`: steps of a script may come, too.

        Raises `FileError` for an input that is empty.
        """
        self.name = name
        self._calls = CallsInPackets()
        self.packets: PcapngReader | Iterator[Packet | Damage] | None = None
        """What it holds, where that is packets."""
        self._line_ends = self._packed_line_ends = LineEnds(read)
        _, window, self._packings = unpack(self._packed_line_ends, name)
        if self._packings:
            window.read = self._line_ends = LineEnds(window.read, window.data)
        if not window.ensure(1):
            faults = [fault.reason for fault in self.faults()]
            raise FileError(f"cannot read {name}: {faults[-1] if faults else 'it is empty'}")
        window.ensure(len(MAGIC))
        start = window.data[:4]
        foreign = name_foreign(window, name) if start != MAGIC else None
        if foreign:
            raise FileError(f"cannot read {name}: {foreign}")
        self._raw: RawReader | None = None
        self._items: Iterator[Item]
        if start == MAGIC:
            self.format = "pcapng"
            self.packets = PcapngReader(window, resync=resync)
            self._items = self._from_packets()
        elif start in MAGICS:
            self.format = "pcap"
            self.packets = read_pcap(window, resync=resync)
            self._items = self._from_packets()
        elif _is_json(window):
            if other := name_json(window):
                raise FileError(f"cannot read {name}: {other}")
            self.format = "jsonl"
            self._items = iter(JsonlReader(window, resync=resync, scripts=scripts))
        elif text := name_text(window, name):
            raise FileError(f"cannot read {name}: {text}")
        else:
            self.format = "raw"
            self._raw = RawReader(window, resync=resync)
            self._items = iter(self._raw)

    @property
    def current(self) -> Capture:
        """The file that is being read: this one; of several that are joined, the one that it is now."""
        return self

    @property
    def ignored(self) -> int:
        """TCP connections that are not calls."""
        return self._calls.connections.ignored

    @property
    def packets_left_out(self) -> dict[str, int]:
        """Packets that could not be read, by why."""
        return self._calls.left_out

    @property
    def dropped(self) -> int:
        """Packets that were dropped while it was captured, as far as it says so."""
        return self.packets.dropped if isinstance(self.packets, PcapngReader) else 0

    @property
    def is_cut(self) -> bool:
        """Whether packets of connections that are not calls are there in part."""
        return self._calls.connections.is_cut

    @property
    def me(self) -> Side | None:
        """Which side it was taken on, as far as it says so."""
        about = self.packets.about if isinstance(self.packets, PcapngReader) else {}
        return _side(about.get("me"))

    def __iter__(self) -> Iterator[Item]:
        yield from self._items
        yield from self.faults()

    def runs(self) -> Iterator[Run | Item]:
        """Yield frames joined to runs where they are alike, and all else as it comes."""
        if self._raw is None:
            yield from in_runs(self)
        else:
            yield from self._raw.runs()
            yield from self.faults()

    @property
    def is_beyond_resync(self) -> bool:
        """Whether what is damaged is not the capture but how it was packed, or brought here: nothing can be found."""
        return self._line_ends.fault is not None or any(packing.fault for packing in self._packings)

    def faults(self) -> Iterator[Damage]:
        """Say where a packed input broke: at an offset in what it holds. How far an outer one was read is chance."""
        for packing in reversed(self._packings):
            if packing.fault:
                yield Damage(packing.offset, self._packed_line_ends.fault or packing.fault)

    def read_packets(self) -> Iterator[Packet | Damage]:
        """Yield the packets of a capture that consists of such, and its damage."""
        yield from self._trusted(self.packets or ())

    def _trusted(self, packets: Iterable[T | Damage]) -> Iterator[T | Damage]:
        """Yield packets, and damage up to one after which nothing can be trusted."""
        for packet in packets:
            if isinstance(packet, Damage):
                fault = self._line_ends.fault
                yield packet._replace(reason=fault) if fault else packet
                if fault:
                    break  # nothing after it can be trusted
                continue
            yield packet

    def _from_packets(self) -> Iterator[Item]:
        packets: Iterable[PacketRun | Packet | Damage] = self.packets or ()
        if isinstance(self.packets, PcapngReader):
            packets = self.packets.runs()
        trusted: Iterator[PacketRun | Packet | Damage] = self._trusted(packets)
        take_frame = self._calls.take_frame
        for packet in trusted:
            if isinstance(packet, Damage):
                yield packet
            elif isinstance(packet, PacketRun):
                yield from self._calls.take_run(packet, self.me)
            elif frame := take_frame(packet):
                yield frame
            else:
                yield from self._calls.take(packet, self.me)
        yield from self._calls.connections.finish()


class CallsInPackets:
    """The calls that packets make, and which packets could not be read."""

    def __init__(self) -> None:
        self.connections = Connections()
        self.left_out: dict[str, int] = {}
        """By why."""

    def take_frame(self, packet: Packet) -> Captured | None:
        """Return the frame in a packet, if that is all that it brings; else take nothing."""
        at_ns, link_type, data, comments = packet
        plain = None if comments else plain_segment(link_type, data)
        return None if plain is None else self.connections.take_frame(*plain, at_ns)

    def take_run(self, run: PacketRun, me: Side | None) -> Iterator[Item]:
        """Take many packets, those with a frame together, and yield what they bring."""
        is_frame, segments = frame_segments(run)
        others = [*np.flatnonzero(~is_frame).tolist(), len(is_frame)][::-1]
        at, look, alone = 0, _LOOK, _MIN_LOOK
        while at < len(is_frame):
            while others[-1] < at:
                others.pop()
            stop, taken = min(others[-1], at + look), 0
            if stop - at >= _MIN_LOOK:
                taken, frames = self.connections.take_frames(segments.part(at, stop))
                yield from frames
                at += taken
            if taken and at == stop:
                look, alone = 8 * look, _MIN_LOOK
                continue
            look, alone = _LOOK, _MIN_LOOK if taken >= _MIN_LOOK else 2 * alone
            for number in range(at, min(at + alone, len(is_frame))):
                packet = run.packet(number)
                frame = self.take_frame(packet)
                if frame is None:
                    yield from self.take(packet, me)
                else:
                    yield frame
                at += 1

    def take(self, packet: Packet, me: Side | None) -> Iterator[Item]:
        """Take a packet of a capture that was taken on one of the sides, and yield what it brings."""
        segment = tcp_segment(packet.link_type, packet.data)
        if isinstance(segment, Unreadable):
            self.left_out[segment.why] = self.left_out.get(segment.why, 0) + 1
        elif segment is not None:
            self.connections.me = me
            yield from self.connections.take(segment, packet.at_ns, packet.comments)


def open_capture(name: str | Path, *, resync: bool = False, follow: bool = False, scripts: bool = False) -> Capture:
    """Open a capture by name; `-` is standard input.

    `resync` goes on after damage, `follow` waits for more at the end of the file. Raises `FileError` for what is
    missing, unreadable or empty, and while it is read, where that fails.
    """
    if str(name) == "-":
        reader = _Reader("standard input", sys.stdin.fileno() if sys.stdin else -1)
    else:
        try:
            # Not buffered: what is there is returned at once, and a growing file has no end that would be remembered.
            descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _unreadable(str(name), error) from None
        reader = _Reader(str(name), descriptor, owned=True, follow=follow)
    return Capture(reader, reader.name, resync=resync, scripts=scripts)


class _Reader:
    """Reads a descriptor, which is closed with the last who wants it."""

    def __init__(self, name: str, descriptor: int, *, owned: bool = False, follow: bool = False) -> None:
        self.name = name
        self._descriptor = descriptor
        self._owned = owned
        self._follow = follow

    def __call__(self, size: int) -> bytes:
        while True:
            try:
                data = os.read(self._descriptor, size)
            except OSError as error:
                raise _unreadable(self.name, error) from None
            if data or not self._follow:
                return data
            time.sleep(_LOOK_S)

    def __del__(self) -> None:
        if self._owned:
            os.close(self._descriptor)


def _unreadable(name: str, error: OSError) -> FileError:
    return FileError(f"cannot read {name}: {(error.strerror or str(error)).lower()}")


def _is_json(window: Window) -> bool:
    """Whether what comes is lines of JSON. A first line that is being written is waited for."""
    while _MAY_BE_JSON.match(window.data):
        if _JSON.match(window.data):
            return True
        if window.size >= _LOOK_BYTES or not window.ensure(window.size + 1):
            return False
    return False


def _side(name: object) -> Side | None:
    return next((side for side in Side if side == name), None)
