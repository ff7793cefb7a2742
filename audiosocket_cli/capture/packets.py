"""Packet headers: from what a link carries to the TCP segment in it, if there is one. No state, no streams. What may
stand between the two, tags and tunnels, is the business of `layers`.

Link types are those of https://www.tcpdump.org/linktypes.html that `tcpdump` writes on a PBX.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

from audiosocket_cli.capture import layers
from audiosocket_cli.capture.layers import IPV4, IPV6, Inside

LINK_NULL: Final = 0
LINK_ETHERNET: Final = 1
LINK_RAW: Final = 101
LINK_LOOP: Final = 108
LINK_COOKED: Final = 113
LINK_IPV4: Final = 228
LINK_IPV6: Final = 229
LINK_COOKED_2: Final = 276

LINK_PPP: Final = 9
LINK_PPP_SERIAL: Final = 50

_RAW_LINKS: Final = (LINK_RAW, LINK_IPV4, LINK_IPV6, 12, 14)
"""12 and 14 are what some systems write for raw IP."""

_LINKS: Final = (
    *_RAW_LINKS,
    LINK_NULL,
    LINK_LOOP,
    LINK_ETHERNET,
    LINK_COOKED,
    LINK_COOKED_2,
    LINK_PPP,
    LINK_PPP_SERIAL,
)

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

TCP: Final = 6
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = (0, 43, 60, 135)
"""IPv6 extension headers of 8-byte units: hop-by-hop, routing, destination, mobility."""

_TYPE_AND_END: Final = {LINK_ETHERNET: (12, 14), LINK_COOKED: (14, 16), LINK_COOKED_2: (0, 20)}
"""Where a link's header names the protocol of what follows, and where it ends."""

_SEQ_ACK = struct.Struct(">IIBB")

_PLAIN = struct.Struct(">BxHxxHxBxx12sI4xBB")
"""A header of IPv4 without options, and the beginning of TCP's."""

PLAIN_AT: Final = {LINK_RAW: 0, LINK_IPV4: 0, LINK_ETHERNET: 14, LINK_COOKED: 16}
"""Where IP begins if nothing stands before it but the link's own header, which ends with the type of what follows."""

IPV4_TYPE: Final = IPV4.to_bytes(2)


class Segment(NamedTuple):
    """A TCP segment. `flow` is its direction: addresses and ports in network order."""

    flow: bytes
    seq: int
    ack: int
    flags: int
    payload: bytes
    missing_bytes: int
    """Bytes of its payload that the capture cut off (tcpdump's -s)."""


class Unreadable(NamedTuple):
    """A packet that may hold a segment, but cannot be read."""

    why: str
    """As in "packets …"."""


_OF_FRAGMENTS: Final = Unreadable("that are IP fragments")
_CUT: Final = Unreadable("cut before the end of their headers")
_IMPOSSIBLE: Final = Unreadable("with headers shorter than headers can be")

_TOO_DEEP: Final = Unreadable("in more tunnels than there can be")
_MAX_LAYERS: Final = 8

MIN_WORDS: Final = 5
"""No header of IPv4 or TCP has fewer words of 4 bytes."""


def tcp_segment(link_type: int, data: bytes) -> Segment | Unreadable | None:
    """Return the TCP segment in a packet, also inside a tunnel, or why it cannot be read; None if it holds none."""
    if link_type not in _LINKS:
        return Unreadable(f"of link type {link_type}")
    try:
        at = _network_offset(link_type, data)
        for _ in range(_MAX_LAYERS):
            if at is None:
                return None
            inside = _in_ip(data, at)
            if not isinstance(inside, Inside):
                return inside
            at = (
                inside.at
                if inside.protocol in (IPV4, IPV6)
                else layers.network_offset(inside.protocol, data, inside.at)
            )
        return _TOO_DEEP
    except layers.EncryptedError as error:
        return Unreadable(str(error))
    except (IndexError, struct.error):
        return _CUT


