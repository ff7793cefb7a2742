"""The servers that a dialplan names: what Asterisk meets when it connects to each of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from audiosocket_cli.doctor.pbx.place import CannotRunError, Place
from audiosocket_cli.doctor.pbx.process_view import LISTEN, Connection, ProcessView
from audiosocket_cli.doctor.server.foreign_server import name_opening
from audiosocket_cli.doctor.server.server_probe import (
    CLOSED,
    OPEN,
    REFUSED,
    SILENT,
    SPOKE,
    UNREACHABLE,
    Attempt,
    Probe,
    probe,
)  # fmt: skip
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.text import counted

_MAX_SERVERS: Final = 16
"""More are not tried."""

_AT_ONCE: Final = 8


async def look_at_servers(place: Place, view: ProcessView | None, named: Iterable[str]) -> list[Diagnosis]:
    """Connect to the servers, HOST:PORT each, from where Asterisk is; `view` is its process, where that can be seen."""
    servers = list(dict.fromkeys(target for name in named if (target := _address(name)) is not None))
    is_here = _is_in_our_network(place, view)
    sockets = view.second.sockets if view is not None and is_here else ()
    if view is not None and place.root is not None and not is_here:
        place = replace(place, before=("nsenter", "-t", str(view.pid), "-n", *(place.before or ())))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(server: Address) -> list[Diagnosis]:
        async with slots:
            return await _look_at(place, server, is_here, sockets)

    found = [each for some in await asyncio.gather(*map(look, servers[:_MAX_SERVERS])) for each in some]
    left = len(servers) - _MAX_SERVERS
    if left > 0:
        found.append(Diagnosis("server-refuses", Status.UNKNOWN, f"{counted(left, 'more server')} of the dialplan"))
    return found


def _address(name: str) -> Address | None:
    """Return the address of a server, or None for one that is not whole: the dialplan's own rules say what is wrong."""
    try:
        address = parse_address(name, default_port=None)
    except UsageError:
        return None
    return address if address.host and address.port else None


