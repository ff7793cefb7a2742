"""What is wrong with the address of a server, as the application and the driver take it: both split it at the last
colon and need a port (`ast_sockaddr_resolve` with `PARSE_PORT_REQUIRE`, netsock2.c)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.arguments import variables_in
from audiosocket_cli.asterisk.dialplan_check.complaint import SOME_SERVER, Complaint, Facts
from audiosocket_cli.asterisk.dialplan_check.uses import Use
from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.finding import Status

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")

_EXAMPLE: Final = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid)\.?", re.IGNORECASE)

_PLACEHOLDER: Final = re.compile(
    r"(?:.*[-_.])?(?i:your)[-_a-zA-Z].*"
    r"|(?=[A-Z0-9_]*(?:IP|HOST|SERVER|ADDRESS|BRIDGE))[A-Z0-9]+_[A-Z0-9_]+|SERVER|HOST|IP|HOSTNAME|ADDRESS"
    r"|(?:\d{1,3}\.|[xXyY]{1,3}\.){0,3}[xXyY]{1,3}(?<=\..)(?:\.[xXyY]{1,3})*"
)
"""A word to put an address in for: `YOUR_SERVER_IP`, `192.168.x.x`."""

_UNKNOWN: Final = "0"
"""Stands for a variable whose value is not known, where only the form of the rest counts."""


def no_server(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find what names no server at all."""
    if not use.is_misformed and not (use.server or "").strip():
        yield Complaint(Status.FAULT, "names no server: Asterisk cannot connect", "write HOST:PORT after the UUID")


