"""The PROXY protocol, versions 1 and 2: the header in which a proxy says who is calling, before the call's first byte.

After HAProxy's doc/proxy-protocol.txt. Bytes in, addresses out: nothing here reads a socket.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.rules import PROXY_V1_SIGNATURE, PROXY_V2_SIGNATURE
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import AudioSocketError

_V1_MAX_BYTES: Final = 107
"""The longest line of version 1, CR LF included (section 2.1)."""

_V1_FAMILIES: Final[Mapping[str, type[ipaddress.IPv4Address | ipaddress.IPv6Address]]] = {
    "TCP4": ipaddress.IPv4Address,
    "TCP6": ipaddress.IPv6Address,
}

_V2_HEADER: Final = struct.Struct(">12sBBH")
_V2_ADDRESSES: Final = {0x11: struct.Struct(">4s4sHH"), 0x21: struct.Struct(">16s16sHH")}
"""By family and transport: TCP over IPv4, and over IPv6. All else says nothing about a TCP connection's ends."""

_LOCAL, _PROXY = 0, 1


class ProxyProtocolError(AudioSocketError):
    """The peer's side: what it sent first is not a PROXY protocol header, or not a whole one."""


class Ends(NamedTuple):
    """Both ends of the connection that the proxy has accepted, as sockets give them: host and port."""

    source: tuple[str, int]
    destination: tuple[str, int]


class ProxyHeaderReader:
    """Takes a connection's first bytes in any pieces, until its header is whole."""

    def __init__(self) -> None:
        self.is_whole = False
        self.ends: Ends | None = None
        """Who calls whom, once the header is whole; None where it leaves that to the connection itself: a proxy's own
        health check (LOCAL), or one that does not know (UNKNOWN)."""
        self._data = bytearray()

    @property
    def received_bytes(self) -> int:
        """How many bytes of the header have come."""
        return len(self._data)

    def feed(self, data: bytes) -> int:
        """Take the next bytes; returns how many of them are the header's. Raises `ProxyProtocolError`."""
        before = len(self._data)
        self._data += data
        length = self._length()
        if length is None or len(self._data) < length:
            return len(data)
        del self._data[length:]
        self.is_whole = True
        header = bytes(self._data)
        self.ends = _ends_of_v2(header) if header.startswith(PROXY_V2_SIGNATURE) else _ends_of_v1(header)
        return length - before

    def _length(self) -> int | None:
        """Return the header's whole length, None while too little of it is there to know."""
        data = self._data
        if PROXY_V2_SIGNATURE.startswith(data[: len(PROXY_V2_SIGNATURE)]):
            if len(data) < _V2_HEADER.size:
                return None
            length: int = _V2_HEADER.unpack_from(data)[3]
            return _V2_HEADER.size + length
        if PROXY_V1_SIGNATURE.startswith(data[: len(PROXY_V1_SIGNATURE)]):
            end = data.find(b"\r\n", 0, _V1_MAX_BYTES)
            if end < 0 and len(data) >= _V1_MAX_BYTES:
                raise ProxyProtocolError(f"its PROXY protocol header is longer than {_V1_MAX_BYTES} bytes")
            return None if end < 0 else end + 2
        raise ProxyProtocolError(_missing(bytes(data)))


def header_of(ends: Ends, version: int) -> bytes:
    """Return the header, of version 1 or 2, with which a connection between these ends is passed on.

    Ends that are not both of IPv4, or both of IPv6, are told as unknown.
    """
    source, destination = (ipaddress.ip_address(_host(ipaddress.ip_address(host.split("%")[0]))) for host, _ in ends)
    ports = ends.source[1], ends.destination[1]
    is_told = source.version == destination.version
    if version == 1:
        family = "TCP4" if source.version == 4 else "TCP6"
        line = f"PROXY {family} {source} {destination} {ports[0]} {ports[1]}" if is_told else "PROXY UNKNOWN"
        return f"{line}\r\n".encode()
    family_byte = (0x11 if source.version == 4 else 0x21) if is_told else 0
    told = _V2_ADDRESSES[family_byte].pack(source.packed, destination.packed, *ports) if is_told else b""
    return _V2_HEADER.pack(PROXY_V2_SIGNATURE, 2 << 4 | _PROXY, family_byte, len(told)) + told


def _ends_of_v1(header: bytes) -> Ends | None:
    words = header[:-2].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return None
    try:
        _, family, *hosts, source_port, destination_port = words
        address = _V1_FAMILIES[family]
        if "%" in "".join(hosts):
            raise ValueError(hosts)  # a zone is an interface of the proxy's, and any text
        source, destination = (_host(address(host)) for host in hosts)
        return Ends((source, _port(source_port)), (destination, _port(destination_port)))
    except (ValueError, KeyError):
        raise _wrong(header) from None


def _ends_of_v2(header: bytes) -> Ends | None:
    _, version_and_command, family, length = _V2_HEADER.unpack_from(header)
    version, command = divmod(version_and_command, 16)
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise _wrong(header)
    layout = _V2_ADDRESSES.get(family)
    if command == _LOCAL or layout is None:
        return None
    if length < layout.size:
        raise _wrong(header)
    source, destination, source_port, destination_port = layout.unpack_from(header, _V2_HEADER.size)
    source, destination = map(ipaddress.ip_address, (source, destination))
    return Ends((_host(source), source_port), (_host(destination), destination_port))


def _host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Name an address; one of IPv4 that a proxy's IPv6 socket has seen (::ffff:192.0.2.1) is that."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 0xFFFF):
        raise ValueError(text)
    return int(text)


def _missing(data: bytes) -> str:
    if data.startswith(bytes((Kind.UUID, 0))):
        return "no PROXY protocol header: it began with a UUID frame (did it bypass the proxy? is send-proxy missing?)"
    return f"no PROXY protocol header: it began with {_shown(data)}"


def _wrong(header: bytes) -> ProxyProtocolError:
    return ProxyProtocolError(f"its PROXY protocol header is wrong: {_shown(header)}")


def _shown(data: bytes) -> str:
    is_text = all(0x20 <= byte < 0x7F or byte in b"\r\n" for byte in data[:40])
    return repr(data[:60].decode("ascii", "replace").strip()) if is_text else data[:20].hex(" ")
