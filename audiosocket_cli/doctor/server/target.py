"""A server, looked at from here: can it be reached, what listens there, and does it survive a short call?"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

from audiosocket_cli.asterisk.releases import NEWEST, Release
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.pbx.process_view import LISTEN, sockets_here
from audiosocket_cli.doctor.server.foreign_server import foreign_server, name_opening
from audiosocket_cli.doctor.server.server_call import try_call
from audiosocket_cli.doctor.server.server_probe import CLOSED, SPOKE, Probe, probe_from_here
from audiosocket_cli.doctor.server.servers import judge_probe, not_audiosocket
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import Target, WebSocketTarget

_LOOPBACK: Final = ("127.", "::1")


def look_at_target(target: Target) -> Look:
    """Return the look at a server. Raises `UsageError` for a WebSocket bot."""
    if isinstance(target, WebSocketTarget):
        raise UsageError(f"{target} is a WebSocket bot: `audiosocket check` tries it, and doctor looks at servers only")
    return Look(f"the server {target}", lambda: look_at_server(target))


async def look_at_server(target: Address, release: Release = NEWEST) -> list[Diagnosis]:
    """Look at a server as `doctor TARGET` does, in about 9 s at most, and longer only for a dead name server.

    `release` is the Asterisk that will call it.
    """
    server = Address(target.host or "localhost", target.port)
    found = await probe_from_here(server)
    sockets = sockets_here()
    listeners = [each.local[0] for each in sockets if each.state == LISTEN and each.local[1] == server.port]
    is_here = any(_is_ours(attempt.host) for attempt in found.attempts)
    reached = judge_probe(server, found, listeners if is_here else ())
    decisive = next((each for each in found.attempts if each.outcome in (CLOSED, SPOKE)), None)
    if not found.takes_calls:
        foreign = await foreign_server(server) if decisive is not None else None
        return [not_audiosocket(server, foreign) if foreign else reached]
    opening = name_opening(bytes.fromhex(decisive.detail)) if decisive is not None else None
    if opening:
        return [not_audiosocket(server, opening)]
    return [reached, *_only_here(server, found, listeners if is_here else ()), *await _call(server, release)]


async def _call(server: Address, release: Release) -> list[Diagnosis]:
    try:
        return await try_call(server, release)
    except NetworkError as error:
        return [
            Diagnosis(
                "server-refuses", Status.FAULT, f"it took one connection, and not the next: {error}",
                where=str(server),
                cure="it may take one call at a time: let it accept the next before the last is over",
            )
        ]  # fmt: skip


def _is_ours(host: str) -> bool:
    """Whether an address is one of this machine's own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.bind((host, 0))
    except OSError:
        return False
    return True


def _only_here(server: Address, found: Probe, listeners: Sequence[str]) -> list[Diagnosis]:
    """Say that a server is for its own machine only, which is right where Asterisk is on it."""
    if not listeners or not all(host.startswith(_LOOPBACK) for host in listeners):
        return []
    hosts = " and ".join(dict.fromkeys(listeners))
    return [
        Diagnosis(
            "server-local-only", Status.OK, where=str(server),
            what=f"it listens on {hosts} only: an Asterisk on another machine, or in a container, does not reach it",
        )
    ]  # fmt: skip
