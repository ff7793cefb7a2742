"""One way into every capture: a file, or standard input, of any format, known by its content and never by its name."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from audiosocket_cli.asterisk import Side
from audiosocket_cli.capture.connections import Connections
from audiosocket_cli.capture.items import Damage, Item
from audiosocket_cli.capture.jsonl import JsonlReader
from audiosocket_cli.capture.packets import Fragmented, knows_link, tcp_segment
from audiosocket_cli.capture.pcap import MAGICS, Packet, read_pcap
from audiosocket_cli.capture.pcapng import MAGIC, PcapngReader
from audiosocket_cli.capture.raw import RawReader
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.capture.window import Gunzip, GzipError, Read, Window
from audiosocket_cli.errors import FileError

_GZIP: Final = b"\x1f\x8b\x08"
_LOOK_S: Final = 0.2
_LINE_BYTES: Final = 64 << 10


class Capture:
    """A capture to be read once: iterate over it for items, or over `runs()` for what can be measured at once."""

    def __init__(self, read: Read, name: str, *, resync: bool = False, scripts: bool = False) -> None:
        """Read with a function that returns up to so many bytes. `scripts`: steps of a script may come, too.

        Raises `FileError` for an input that is empty.
        """
        self.name = name
        self.packets_left_out: dict[str, int] = {}
        """Packets that could not be read, by why."""
        self._resync = resync
        self._connections = Connections()
        window = Window(read)
        while window.ensure(len(_GZIP)) and window.data.startswith(_GZIP, window.at):
            unpacked = Gunzip(read, window.data[window.at :])
            read, window = unpacked.read, Window(unpacked.read)
        if not window.ensure(1):
            raise FileError(f"cannot read {name}: it is empty")
        window.ensure(len(MAGIC))
        start = window.data[:4]
        self._raw: RawReader | None = None
        self._items: Iterator[Item]
        if start == MAGIC:
            self.format = "pcapng"
            self._items = self._from_packets(PcapngReader(window, resync=resync))
        elif start in MAGICS:
            self.format = "pcap"
            self._items = self._from_packets(read_pcap(window, resync=resync))
        elif _is_json(window):
            self.format = "jsonl"
            self._items = iter(JsonlReader(window, resync=resync, scripts=scripts))
        else:
            self.format = "raw"
            self._raw = RawReader(window, resync=resync)
            self._items = iter(self._raw)

    @property
    def ignored(self) -> int:
        """TCP connections that are no calls."""
        return self._connections.ignored

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from self._items
        except GzipError as error:
            yield Damage(error.offset, str(error))
            yield from self._connections.finish()

    def runs(self) -> Iterator[Run | Item]:
        """Yield frames joined to runs where they are alike, and all else as it comes."""
        if self._raw is None:
            yield from in_runs(self)
            return
        try:
            yield from self._raw.runs()
        except GzipError as error:
            yield Damage(error.offset, str(error))

    def _from_packets(self, packets: PcapngReader | Iterator[Packet | Damage]) -> Iterator[Item]:
        connections = self._connections
        for packet in packets:
            if isinstance(packet, Damage):
                yield packet
                continue
            segment = tcp_segment(packet.link_type, packet.data)
            if segment is None:
                if not knows_link(packet.link_type):
                    self._leave_out(f"of link type {packet.link_type}")
            elif isinstance(segment, Fragmented):
                self._leave_out("that are IP fragments")
            else:
                if connections.me is None and isinstance(packets, PcapngReader) and packets.about:
                    connections.me = _side(packets.about.get("me"))
                yield from connections.take(segment, packet.at_ns, packet.comments)
        yield from connections.finish()

    def _leave_out(self, why: str) -> None:
        self.packets_left_out[why] = self.packets_left_out.get(why, 0) + 1


def open_capture(name: str | Path, *, resync: bool = False, follow: bool = False, scripts: bool = False) -> Capture:
    """Open a capture by name; `-` is standard input.

    `resync` goes on behind damage, `follow` waits for more at the end of the file. Raises `FileError` for what is
    missing, unreadable or empty.
    """
    if str(name) == "-":
        return Capture(_reader(sys.stdin.buffer, follow=False), "standard input", resync=resync, scripts=scripts)
    try:
        # Unbuffered: what is there is returned at once, and a growing file has no end that would be remembered.
        file = open(name, "rb", buffering=0)  # noqa: SIM115 - closed with the process, or with its reader
        if os.path.isdir(name):
            raise IsADirectoryError(21, "it is a folder")
    except OSError as error:
        raise FileError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None
    return Capture(_reader(file, follow=follow), str(name), resync=resync, scripts=scripts)


def _reader(file: BinaryIO, *, follow: bool) -> Read:
    def read(size: int) -> bytes:
        while True:
            data = os.read(file.fileno(), size)  # the file stays open as long as its reader is there
            if data or not follow:
                return data
            time.sleep(_LOOK_S)

    return read


def _is_json(window: Window) -> bool:
    """Whether what comes is lines of JSON: the first that is not empty or a comment is an object."""
    data, size = window.data, window.size
    if not data[window.at :].lstrip().startswith((b"{", b"#", b"//")):
        return False
    while size < _LINE_BYTES:
        data = window.data[window.at :]
        for line in data.splitlines()[: None if data.endswith(b"\n") else -1]:
            text = line.strip()
            if text and not text.startswith((b"#", b"//")):
                return _is_object(text)
        if not window.ensure(size + 1):
            break
        size = window.size
    return _is_object(window.data[window.at :].strip().split(b"\n")[-1])


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return text.startswith(b'{"')


def _side(name: object) -> Side | None:
    return next((side for side in Side if side == name), None)
