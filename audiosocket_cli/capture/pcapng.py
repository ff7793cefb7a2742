"""Blocks of a pcapng file, in and out: packets with their times and comments, and where the file breaks.

Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from audiosocket_cli.capture.items import Damage
from audiosocket_cli.capture.packet_runs import PacketRun
from audiosocket_cli.capture.packets import LINK_RAW
from audiosocket_cli.capture.pcap import MAX_PACKET_BYTES, Packet
from audiosocket_cli.capture.window import Window

MAGIC: Final = b"\n\r\r\n"
"""The type of the first block, the same in both byte orders."""

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_MAX_BLOCK_BYTES: Final = 16 << 20
"""No block is longer (Wireshark's limit, too), and none of those that are read than a packet with its comments."""

_MAX_READ_BYTES: Final = 2 * MAX_PACKET_BYTES
_MAX_INTERFACES: Final = 10_000

_MIN_LOOK: Final = 8
_MAX_LOOK: Final = 4096
_MIN_ALIKE: Final = 8
"""After so many blocks of one length it pays to look how many more there are."""

_NS: Final = 1_000_000_000
_LATEST_NS: Final = (1 << 63) - 1
"""The year 2262. Stamps can say more than any calendar holds; and less than 1970, which no clock shows either."""

_MIN_BYTES: Final = {_SECTION: 28, _INTERFACE: 20, _OLD_PACKET: 32, _SIMPLE_PACKET: 16, _STATISTICS: 24, _PACKET: 32}
_END, _COMMENT, _NAME, _FLAGS, _RESOLUTION, _OFFSET, _APPLICATION = 0, 1, 2, 2, 9, 14, 4
_INBOUND, _OUTBOUND = 1, 2
_DROPPED: Final = (5, 7)
"""Statistics of an interface: packets that it dropped, and that the operating system did, so far."""


PACKET_AT: Final = 28
"""Where the packet begins in its block."""


class PcapngReader:
    """Yields packets, and damage, after which only `resync` goes on. `about` is the JSON of the first section."""

    def __init__(self, window: Window, *, resync: bool) -> None:
        self.about: dict[str, Any] = {}
        self._window = window
        self._resync = resync
        self._order = "<"
        """The byte order of the section."""
        self._interfaces: list[tuple[int, int, int]] = []
        """Of the section: link type, ticks per second, offset in seconds."""
        self._last_ns = 0
        self._look = _MIN_LOOK
        """How many packets are looked at together: many where those before were all alike."""
        self._sections = 0
        self._drops: dict[tuple[int, int, int], int] = {}
        """By section, interface and who dropped them, what was told last."""

    @property
    def dropped(self) -> int:
        """Packets that were dropped while it was captured, as far as it says so."""
        return sum(self._drops.values())

    def __iter__(self) -> Iterator[Packet | Damage]:
        for one in self.runs():
            if isinstance(one, PacketRun):
                yield from one.packets()
            else:
                yield one

    def runs(self) -> Iterator[PacketRun | Packet | Damage]:
        """Yield all, packets that are alike together."""
        window = self._window
        while True:
            while (run := self._plain_run()) is not None:
                yield run
            if not window.ensure(1):
                return
            fault, length = self._judge_block()
            if fault is not None:
                offset = window.offset
                yield Damage(offset, fault, self._skip_to_block() if self._resync else None)
                if not self._resync:
                    return
                continue
            packet = self._read_block(window.data, window.at, length)
            window.at += length
            if packet is not None:
                yield packet

    def _plain_run(self) -> PacketRun | None:
        """Consume the packets at hand up to a block that is anything else, or needs a closer look: nearly all of a file
        is such packets, without comments. None where there are none, or too few."""
        window = self._window
        starts, end = self._packet_starts()
        if len(starts) < _MIN_LOOK or not self._interfaces:
            return None
        begin, data = window.at, window.data
        words = np.frombuffer(data, self._order + "u4", (end - begin) // 4, begin)
        at = np.array(starts)
        word = (at - begin) // 4
        length, interface, high, low, size, original = (words[word + number].astype(np.int64) for number in range(1, 7))
        options, last = word + (PACKET_AT + size + 3) // 4, word + length // 4 - 1
        has_flags = options == last - 3
        near = np.where(has_flags, options, 0)
        flags = int.from_bytes(struct.pack(self._order + "HH", _FLAGS, 4), "little" if self._order == "<" else "big")
        has_flags &= (words[near] == flags) & (words[near + 2] == 0)
        link = self._interfaces[int(interface[0]) % len(self._interfaces)]
        is_alike = np.array([one == link for one in self._interfaces])[interface % len(self._interfaces)]
        is_plain = (size <= original) & (interface < len(self._interfaces)) & is_alike & (words[last] == length)
        is_plain &= (options == last) | has_flags
        count = len(at) if is_plain.all() else int(is_plain.argmin())
        self._look = min(8 * self._look, _MAX_LOOK) if count == len(at) else _MIN_LOOK
        if not count:
            return None
        link_type, ticks, offset_s = link
        stamps = (high[:count].astype(np.uint64) << np.uint64(32)) | low[:count].astype(np.uint64)
        if ticks == _NS and not offset_s:
            at_ns = np.minimum(stamps, _LATEST_NS).astype(np.int64)
        else:
            times = [stamp * _NS // ticks + offset_s * _NS for stamp in stamps.tolist()]
            at_ns = np.array([max(0, min(time_ns, _LATEST_NS)) for time_ns in times])
        self._last_ns = int(at_ns[-1])
        window.at = int(at[count - 1] + length[count - 1])
        packets_at = at[:count] + PACKET_AT
        return PacketRun(link_type, data, packets_at, packets_at + size[:count], at_ns)

    def _packet_starts(self) -> tuple[list[int], int]:
        """Return where the blocks at hand begin that hold packets, up to any other, and where the last one ends."""
        data, at = self._window.data, self._window.at
        unpack, least, size = struct.Struct(self._order + "II").unpack_from, _MIN_BYTES[_PACKET], len(data)
        starts: list[int] = []
        last_length = alike = 0
        while at + least <= size and len(starts) < self._look:
            kind, length = unpack(data, at)
            end = at + length
            if kind != _PACKET or length % 4 or not least <= length <= _MAX_READ_BYTES or end > size:
                break
            alike = alike + 1 if length == last_length else 0
            last_length = length
            if alike < _MIN_ALIKE:
                starts.append(at)
                at = end
                continue
            most = min((size - at) // length, self._look - len(starts))
            heads = np.ndarray((most, 2), self._order + "u4", data, at, (length, 4))
            is_same = (heads[:, 1] == length) & (heads[:, 0] == kind)
            count = most if is_same.all() else int(is_same.argmin())
            starts += range(at, at + count * length, length)
            at += count * length
            alike = 0
        return starts, at

    def _judge_block(self) -> tuple[str | None, int]:
        """Say why what comes next is not a whole block, or None, and how long the block is in bytes."""
        window = self._window
        if not window.ensure(12):
            return self._cut()
        data, at = window.data, window.at
        order = self._order
        if data[at : at + 4] == MAGIC:
            orders = [order for order in "<>" if struct.unpack_from(order + "I", data, at + 8)[0] == _BYTE_ORDER]
            if not orders:
                return "a section of no known byte order", 0
            order = orders[0]
        kind, length = struct.unpack_from(order + "II", data, at)
        least, most = _MIN_BYTES.get(kind, 12), _MAX_READ_BYTES if kind in _MIN_BYTES else _MAX_BLOCK_BYTES
        if length % 4 or not least <= length <= most:
            return f"not a block, but {data[at : at + 8].hex(' ')} …", 0
        if kind in (_PACKET, _OLD_PACKET):
            fault = self._judge_packet(kind, length)
            if fault is not None:
                return fault, 0
        if kind == _INTERFACE and len(self._interfaces) >= _MAX_INTERFACES:
            return f"more than {_MAX_INTERFACES} interfaces", 0
        if not window.ensure(length):
            return self._cut()
        if struct.unpack_from(order + "I", window.data, window.at + length - 4)[0] != length:
            return "a block whose two lengths differ", 0
        return None, length

    def _judge_packet(self, kind: int, length: int) -> str | None:
        window = self._window
        if not window.ensure(28):
            return self._cut()[0]
        interface, _, _, size, original = self._packet_header(kind, window.data, window.at)
        if not size <= min(original, length - 32):
            return "a packet longer than its block, or than it was"
        return None if interface < len(self._interfaces) else "a packet of an interface that is not described"

    def _packet_header(self, kind: int, data: bytes, at: int) -> tuple[int, ...]:
        """Return interface, time in two halves, and both sizes of a packet."""
        layout = "HxxIIII" if kind == _OLD_PACKET else "IIIII"  # an old one has 16 bits, and a count of drops
        return struct.unpack_from(self._order + layout, data, at + 8)

    def _cut(self) -> tuple[str, int]:
        return f"the file ends inside a block: only {self._window.size} bytes of it are there", 0

    def _read_block(self, data: bytes, at: int, length: int) -> Packet | None:
        """Take in a block that was judged; returns its packet, if there is one in it."""
        if data[at : at + 4] == MAGIC:
            self._read_section(data, at, length)
            return None
        order = self._order
        kind = struct.unpack_from(order + "I", data, at)[0]
        if kind in (_PACKET, _OLD_PACKET):
            interface, high, low, size, _ = self._packet_header(kind, data, at)
            link_type, ticks, offset_s = self._interfaces[interface]
            at_ns = ((high << 32) | low) * _NS // ticks + offset_s * _NS
            self._last_ns = max(0, min(at_ns, _LATEST_NS))
            options = _options(data, at + 28 + (size + 3) // 4 * 4, at + length - 4, order)
            comments = tuple(_text(value) for code, value in options if code == _COMMENT and value)
            return Packet(self._last_ns, link_type, data[at + 28 : at + 28 + size], comments)
        if kind == _SIMPLE_PACKET and self._interfaces:
            size = min(struct.unpack_from(order + "I", data, at + 8)[0], length - 16)
            return Packet(self._last_ns, self._interfaces[0][0], data[at + 12 : at + 12 + size])
        if kind == _INTERFACE:
            self._read_interface(data, at, length)
        if kind == _STATISTICS:
            interface = struct.unpack_from(order + "I", data, at + 8)[0]
            for code, value in _options(data, at + 20, at + length - 4, order):
                if code in _DROPPED and len(value) == 8:
                    self._drops[self._sections, interface, code] = struct.unpack(order + "Q", value)[0]
        return None

    def _read_section(self, data: bytes, at: int, length: int) -> None:
        self._order = "<" if struct.unpack_from("<I", data, at + 8)[0] == _BYTE_ORDER else ">"
        self._interfaces = []
        self._sections += 1
        for code, value in _options(data, at + 24, at + length - 4, self._order):
            if code == _COMMENT and not self.about:
                try:
                    about = json.loads(_text(value))
                except (ValueError, RecursionError):
                    continue
                if isinstance(about, dict):
                    self.about = about

    def _read_interface(self, data: bytes, at: int, length: int) -> None:
        ticks, offset_s = 1_000_000, 0
        for code, value in _options(data, at + 16, at + length - 4, self._order):
            if code == _RESOLUTION and value:
                ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == _OFFSET and len(value) == 8:
                offset_s = struct.unpack(self._order + "q", value)[0]
        self._interfaces.append((struct.unpack_from(self._order + "H", data, at + 8)[0], ticks, offset_s))

    def _skip_to_block(self) -> int:
        """Consume what is not a block, and return how many bytes that were."""
        window, begin = self._window, self._window.offset
        kinds = [struct.pack(self._order + "I", kind) for kind in _MIN_BYTES if kind != _SECTION]
        starts = re.compile(b"|".join(map(re.escape, [MAGIC, *kinds])))
        window.at += 1
        while window.ensure(12):
            match = starts.search(window.data, window.at)
            if match is None:
                window.at = len(window.data) - 3
                continue
            window.at = match.start()
            if self._judge_block()[0] is None:
                return window.offset - begin
            window.at += 1
        window.at = len(window.data)
        return window.offset - begin


def _options(data: bytes, at: int, end: int, order: str) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= end:
        code, size = struct.unpack_from(order + "HH", data, at)
        if code == _END or at + 4 + size > end:
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def opening_blocks(about: dict[str, Any], application: str) -> bytes:
    """Return the blocks that a file of ours begins with: a section with JSON in its comment, an interface of raw IP."""
    comment = json.dumps(about, ensure_ascii=False)
    section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    section += _option(_COMMENT, comment.encode()) + _option(_APPLICATION, application.encode()) + _option(_END, b"")
    interface = struct.pack("<HHI", LINK_RAW, 0, 0)
    interface += _option(_NAME, b"audiosocket") + _option(_RESOLUTION, b"\x09") + _option(_END, b"")
    return _block(_SECTION, section) + _block(_INTERFACE, interface)


def packet_block(at_ns: int, data: bytes, *, outbound: bool, comments: Sequence[str] = ()) -> bytes:
    """Return the block of one packet, at a time in ns since 1970; beyond what stamps are read as, at the nearest."""
    at_ns = max(0, min(at_ns, _LATEST_NS))
    size = len(data)
    body = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, size, size) + data + bytes(-size % 4)
    body += _option(_FLAGS, struct.pack("<I", _OUTBOUND if outbound else _INBOUND))
    for comment in comments:
        body += _option(_COMMENT, comment.encode("utf-8", "backslashreplace")[:0xFFFF])
    return _block(_PACKET, body + _option(_END, b""))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
