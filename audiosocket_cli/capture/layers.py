"""What may stand between a link and IP, and between IP and IP: tags, PPP, and tunnels, each passed to what it carries.

Sources: IEEE 802.1Q; RFC 1661, 2516 (PPP, PPPoE); RFC 3032 (MPLS); RFC 2784, 2890, 2637 (GRE, and that of PPTP);
RFC 2003, 4213 (IP in IP); RFC 7348 (VXLAN); RFC 8926 (GENEVE); 3GPP TS 29.281 (GTP-U); draft-foschiano-erspan-03.
"""

from __future__ import annotations

from typing import Final, NamedTuple

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
PPP: Final = 0x880B
_ETHERNET: Final = 0x6558
_VLAN_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_PPPOE: Final = 0x8864
_MPLS: Final = (0x8847, 0x8848)
_ERSPAN_2: Final = 0x88BE
_ERSPAN_3: Final = 0x22EB
_MACSEC: Final = 0x88E5
_PPP_PROTOCOLS: Final = {0x0021: IPV4, 0x0057: IPV6, 0x0281: _MPLS[0]}

UDP: Final = 17
_IP_IN_IP: Final = {4: IPV4, 41: IPV6}
_GRE: Final = 47
_ENCRYPTED: Final = 50
_AUTHENTICATED: Final = 51
_ETHERNET_IN_IP: Final = 97
_MPLS_IN_IP: Final = 137
TUNNELS: Final = frozenset({*_IP_IN_IP, UDP, _GRE, _ENCRYPTED, _AUTHENTICATED, _ETHERNET_IN_IP, _MPLS_IN_IP})
"""Protocols of IP that may hold IP in turn."""

_VXLAN_PORTS: Final = (4789, 8472)
"""That of the standard, and Linux's own."""
_GENEVE_PORT: Final = 6081
_GTP_PORT: Final = 2152
_WIREGUARD_PORT: Final = 51820
_IPSEC_PORT: Final = 4500

_MAX_TAGS: Final = 16


class Inside(NamedTuple):
    """What a tunnel carries: its EtherType, and where it begins."""

    protocol: int
    at: int


class EncryptedError(Exception):
    """Nobody can read what is in there. The message goes as in "packets …"."""


def uint16(data: bytes, at: int) -> int:
    """Return two bytes in network order; of those that are not there, what there is."""
    return int.from_bytes(data[at : at + 2])


def network_offset(kind: int, data: bytes, at: int) -> int | None:
    """Return the offset of the IP header in data of EtherType `kind` that starts at `at`; None without IP.

    Raises `EncryptedError`, and `IndexError` for what is cut off.
    """
    for _ in range(_MAX_TAGS):
        if kind in (IPV4, IPV6):
            return at
        if kind in _VLAN_TAGS:  # each is 2 bytes of tag, and the type of what follows
            kind, at = uint16(data, at + 2), at + 4
        elif kind == _ETHERNET:
            kind, at = uint16(data, at + 12), at + 14
        elif kind == _PPPOE:
            kind, at = PPP, at + 6
        elif kind == PPP:
            kind, at = _in_ppp(data, at)
        elif kind in _MPLS:
            kind, at = _in_mpls(data, at)
        elif kind == _ERSPAN_2:
            kind, at = _ETHERNET, at + 8
        elif kind == _ERSPAN_3:
            kind, at = _ETHERNET, at + (20 if data[at + 11] & 1 else 12)
        elif kind == _MACSEC:
            raise EncryptedError("in MACsec, encrypted")
        else:
            return None
    return None


def inside(protocol: int, data: bytes, at: int) -> Inside | None:
    """Return what a protocol of IP carries at `at`, or None where that is not a tunnel."""
    if protocol in _IP_IN_IP:
        return Inside(_IP_IN_IP[protocol], at)
    if protocol == _GRE:
        return _in_gre(data, at)
    if protocol == UDP:
        return _in_udp(data, at)
    if protocol == _ETHERNET_IN_IP:
        return Inside(_ETHERNET, at + 2)
    if protocol == _MPLS_IN_IP:
        return Inside(_MPLS[0], at)
    if protocol == _ENCRYPTED:
        raise EncryptedError("in IPsec (ESP), encrypted")
    return None


def _in_ppp(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 2] == b"\xff\x03":  # address and control, where they are not left out
        at += 2
    short = data[at] & 1  # a protocol below 256 may have one byte
    protocol = data[at] if short else uint16(data, at)
    return _PPP_PROTOCOLS.get(protocol, 0), at + (1 if short else 2)


def _in_mpls(data: bytes, at: int) -> tuple[int, int]:
    """Pass the stack of labels. What is below is not named, but IP and Ethernet begin differently."""
    while not data[at + 2] & 1:
        at += 4
    at += 4
    version = data[at] >> 4
    if version in (4, 6):
        return (IPV4 if version == 4 else IPV6), at
    return _ETHERNET, at + (4 if data[at : at + 4] == bytes(4) else 0)  # a pseudowire, with its control word


def _in_gre(data: bytes, at: int) -> Inside:
    flags, kind = uint16(data, at), uint16(data, at + 2)
    has_sequence = bool(flags & 0x1000)
    size = 4 + 4 * bool(flags & 0xC000) + 4 * bool(flags & 0x2000) + 4 * has_sequence
    if flags & 7 == 1:  # as PPTP has it
        size = 8 + 4 * has_sequence + 4 * bool(flags & 0x0080)
    if kind == _ERSPAN_2 and not has_sequence:
        return Inside(_ETHERNET, at + size)  # of the first type, which has no header of its own
    return Inside(kind, at + size)


def _in_udp(data: bytes, at: int) -> Inside | None:
    port, at = uint16(data, at + 2), at + 8
    if port in _VXLAN_PORTS and data[at] & 0x08:
        return Inside(_ETHERNET, at + 8)
    if port == _GENEVE_PORT and data[at] >> 6 == 0:
        return Inside(uint16(data, at + 2), at + 8 + (data[at] & 0x3F) * 4)
    if port == _GTP_PORT and data[at] >> 5 == 1 and data[at + 1] == 0xFF:
        return _in_gtp(data, at)
    if port == _WIREGUARD_PORT and data[at : at + 4] == b"\x04\0\0\0":
        raise EncryptedError("in WireGuard, encrypted")
    if port == _IPSEC_PORT and data[at : at + 4].strip(b"\0"):
        raise EncryptedError("in IPsec (ESP over UDP), encrypted")
    return None


def _in_gtp(data: bytes, at: int) -> Inside:
    has_more, following = data[at] & 0x07, data[at + 11] if data[at] & 0x04 else 0
    at += 12 if has_more else 8
    while following:
        size = data[at] * 4
        if not size:
            break
        following, at = data[at + size - 1], at + size
    return Inside(IPV4, at)