def plain_segment(link_type: int, data: bytes) -> tuple[bytes, int, bytes] | None:
    """Return flow, sequence number and payload of a segment with bytes that neither begins nor ends anything, where
    that is all there is in a packet of IPv4; None for all else, which `tcp_segment` reads."""
    at = PLAIN_AT.get(link_type, -1)
    if at < 0 or len(data) < at + _PLAIN.size or (at and data[at - 2 : at] != IPV4_TYPE):
        return None
    first, length, fragment, protocol, flow, seq, offset, flags = _PLAIN.unpack_from(data, at)
    begin, end = at + 20 + (offset >> 4) * 4, at + length
    if first != 0x45 or protocol != TCP or fragment & 0x3FFF or flags & (FIN | SYN | RST | ACK) != ACK:
        return None
    if offset >> 4 < MIN_WORDS or not begin < end <= len(data):
        return None
    return flow, seq, data[begin:end]


def reverse_of(flow: bytes) -> bytes:
    """Return the other direction of a flow."""
    half = (len(flow) - 4) // 2
    return flow[half : 2 * half] + flow[:half] + flow[-2:] + flow[-4:-2]


def flow_names(flow: bytes) -> tuple[str, str]:
    """Return source and destination of a flow as host:port, IPv6 hosts in brackets."""
    size = (len(flow) - 4) // 2
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    hosts = [socket.inet_ntop(family, flow[start : start + size]) for start in (0, size)]
    ports = flow_ports(flow)
    source, destination = (
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)
    )
    return source, destination


def flow_ports(flow: bytes) -> tuple[int, int]:
    """Return source and destination port of a flow."""
    return int.from_bytes(flow[-4:-2]), int.from_bytes(flow[-2:])


def _network_offset(link_type: int, data: bytes) -> int | None:
    """Return where IP begins, or None where something else does."""
    if link_type in _RAW_LINKS:
        return 0
    if link_type in (LINK_NULL, LINK_LOOP):
        return 4  # the address family before it differs from system to system: the IP header tells as well
    if link_type in (LINK_PPP, LINK_PPP_SERIAL):
        return layers.network_offset(layers.PPP, data, 0)
    type_at, at = _TYPE_AND_END[link_type]
    return layers.network_offset(layers.uint16(data, type_at), data, at)


def _in_ip(data: bytes, at: int) -> Segment | Unreadable | Inside | None:
    version = data[at] >> 4
    if version == 4:
        return _in_ipv4(data, at)
    return _in_ipv6(data, at) if version == 6 else None


def _in_ipv4(data: bytes, at: int) -> Segment | Unreadable | Inside | None:
    protocol = data[at + 9]
    if protocol != TCP and protocol not in layers.TUNNELS:
        return None
    length = layers.uint16(data, at + 2)
    words = data[at] & 15
    if words < MIN_WORDS:
        return _IMPOSSIBLE
    if layers.uint16(data, at + 6) & 0x3FFF:  # more fragments, or not the first
        return _OF_FRAGMENTS if protocol != layers.UDP else None
    end = at + length if length else len(data)  # 0: a packet that the network card was to cut (TSO)
    addresses, at = data[at + 12 : at + 20], at + words * 4
    if protocol == _AUTHENTICATION:
        protocol, at = data[at], at + 8 + data[at + 1] * 4
    return _segment(data, at, end, addresses) if protocol == TCP else layers.inside(protocol, data, at)


def _in_ipv6(data: bytes, at: int) -> Segment | Unreadable | Inside | None:
    length, following = layers.uint16(data, at + 4), data[at + 6]
    end = at + 40 + length if length else len(data)
    addresses = data[at + 8 : at + 40]
    at += 40
    while following != TCP:
        if following == _FRAGMENT:
            is_part = bool(layers.uint16(data, at + 2) & 0xFFF9)  # more follow, or it is not the first
            following, at = data[at], at + 8
            if is_part:
                is_held = following == TCP or following in layers.TUNNELS
                return _OF_FRAGMENTS if is_held and following != layers.UDP else None
        elif following in _EXTENSIONS:
            following, at = data[at], at + 8 + data[at + 1] * 8
        elif following == _AUTHENTICATION:
            following, at = data[at], at + 8 + data[at + 1] * 4
        else:
            return layers.inside(following, data, at)
    return _segment(data, at, end, addresses)


def _segment(data: bytes, at: int, end: int, addresses: bytes) -> Segment | Unreadable:
    seq, ack, offset, flags = _SEQ_ACK.unpack_from(data, at + 4)
    words = offset >> 4
    if words < MIN_WORDS:
        return _IMPOSSIBLE
    begin = min(at + words * 4, end)
    missing_bytes = max(0, end - max(begin, len(data)))
    return Segment(addresses + data[at : at + 4], seq, ack, flags, data[begin:end], missing_bytes)
