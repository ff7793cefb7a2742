"""A live connection as made-up TCP packets, so that Wireshark, tshark and tcpdump can follow it.

Each chunk that was read or written is a segment, exactly as it was; sequence numbers, acknowledgements and checksums
are right; the window is the largest that TCP has, because the real one is not known.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.capture.packets import ACK, FIN, PSH, RST, SYN

_TCP = struct.Struct(">HHIIBBHHH")
TCP_BYTES: Final = _TCP.size
"""The length of a TCP header without options."""

_WINDOW: Final = 0xFFFF
_SYN_OPTIONS: Final = bytes((2, 4, 0xFF, 0xD7, 3, 3, 14, 1))
"""Segments of up to 65,495 bytes, and windows in units of 16 KiB."""

MAX_SEGMENT_BYTES: Final = 65_495
"""What an IPv4 packet can carry: 65,535 bytes less two headers."""

_APART: Final = 1 << 30
"""How far the sequence numbers of the two sides begin from each other."""

IPV4_BYTES: Final = 20
"""The length of an IPv4 header; that of IPv6 has 40."""

_HOPS: Final = 64
_PROTOCOL: Final = 6

Address = tuple[str, int]


class Conversation:
    """Makes the packets of one connection. `sent` says that we sent it, rather than the peer."""

    def __init__(self, ours: Address, theirs: Address, *, first_seq: int = 0) -> None:
        """Take both addresses as sockets give them: host and port.

        `first_seq` is where sequence numbers begin. Two connections between the same ports need different ones: a SYN
        like the last would be one sent again. Raises `ValueError` for what are not addresses of one family.
        """
        hosts = [_ip(host) for host, _ in (ours, theirs)]
        if len({host.version for host in hosts}) > 1:
            raise ValueError(f"{ours[0]} and {theirs[0]} are not of one family")
        self.numbers = [(first_seq + shift) & 0xFFFFFFFF for shift in (0, _APART)] + [0]
        """What changes with each packet: the next sequence number of ours, of theirs, and the last packet's own."""
        self._hosts = [host.packed for host in hosts]
        self._ports = (ours[1], theirs[1])
        self._has_ended = [False, False]

    def opening(self, *, sent: bool) -> Iterator[tuple[bool, bytes]]:
        """Yield the three packets of a handshake that we began, or the peer; each with whether we sent it."""
        yield sent, self._packet(sent, SYN, options=_SYN_OPTIONS, acked=False)
        self._advance(sent, 1)
        yield not sent, self._packet(not sent, SYN | ACK, options=_SYN_OPTIONS)
        self._advance(not sent, 1)
        yield sent, self._packet(sent, ACK)

    def chunk(self, data: bytes, *, sent: bool) -> Iterator[bytes]:
        """Yield the segment of a chunk, or several where it is too long for one."""
        for start in range(0, len(data), MAX_SEGMENT_BYTES):
            part = data[start : start + MAX_SEGMENT_BYTES]
            flags = ACK | PSH if start + len(part) == len(data) else ACK
            yield self._packet(sent, flags, part)
            self._advance(sent, len(part))

    def lose(self, size: int, *, sent: bool) -> None:
        """Go on after bytes that a side sent, and that are not known."""
        self._advance(sent, size)

    def form(self, size: int, *, sent: bool) -> tuple[bytes, int]:
        """Return the headers of a segment that holds a chunk of `size` bytes, numbers and checksums left 0, and the sum
        of the little-endian words that its TCP checksum counts and they do not hold."""
        me = not sent
        pair = self._hosts[me] + self._hosts[not me]
        tcp = _TCP.pack(self._ports[me], self._ports[not me], 0, 0, _TCP.size << 2, ACK | PSH, _WINDOW, 0, 0)
        pseudo = pair + struct.pack(">II", _TCP.size + size, _PROTOCOL)
        return _ip_header(pair, _TCP.size + size, 0) + tcp, sum(struct.unpack(f"<{len(pseudo) // 2}H", pseudo))

    def end(self, *, sent: bool) -> bytes | None:
        """Return the packet with which a side closes its half; None when it has done so already."""
        if self._has_ended[not sent]:
            return None
        self._has_ended[not sent] = True
        packet = self._packet(sent, FIN | ACK)
        self._advance(sent, 1)
        return packet

    def reset(self, *, sent: bool) -> bytes:
        """Return the packet with which a side resets the connection."""
        self._has_ended = [True, True]
        return self._packet(sent, RST | ACK)

    @property
    def has_ended(self) -> bool:
        """Whether both sides are closed."""
        return all(self._has_ended)

    def acknowledgement(self, *, sent: bool) -> bytes:
        """Return a packet without data."""
        return self._packet(sent, ACK)

    def _advance(self, sent: bool, count: int) -> None:
        side = not sent
        self.numbers[side] = (self.numbers[side] + count) & 0xFFFFFFFF

    def _packet(self, sent: bool, flags: int, data: bytes = b"", *, options: bytes = b"", acked: bool = True) -> bytes:
        me = not sent
        size = _TCP.size + len(options) + len(data)
        head = _TCP.pack(
            self._ports[me], self._ports[not me], self.numbers[me], self.numbers[not me] if acked else 0,
            (_TCP.size + len(options)) << 2, flags, _WINDOW, 0, 0,
        ) + options  # fmt: skip
        pair = self._hosts[me] + self._hosts[not me]
        pseudo = pair + struct.pack(">II", size, _PROTOCOL)
        total = _sum(pseudo) + _sum(head) + _sum(data)
        head = head[:16] + _checksum(total) + head[18:]
        self.numbers[2] = (self.numbers[2] + 1) & 0xFFFF
        ip = _ip_header(pair, size, self.numbers[2])
        if len(ip) == IPV4_BYTES:
            ip = ip[:10] + _checksum(_sum(ip)) + ip[12:]
        return ip + head + data


def _ip_header(pair: bytes, size: int, number: int) -> bytes:
    """Return the header of an IP packet that carries `size` bytes, without its checksum; the number is of IPv4."""
    if len(pair) == 32:
        return struct.pack(">IHBB", 0x60000000, size, _PROTOCOL, _HOPS) + pair
    head = struct.pack(">BBHHHBBH", 0x45, 0, IPV4_BYTES + size, number, 0x4000, _HOPS, _PROTOCOL, 0)
    return head + pair


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _sum(data: bytes) -> int:
    """Return the sum of 16-bit words modulo 65535, which is the remainder of the one number that they make."""
    if len(data) % 2:
        return (int.from_bytes(data) << 8) % 0xFFFF
    return int.from_bytes(data) % 0xFFFF


def _checksum(total: int) -> bytes:
    return (0xFFFF - total % 0xFFFF).to_bytes(2)