def no_port(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find an address without a port."""
    server = _plain(use, facts)
    if server and (re.fullmatch(r"\[[^\]]*\]|[^:\[\]]+", server) or server.endswith(":")) and not _is_odd(server):
        yield Complaint(
            Status.FAULT,
            f"{_shown(use, facts)} has no port: Asterisk takes none for granted, and does not connect",
            f"write the port that the server listens on; {DEFAULT_PORT} is usual",
        )


def port_out_of_range(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a port that no server can have."""
    server = _plain(use, facts)
    host, _, port = (server or "").rpartition(":")
    if not host or not port.isdecimal() or 0 < int(port) <= 65535:
        return
    happens = f"connects to port {int(port) % 65536}" if int(port) else "does not connect"
    yield Complaint(
        Status.FAULT,
        f"port {port} is not between 1 and 65535: Asterisk {happens}",
        "write the port that the server listens on",
    )


def without_brackets(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find an IPv6 address whose end would be taken for its port."""
    server = _plain(use, facts)
    if server and "[" not in server and server.count(":") > 1 and not _is_odd(server):
        is_ipv6 = _is_number(server) or _is_number(server.rpartition(":")[0])
        what = "is an IPv6 address without brackets" if is_ipv6 else "has more than one colon"
        yield Complaint(
            Status.FAULT,
            f"{_shown(use, facts)} {what}: Asterisk does not see which part is the port",
            f"write {_mended(server)}",
        )


def malformed(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find what cannot be an address: spaces, a URL, a placeholder."""
    server = facts.server(use)
    if use.is_misformed or not server or not server.strip():
        return
    plain = _with_variables_out(server)
    host, _, port = plain.rpartition(":")
    if re.fullmatch(r"[0-9]{1,10}(?:\.[0-9]{1,10})+", host) and not _is_ipv4(host):
        yield Complaint(
            Status.FAULT, f"{host} is not an IPv4 address: Asterisk cannot resolve it", "write the server's address"
        )
    elif re.search(r"[\[\]]", plain) and not re.fullmatch(r"\[[^\[\]]+\](?::[^\[\]]*)?", plain):
        yield Complaint(
            Status.FAULT,
            f"the brackets of {server.strip():.60} are not around an address: Asterisk cannot resolve it",
            "write [IPV6-ADDRESS]:PORT",
        )
    elif _is_odd(plain) or (plain.count(":") == 1 and not port.isdecimal() and port):
        yield Complaint(
            Status.FAULT, f"{server.strip()!r:.80} is not HOST:PORT: Asterisk cannot resolve it", _cure_of(server)
        )


def example(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a host that is there to be an example."""
    host = _host(use, facts)
    if host and _PLACEHOLDER.fullmatch(host):
        yield Complaint(
            Status.WARNING, f"{host} stands for an address that is to be put in", "write the server's own address"
        )
    elif host and _EXAMPLE.fullmatch(host):
        yield Complaint(
            Status.WARNING,
            f"{host} is a name for examples, which no name server knows",
            "write the server's own address",
        )


def by_name(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a name that a name server has to resolve: names of containers and of /etc/hosts have no dot."""
    host = _host(use, facts)
    is_name = host and "." in host.rstrip(".") and re.search(r"[^0-9.]", host)
    if host and is_name and not _EXAMPLE.fullmatch(host) and not _PLACEHOLDER.fullmatch(host):
        yield Complaint(
            Status.WARNING,
            f"{host} is resolved for each call: while no name server answers, each call stands still for 10 s",
            "write the address in its place, or put the name into /etc/hosts",
        )


def righted(use: Use, facts: Facts) -> str:
    """Return an address to write: the one that is there where it will do."""
    server = facts.server(use)
    if server is None or use.is_misformed or not server.strip():
        return SOME_SERVER
    return (use.server or "").strip() if is_right(use, facts) else _mended(server.strip())


def is_right(use: Use, facts: Facts) -> bool:
    """Whether Asterisk can make something of an address."""
    looks = (no_server, no_port, port_out_of_range, without_brackets, malformed)
    return not use.is_misformed and not any(next(look(use, facts), None) for look in looks)


def is_address(text: str) -> bool:
    """Whether a text can be an address with a port, and so no UUID."""
    return re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,6}", text) is not None or _is_number(text)


def _mended(server: str) -> str:
    without = re.sub(r"^[a-z]+://|/.*$|[\s\"']", "", server)
    if re.fullmatch(r"\[[^\]]*\]|[^:\[\]]+:?", without):
        host, port = without.rstrip(":"), ""
        if host.isdecimal():
            host, port = "127.0.0.1", host
        elif match := re.fullmatch(r"((?:\d+\.){3}\d+)\.(\d+)", host):  # 10.0.0.1.9092
            host, port = match.groups()
    else:
        host, _, port = without.rpartition(":")
    bare = without.strip("[]")
    if "[" in without and _is_number(bare):  # [::1
        return f"[{bare}]:{DEFAULT_PORT}"
    if ":" in host and "[" not in host:
        return _bracketed(without)
    good = port if port.isdecimal() and 0 < int(port) <= 65535 else DEFAULT_PORT
    is_host = host and not _is_odd(_with_variables_out(host)) and (host.count("["), host.count("]")) in {(0, 0), (1, 1)}
    return f"{host}:{good}" if is_host else SOME_SERVER


def _bracketed(server: str) -> str:
    host, _, port = server.rpartition(":")
    if _is_number(host):
        return f"[{host}]:{port}"
    if _is_number(server):
        return f"[{server}]:{DEFAULT_PORT}"
    last = ":".join(server.split(":")[-2:])  # tcp:127.0.0.1:9092
    return last if is_address(last) else SOME_SERVER


def _cure_of(server: str) -> str:
    if "://" in server:
        return "write HOST:PORT alone: AudioSocket is TCP, without a scheme"
    if '"' in server:
        return "write HOST:PORT without quotes: they stay in the last argument"
    if server != server.strip() or " " in server:
        return "write HOST:PORT without a space"
    return "write the server's address and port"


def _plain(use: Use, facts: Facts) -> str | None:
    """Return an address with what is not known of it taken for digits; None where nothing can be said."""
    server = facts.server(use)
    if use.is_misformed or not server or re.fullmatch(r"\$\{.*\}", server):
        return None
    return _with_variables_out(server).strip()


def _shown(use: Use, facts: Facts) -> str:
    return (facts.server(use) or "").strip()


def _with_variables_out(text: str) -> str:
    made, at = "", 0
    for variable in variables_in(text):
        made, at = made + text[at : variable.start] + _UNKNOWN, variable.end
    return made + text[at:]


def _is_odd(server: str) -> bool:
    return re.search(r"[^A-Za-z0-9_.:\[\]%-]", server) is not None


def _host(use: Use, facts: Facts) -> str | None:
    """Return the host of an address that is written whole."""
    server = facts.server(use)
    if not server or use.is_misformed or "$" in server or "[" in server:
        return None
    host, _, port = server.rpartition(":")
    return host if _HOST.fullmatch(host) and port.isdecimal() else None


def _is_ipv4(host: str) -> bool:
    """Whether numbers with dots are an address (`inet_aton`): the last one fills the rest, as in 127.1."""
    *first, last = host.split(".")
    return len(first) < 4 and all(int(each) < 256 for each in first) and int(last) < 256 ** (4 - len(first))


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
