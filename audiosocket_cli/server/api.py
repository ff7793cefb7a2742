"""The HTTP API of a server: where it listens, and who may ask. `api_routes` has the answers."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.net.address import Address, host_of
from audiosocket_cli.net.http_routes import Request, Route
from audiosocket_cli.net.http_server import HttpServer
from audiosocket_cli.net.listen import bind
from audiosocket_cli.server.api_routes import call_routes, twilio_routes
from audiosocket_cli.server.call_list import CallList
from audiosocket_cli.server.options import API_CONNECTIONS, ApiOptions

TOKEN_VARIABLE: Final = "AUDIOSOCKET_SERVE_API_TOKEN"
WEB_TOKEN_VARIABLE: Final = "AUDIOSOCKET_WEB_TOKEN"
"""The same for `--web`."""

_MAX_TOKEN_BYTES: Final = 4096

Bound = tuple[Address, Sequence[socket.socket], Mapping[str, Route]]


def begin_api(options: ApiOptions, calls: CallList, say: Callable[[str], object]) -> None:
    """Start the API on its addresses, where there are any; it answers from the list of calls.

    The password is removed from the environment, so that no program gets it. Raises `NetworkError` when it cannot
    listen on an address, `UsageError` when other machines could ask without a password, and `FileError` when the
    password cannot be read.
    """
    given = os.environ.pop(TOKEN_VARIABLE, "")
    if not options.servers:
        return
    token = (
        token_of_environment(TOKEN_VARIABLE, given) if options.token_file is None else read_token(options.token_file)
    )
    gate = Gatekeeper(token)
    calls_routes, sid_routes = call_routes(calls, gate.why_not), twilio_routes(calls, gate.why_not)
    wanted: list[tuple[str, Address, Mapping[str, Route]]] = []
    if options.address is not None:
        wanted.append(("--api", options.address, {**calls_routes, **sid_routes}))
    if options.twilio is not None and options.twilio != options.address:
        wanted.append(("--bridge-api", options.twilio, sid_routes))
    for option, address, routes in wanted:
        sockets = bind(address, option=option)
        if not token and not all(is_of_this_machine(one) for one in sockets):
            raise UsageError(
                f"{option} {address} is open to other machines: name a file with a password by --api-token-file, or "
                f"set {TOKEN_VARIABLE}, or listen on 127.0.0.1:{address.port}"
            )
        HttpServer(sockets, routes, connections=API_CONNECTIONS)
        say(f"{option.removeprefix('--')} on {_shown(address, sockets)}{'' if token else ', for this machine only'}")


def read_token(path: Path) -> str:
    """Read the password from its file. Raises `FileError` when there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    token = _token_of(data)
    if not token:
        raise FileError(f"cannot read {path}: it holds no password of one line; write one into it")
    return token


def token_of_environment(variable: str, given: str) -> str:
    """Return the password that a variable of the environment holds, empty where it holds nothing. Raises `UsageError`
    for what is none: it would let nobody in, or everybody."""
    token = _token_of(os.fsencode(given))
    if given and not token:
        raise UsageError(f"{variable} holds no password of one line: set one, or leave the variable out")
    return token


def _token_of(data: bytes) -> str:
    """Return a password without the space around it; empty where there is none, or it is not one."""
    try:
        token = data.decode().strip()
    except UnicodeDecodeError:
        return ""
    return token if len(data) <= _MAX_TOKEN_BYTES and token.isprintable() else ""


class Gatekeeper:
    """Decides who may ask: with a password, whoever sends it; without one, whoever is on this machine."""

    def __init__(self, token: str) -> None:
        """An empty `token` means that there is no password."""
        self._token = token.encode()

    def why_not(self, request: Request) -> int | None:
        """Return the HTTP status for somebody who may not ask: 401, or 403; None for one who may."""
        if self._token:
            password = password_of(request.headers.get("authorization", "")) or b""
            return None if hmac.compare_digest(password, self._token) else 401
        # A web page in a browser of this machine must not get an answer, also not under a name that leads here.
        is_page = "origin" in request.headers or not is_address(request.headers.get("host", ""))
        return 403 if is_page else None


def password_of(authorization: str) -> bytes | None:
    """Return the password that a header has as `Bearer PASSWORD`, or in `Basic …`, for any user; None without one."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def is_address(host: str) -> bool:
    """Whether a Host header holds no name, other than localhost."""
    name = host_of(host) if ":" in host.rpartition("]")[2] else host.strip("[]")
    if name.lower() in ("", "localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_of_this_machine(listener: socket.socket) -> bool:
    """Whether only this machine reaches what listens there."""
    host = listener.getsockname()[0].partition("%")[0]
    return bool(host) and ipaddress.ip_address(host).is_loopback


def _shown(address: Address, sockets: Sequence[socket.socket]) -> str:
    port = sockets[0].getsockname()[1]
    return f"http://{Address(address.host, port)}" if address.host else f"port {port} of all interfaces"
