"""`host:port` in words: parsing what users write, naming what sockets say."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from typing import Any, Final, NamedTuple

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.errors import UsageError

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SUBSCRIBER_BITS: Final = 64
"""The prefix of an IPv6 address that names one customer's network; hosts choose the rest, and change it often."""

_FORMS = re.compile(r"^(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>\d{1,5}))?$")


class Address(NamedTuple):
    """A host and a TCP port; host "" stands for all interfaces when listening, for this machine when dialling."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int | None = DEFAULT_PORT) -> Address:
    """Read `host:port`, `host`, `:port`, `[::1]:port` or `::1`; the port may be 0.

    Raises `UsageError` for anything else, and for one without a port when there is no default.
    """
    if "://" in text:
        scheme = text.partition("://")[0]
        raise UsageError(
            f"a URL with {scheme!r:.20} is not an address: write host:port, :port or [::1]:port "
            "(play, record, inject-dtmf, replay, bench and check call WebSocket bots as ws://…)"
        )
    otherwise = -1 if default_port is None else default_port
    if text.count(":") > 1 and "[" not in text and default_port is not None:
        return Address(text, default_port)
    match = _FORMS.match(text)
    port = int(match["port"] or otherwise) if match else -1
    if match is None or not text or not 0 <= port <= 65535:
        raise UsageError(f"{text!r} is not an address: write host:port, :port or [::1]:port")
    host = match["bracketed"] or match["host"] or ""
    if host.isdigit():
        raise UsageError(f"{text!r} has a number for a host: write :{host} for that port")
    return Address(host, port)


def looks_like_address(text: str) -> bool:
    """Whether a word can only be an address: it has a port or brackets, is a number of IP, or is `localhost`."""
    if os.sep in text:
        return False
    try:
        address = parse_address(text)
    except UsageError:
        return False
    return text != address.host or address.host == "localhost" or _is_ip(address.host)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def host_of(peer: str) -> str:
    """Return the host of what `peer_name` gives."""
    return peer.rpartition(":")[0].strip("[]")


def network_of(peer: str) -> str:
    """Return the part of what `peer_name` gives that stands for one caller: an IPv4 address, or an IPv6 /64.

    An IPv4 address in IPv6 clothes (mapped, NAT64) is that address. Link-local ones, which share one /64, stand alone.
    """
    return _network_of_host(host_of(peer))


@functools.lru_cache(maxsize=64)
def _network_of_host(host: str) -> str:
    """Do so; a server asks three times for each call, and most calls come from a few hosts."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address) or address.is_link_local:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address in _NAT64:
        return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return str(ipaddress.ip_network((int(address), _SUBSCRIBER_BITS), strict=False))


def peer_name(sockaddr: Any) -> str:
    """Name a socket's address as `host:port`, an IPv4 one on an IPv6 socket by its IPv4 name."""
    host, port = sockaddr[0], sockaddr[1]
    return str(Address(host.removeprefix("::ffff:") if "." in host else host, port))
