"""Blocks of a pcapng file, in and out: packets with their times and comments, and where the file breaks.

Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

from audiosocket_cli.capture.items import Damage
from audiosocket_cli.capture.packets import LINK_RAW
from audiosocket_cli.capture.pcap import MOST_PACKET_BYTES, Packet
from audiosocket_cli.capture.window import Window

MAGIC: Final = b"\n\r\r\n"
"""The type of the first block, the same in both byte orders."""

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_MOST_BLOCK_BYTES: Final = 16 << 20
_LEAST_BYTES: Final = {_SECTION: 28, _INTERFACE: 20, _OLD_PACKET: 32, _SIMPLE_PACKET: 16, _PACKET: 32}
_END, _COMMENT, _NAME, _FLAGS, _RESOLUTION, _OFFSET, _APPLICATION = 0, 1, 2, 2, 9, 14, 4
_INBOUND, _OUTBOUND = 1, 2


class Section:
    """What a section says of itself and its interfaces."""

    def __init__(self, order: str, comment: str | None) -> None:
        self.order = order
        self.comment = comment
        self.interfaces: list[tuple[int, int, int]] = []
        """Link type, ticks per second, offset in seconds."""


class PcapngReader:
    """Yields packets, and damage, behind which only `resync` goes on. `about` is the JSON of the first section."""

    def __init__(self, window: Window, *, resync: bool) -> None:
        self.about: dict[str, Any] = {}
        self._window = window
        self._resync = resync
        self._section = Section("<", None)
        self._last_ns = 0

    def __iter__(self) -> Iterator[Packet | Damage]:
        window = self._window
        while window.ensure(12):
            reason, length = self._judge_block()
            if reason is not None:
                offset = window.offset
                if not self._resync:
                    yield Damage(offset, reason)
                    return
                yield Damage(offset, reason, self._skip_to_block())
                continue
            if not window.ensure(length):
                break
            at, data = window.at, window.data
            trailer = struct.unpack_from(self._section.order + "I", data, at + length - 4)[0]
            packet = None if trailer != length else self._read_block(data, at, length)
            if trailer != length or packet is False:
                offset = window.offset
                reason = "a block whose two lengths differ" if trailer != length else "a packet longer than its block"
                if not self._resync:
                    yield Damage(offset, reason)
                    return
                yield Damage(offset, reason, self._skip_to_block())
                continue
            window.at = at + length
            if isinstance(packet, Packet):
                yield packet
        if window.size:
            yield Damage(window.offset, f"the file ends inside a block, of which {window.size} bytes are there")

    def _judge_block(self) -> tuple[str | None, int]:
        """Say what is wrong with the block at hand, if anything is, and its length in bytes."""
        data, at = self._window.data, self._window.at
        if data[at : at + 4] == MAGIC:
            for order in "<>":
                if struct.unpack_from(order + "I", data, at + 8)[0] == _BYTE_ORDER:
                    self._section = Section(order, None)
                    break
            else:
                return "a section of no known byte order", 0
        kind, length = struct.unpack_from(self._section.order + "II", data, at)
        if length % 4 or not _LEAST_BYTES.get(kind, 12) <= length <= _MOST_BLOCK_BYTES:
            return f"no block, but {data[at : at + 8].hex(' ')} …", 0
        return None, length

    def _read_block(self, data: bytes, at: int, length: int) -> Packet | bool | None:
        """Return a packet, None for a block without one, False for one that cannot be."""
        order = self._section.order
        kind = struct.unpack_from(order + "I", data, at)[0]
        if kind in (_PACKET, _OLD_PACKET):
            interface, high, low, size, _ = struct.unpack_from(order + "IIIII", data, at + 8)
            if kind == _OLD_PACKET:
                interface = struct.unpack_from(order + "H", data, at + 8)[0]
            end = at + 28 + size
            if end > at + length - 4:
                return False
            if interface >= len(self._section.interfaces):
                return None
            link_type, ticks, offset_s = self._section.interfaces[interface]
            at_ns = ((high << 32) | low) * 1_000_000_000 // ticks + offset_s * 1_000_000_000
            self._last_ns = at_ns
            options = _options(data, at + 28 + (size + 3) // 4 * 4, at + length - 4, order)
            comments = tuple(_text(value) for code, value in options if code == _COMMENT)
            return Packet(at_ns, link_type, data[at + 28 : end], comments)
        if kind == _SIMPLE_PACKET and self._section.interfaces:
            size = min(struct.unpack_from(order + "I", data, at + 8)[0], length - 16)
            return Packet(self._last_ns, self._section.interfaces[0][0], data[at + 12 : at + 12 + size])
        if kind == _INTERFACE:
            self._read_interface(data, at, length)
        elif kind == _SECTION:
            self._read_section(data, at, length)
        return None

    def _read_section(self, data: bytes, at: int, length: int) -> None:
        for code, value in _options(data, at + 24, at + length - 4, self._section.order):
            if code == _COMMENT and not self.about:
                try:
                    about = json.loads(_text(value))
                except (ValueError, RecursionError):
                    continue
                if isinstance(about, dict):
                    self.about = about

    def _read_interface(self, data: bytes, at: int, length: int) -> None:
        order = self._section.order
        ticks, offset_s = 1_000_000, 0
        for code, value in _options(data, at + 16, at + length - 4, order):
            if code == _RESOLUTION and value:
                ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 30)
            elif code == _OFFSET and len(value) == 8:
                offset_s = struct.unpack(order + "q", value)[0]
        self._section.interfaces.append((struct.unpack_from(order + "H", data, at + 8)[0], ticks, offset_s))

    def _skip_to_block(self) -> int:
        """Consume what is no block, and return how many bytes that were. Its two lengths must agree."""
        window, begin = self._window, self._window.offset
        order = self._section.order + "I"
        starts = re.compile(b"|".join(re.escape(struct.pack(order, kind)) for kind in (_SECTION, _INTERFACE, _PACKET)))
        window.at += 1
        while window.ensure(12):
            match = starts.search(window.data, window.at)
            if match is None:
                window.at = len(window.data) - 3
                continue
            window.at = match.start()
            if not window.ensure(12):
                break
            reason, length = self._judge_block()
            if reason is None and window.ensure(length):
                trailer = struct.unpack_from(self._section.order + "I", window.data, window.at + length - 4)[0]
                if trailer == length:
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
    """Return the block of one packet, at a time in ns since 1970."""
    size = len(data)
    body = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, size, size) + data + bytes(-size % 4)
    body += _option(_FLAGS, struct.pack("<I", _OUTBOUND if outbound else _INBOUND))
    for comment in comments:
        body += _option(_COMMENT, comment.encode("utf-8", "backslashreplace")[:0xFFFF])
    return _block(_PACKET, body + _option(_END, b""))


def closing_block(at_ns: int, comments: Sequence[str]) -> bytes:
    """Return a block of statistics that says what no packet was left to say."""
    body = struct.pack("<III", 0, at_ns >> 32, at_ns & 0xFFFFFFFF)
    for comment in comments:
        body += _option(_COMMENT, comment.encode("utf-8", "backslashreplace")[:0xFFFF])
    return _block(_STATISTICS, body + _option(_END, b""))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


assert _MOST_BLOCK_BYTES > MOST_PACKET_BYTES