def _is_in_our_network(place: Place, view: ProcessView | None) -> bool:
    """Whether Asterisk's network is that of this process: a container has its own."""
    if place.root is None or view is None:
        return place.root is not None
    try:
        return os.stat(f"/proc/{view.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    except OSError:  # not seen without root: then Asterisk is where its files are
        return True


async def _look_at(place: Place, server: Address, is_here: bool, sockets: Iterable[Connection]) -> list[Diagnosis]:
    try:
        found = await probe(server, place, is_here=is_here)
    except CannotRunError as error:
        return [
            Diagnosis("server-refuses", Status.UNKNOWN, "whether a server answers", (str(error),), where=str(server))
        ]
    spoke = next((each.detail for each in found.attempts if each.outcome == SPOKE and each.detail), "")
    if foreign := name_opening(bytes.fromhex(spoke)):
        return [not_audiosocket(server, foreign)]
    listeners = [each.local[0] for each in sockets if each.state == LISTEN and each.local[1] == server.port]
    return [judge_probe(server, found, listeners)]


def not_audiosocket(server: Address, what: str) -> Diagnosis:
    """Say that something else listens there."""
    return Diagnosis(
        "not-audiosocket", Status.FAULT, f"what answers there is not an AudioSocket server: {what}", where=str(server),
        cure="is the port right? AudioSocket's own server speaks plain TCP, without TLS or HTTP",
    )  # fmt: skip


def judge_probe(server: Address, found: Probe, listeners: Sequence[str] = ()) -> Diagnosis:
    """Say what Asterisk meets there. `listeners` are the local addresses at which something listens on that port."""
    if found.name:
        return _nameless(server, found)
    evidence = tuple(
        f"{each.host}: {each.outcome}{f' ({each.detail})' if each.detail else ''}" for each in found.attempts
    )
    decisive = next((each for each in found.attempts if each.outcome not in (REFUSED, SILENT)), found.attempts[0])
    if found.takes_calls:
        return _reached(server, found, decisive, evidence)
    if decisive.outcome == CLOSED:
        return Diagnosis(
            "server-accepts-and-closes", Status.FAULT,
            "it takes a connection and closes it at once: Asterisk takes that for an answered call", evidence,
            "is it a proxy whose own server is gone, or an access list? Let it refuse connections instead, so that "
            "Asterisk goes on to the next server", where=str(server),
        )  # fmt: skip
    if decisive.outcome == UNREACHABLE:
        return _unreachable(server, found, decisive, evidence)
    if any(each.outcome == SILENT for each in found.attempts):
        return Diagnosis(
            "server-black-hole", Status.FAULT,
            "nothing answers there: each call waits 2 s for each address, and fails", evidence,
            "is the machine up, the address right, and does a firewall drop it?", where=str(server),
        )  # fmt: skip
    return _refused(server, found, evidence, listeners)


def _reached(server: Address, found: Probe, decisive: Attempt, evidence: tuple[str, ...]) -> Diagnosis:
    waits = [each for each in found.attempts[: found.attempts.index(decisive)] if each.outcome == SILENT]
    if waits:
        return Diagnosis(
            "server-wrong-family" if _families(found) > 1 else "server-black-hole", Status.WARNING,
            f"{counted(len(waits), 'address')} before the right one {'does' if len(waits) == 1 else 'do'} not answer: "
            f"each call begins {2 * len(waits)} s late", evidence,
            f"write the address that answers: {Address(decisive.host, server.port)}", where=str(server),
        )  # fmt: skip
    said = "and speaks before it was told a UUID" if decisive.outcome == SPOKE else "and waits for a UUID"
    return Diagnosis(
        "server-refuses", Status.OK, f"{decisive.host} takes connections, {said}", evidence, where=str(server)
    )


def _families(found: Probe) -> int:
    return len({":" in each.host for each in found.attempts})


def _nameless(server: Address, found: Probe) -> Diagnosis:
    if found.name in ("silent", "refused"):
        what = "does not answer" if found.name == "silent" else "takes no question"
        length = "hangs for 10 s, and fails" if found.name == "silent" else "fails"
        return Diagnosis(
            "name-server-silent", Status.FAULT, f"the name server {what} for {server.host}: each call {length}", (),
            "see whether the name servers in /etc/resolv.conf answer; an address, or a line of /etc/hosts, needs none",
            where=str(server),
        )  # fmt: skip
    return Diagnosis(
        "server-name-unknown", Status.FAULT, f"nobody knows a machine of the name {server.host}", (),
        "is it spelt right, and known where Asterisk runs (a container's own name servers)?", where=str(server),
    )  # fmt: skip


def _unreachable(server: Address, found: Probe, decisive: Attempt, evidence: tuple[str, ...]) -> Diagnosis:
    other = next((each for each in found.attempts if each.outcome in (OPEN, SPOKE)), None)
    family = "IPv6" if ":" in decisive.host else "IPv4"
    if other is None and ":" not in decisive.host:
        return Diagnosis(
            "server-unreachable", Status.FAULT, f"this machine has no way to {decisive.host}", evidence,
            "is the address right, and is there a route to it?", where=str(server),
        )  # fmt: skip
    cure = f"write the address that answers: {Address(other.host, server.port)}" if other else "write its IPv4 address"
    return Diagnosis(
        "server-wrong-family", Status.FAULT,
        f"it has an {family} address, and Asterisk's machine no {family}: Asterisk gives up at the first such address",
        evidence, cure, where=str(server),
    )  # fmt: skip


def _refused(server: Address, found: Probe, evidence: tuple[str, ...], listeners: Sequence[str]) -> Diagnosis:
    tried = {each.host for each in found.attempts}
    families = {":" in host for host in tried}
    others = [host for host in dict.fromkeys(listeners) if host not in tried]
    if others and families.isdisjoint({":" in host for host in others}):
        here, there = ("IPv4", "IPv6") if True in {":" in host for host in tried} else ("IPv6", "IPv4")
        return Diagnosis(
            "server-wrong-family", Status.FAULT,
            f"a server listens on that port, for {here} only: {there} is refused",
            (*evidence, *_listen_lines(others, server)),
            "let it listen on both (:: or 0.0.0.0), or write the address on which it listens",
            (str(Address(_dialled(others[0]), server.port)),), str(server),
        )  # fmt: skip
    if others:
        return Diagnosis(
            "server-refuses", Status.FAULT, "a server listens on that port, at another address",
            (*evidence, *_listen_lines(others, server)), "write that address, or let it listen on all",
            (str(Address(_dialled(others[0]), server.port)),), str(server),
        )  # fmt: skip
    return Diagnosis(
        "server-refuses", Status.FAULT, "it refuses connections: no server listens there", evidence,
        "start the server; if it runs, see at which address and port it listens (127.0.0.1 is its own machine only, or "
        "its own container)", (f"ss -tlnp 'sport = :{server.port}'",), str(server),
    )  # fmt: skip


def _listen_lines(hosts: Iterable[str], server: Address) -> list[str]:
    return [f"listens: {Address(host, server.port)}" for host in hosts]


def _dialled(host: str) -> str:
    """Return what to dial for an address that is listened on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
