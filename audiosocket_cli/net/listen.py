"""Listening sockets that hand accepted connections to a callback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import resource
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address

BACKLOG = 1024
_RETRY_S = 0.5
_PORT_TRIES = 20
_COMPLAIN_AGAIN_S = 60.0


class ListeningSockets(NamedTuple):
    """What calls are accepted on."""

    sockets: Sequence[socket.socket]
    are_shared: bool = False
    """Whether other processes have the same ones: what waits when we close ours is theirs, and the port stays open."""

    @property
    def addresses(self) -> list[Address]:
        """Where they listen."""
        return [Address(*listener.getsockname()[:2]) for listener in self.sockets]

    def close(self) -> None:
        """Close our copies. Twice is fine."""
        for listener in self.sockets:
            listener.close()


def bind(address: Address, *, shared: bool = False, option: str = "--listen") -> list[socket.socket]:
    """Return bound, listening, non-blocking sockets. Raises `NetworkError` when the address cannot be had.

    An empty host means all interfaces, IPv4 and IPv6 on one socket where the machine has both. A name means all of its
    addresses, each a socket, with one port for all: those that this machine does not have, such as ::1 where IPv6 is
    off, are left out while there is another. Other processes of this user may listen there too where it is `shared`.
    `option` is what to choose another address with.
    """
    try:
        sockaddrs = _sockaddrs(address)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no valid host name"
        raise NetworkError(f"cannot listen on {address}: {_lower(reason)}; is the host name right?") from None
    for tries_left in reversed(range(_PORT_TRIES)):
        try:
            return _bind_all(sockaddrs, shared=shared)
        except OSError as error:
            # A port that the system chose on one address may be taken on the next.
            if address.port or len(sockaddrs) == 1 or error.errno != errno.EADDRINUSE or not tries_left:
                raise NetworkError(f"cannot listen on {address}: {_cure(error, option)}") from None
    raise AssertionError("unreachable")


def _sockaddrs(address: Address) -> list[tuple[socket.AddressFamily, Any]]:
    if not address.host:
        return [(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET, ("", address.port))]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in found))


def _bind_all(sockaddrs: Sequence[tuple[socket.AddressFamily, Any]], *, shared: bool) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as undo:
        port = sockaddrs[0][1][1]
        for family, (host, _, *scope) in sockaddrs:
            dual = not host and family == socket.AF_INET6
            try:
                listener = socket.create_server(
                    (host, port, *scope), family=family, backlog=BACKLOG, reuse_port=shared, dualstack_ipv6=dual
                )
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
                continue
            undo.enter_context(listener)
            listener.setblocking(False)
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners and absent is not None:
            raise absent
        undo.pop_all()
    return listeners


def find_port(address: Address) -> list[Address]:
    """Return the addresses of a host that nobody listens on, with a port that is not 0, for processes to share.

    Raises `NetworkError` when there is none, or others listen there.
    """
    with contextlib.ExitStack() as probes:
        return ListeningSockets([probes.enter_context(probe) for probe in bind(address)]).addresses


def allow_many_descriptors() -> float:
    """Raise this process's limit of open files as far as it may, and return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


class Listener:
    """Accepts connections on the running loop until closed."""

    def __init__(
        self,
        listening: ListeningSockets,
        accept: Callable[[socket.socket, Any], None],
        complain: Callable[[str], object],
    ) -> None:
        """`accept` gets each connection with its peer's address; `complain` a line when none can be taken."""
        self.addresses = listening.addresses
        self._sockets = list(listening.sockets)
        self._are_shared = listening.are_shared
        self._accept = accept
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}
        self._complain_s = -math.inf
        for listener in self._sockets:
            self._resume(listener)

    def close(self, *, take_waiting: bool = False) -> None:
        """Stop accepting. Twice is fine.

        Connections that wait to be accepted are reset, unless others accept them or we `take_waiting` ones.
        """
        for retry in self._retries.values():
            retry.cancel()
        while self._sockets:
            listener = self._sockets.pop()
            self._loop.remove_reader(listener.fileno())
            with listener, contextlib.suppress(OSError):
                while take_waiting and not self._are_shared:
                    self._accept(*listener.accept())

    def _on_readable(self, listener: socket.socket) -> None:
        # One at a time where others accept, too: else the first to wake takes all.
        for _ in range(1 if self._are_shared else BACKLOG):
            try:
                connection, sockaddr = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            self._accept(connection, sockaddr)

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        # Level-triggered polling would spin on a connection that cannot be taken.
        if self._loop.time() >= self._complain_s:
            self._complain_s = self._loop.time() + _COMPLAIN_AGAIN_S
            self._complain(f"cannot accept calls for {_RETRY_S:g} s: {_lower(error.strerror)} (see `ulimit -n`)")
        self._loop.remove_reader(listener.fileno())
        self._retries[listener] = self._loop.call_later(_RETRY_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._on_readable, listener)


def _cure(error: OSError, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; stop the other program or choose another port with {option}"
    if error.errno == errno.EACCES:
        return f"permission denied; ports below 1024 need root, choose another with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address; use :PORT for all it has"
    return _lower(error.strerror)


def _lower(text: str | None) -> str:
    text = text or "unknown error"
    return text[0].lower() + text[1:]
