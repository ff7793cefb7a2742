"""Records of a pcap file, as tcpdump writes them: packets with their time, and where the file breaks.

Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from audiosocket_cli.capture.items import Damage
from audiosocket_cli.capture.window import Window

MAGICS: Final[dict[bytes, tuple[str, int, str]]] = {
    b"\xa1\xb2\xc3\xd4": (">", 1000, ""),
    b"\xd4\xc3\xb2\xa1": ("<", 1000, ""),
    b"\xa1\xb2\x3c\x4d": (">", 1, ""),
    b"\x4d\x3c\xb2\xa1": ("<", 1, ""),
    b"\xa1\xb2\xcd\x34": (">", 1000, "8x"),
    b"\x34\xcd\xb2\xa1": ("<", 1000, "8x"),
}
"""The first bytes of a file: its byte order, the unit of its fractions of a second in ns, and what more its records
have in front (interface, protocol and direction, in files of a patched libpcap, "modified" to Wireshark)."""

MAX_PACKET_BYTES: Final = 1 << 20
"""No link has packets as long; tcpdump itself stops at 256 KiB."""

_NS: Final = 1_000_000_000
_HEADER_BYTES: Final = 24
_ALIKE_S: Final = 7 * 24 * 3600
"""A record that is believed after damage is within a week of the last one."""


class Packet(NamedTuple):
    """One captured packet: its time in ns since 1970, its link type, its bytes, and the comments on it."""

    at_ns: int
    link_type: int
    data: bytes
    comments: tuple[str, ...] = ()


def read_pcap(window: Window, *, resync: bool) -> Iterator[Packet | Damage]:
    """Yield the packets of a pcap file whose magic was seen, and its damage, after which only `resync` goes on."""
    if not window.ensure(_HEADER_BYTES):
        reason = f"the file ends inside its header: {window.size} of {_HEADER_BYTES} bytes"
        yield Damage(window.offset, reason, window.size if resync else None)
        return
    header = window.take(_HEADER_BYTES)
    order, unit_ns, more = MAGICS[header[:4]]
    link_type = struct.unpack_from(order + "I", header, 20)[0] & 0xFFFF
    record = struct.Struct(f"{order}IIII{more}")
    last_s: int | None = None
    while window.ensure(1):
        if window.ensure(_HEADER_BYTES) and window.data.startswith(header[:8], window.at):
            window.at += _HEADER_BYTES  # another file was appended, as cat does with those of a rotation
            continue
        packet = _packet(window, record, unit_ns, link_type)
        if isinstance(packet, Packet):
            yield packet
            last_s = packet.at_ns // _NS
            continue
        offset = window.offset
        yield Damage(offset, packet, _skip_to_record(window, record, unit_ns, last_s) if resync else None)
        if not resync:
            return


def _packet(window: Window, record: struct.Struct, unit_ns: int, link_type: int) -> Packet | str:
    """Consume a record, and return its packet, or say why what comes next is not a whole record."""
    if window.ensure(record.size):
        seconds, fraction, size, original = record.unpack_from(window.data, window.at)
        if not _is_believable(fraction * unit_ns, size, original):
            return f"not a packet record, but {window.data[window.at : window.at + 8].hex(' ')} …"
        if window.ensure(record.size + size):
            at = window.at + record.size
            window.at = at + size
            return Packet(seconds * _NS + fraction * unit_ns, link_type, window.data[at : at + size])
    return f"the file ends inside a packet record: only {window.size} bytes of it are there"


def _is_believable(fraction_ns: int, size: int, original: int) -> bool:
    return size <= MAX_PACKET_BYTES and size <= original and original > 0 and fraction_ns < _NS


def _skip_to_record(window: Window, record: struct.Struct, unit_ns: int, last_s: int | None) -> int:
    """Consume what is not a record, and return how many bytes that were. Two in a row are believed."""
    begin = window.offset
    starts = _starts(record, last_s)
    window.at += 1
    while window.ensure(record.size):
        match = starts.search(window.data, window.at)
        if match is None:
            window.at = len(window.data) - 3
            continue
        window.at = match.start()
        if _is_record(window, 0, record, unit_ns, last_s):
            return window.offset - begin
        window.at += 1
    window.at = len(window.data)
    return window.offset - begin


def _starts(record: struct.Struct, last_s: int | None) -> re.Pattern[bytes]:
    """Return what finds the first four bytes of records with a believable time."""
    if last_s is None:
        return re.compile(rb"....", re.DOTALL)
    little = record.format.startswith("<")
    halves = range(max(0, last_s - _ALIKE_S) >> 16, ((last_s + _ALIKE_S) >> 16) + 1)
    either = b"|".join(re.escape((half & 0xFFFF).to_bytes(2, "little" if little else "big")) for half in halves)
    return re.compile(b"..(?:" + either + b")" if little else b"(?:" + either + b")..", re.DOTALL)


def _is_record(window: Window, ahead: int, record: struct.Struct, unit_ns: int, last_s: int | None) -> bool:
    """Whether a record stands `ahead` bytes from here, and another, or the end of the file, after it."""
    if not window.ensure(ahead + record.size):
        return window.size == ahead
    seconds, fraction, size, original = record.unpack_from(window.data, window.at + ahead)
    if not size or not _is_believable(fraction * unit_ns, size, original):
        return False
    if last_s is not None and abs(seconds - last_s) > _ALIKE_S:
        return False
    return bool(ahead) or _is_record(window, record.size + size, record, unit_ns, seconds)
