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
_STEP_BACK_S = 0.005
"""Seconds that a process leaves a connection to one with fewer calls before it accepts it itself."""

_MAX_TURN = 8
"""The most connections that it then accepts at once. It begins with one and doubles while connections still wait: the
other process may be busy or stand still."""

_MAX_AT_ONCE = 64
"""Connections that are accepted in one go, some milliseconds: calls have their turn before the next."""

_COMPLAIN_AGAIN_S = 60.0


class ListeningSockets(NamedTuple):
    """The sockets that calls are accepted on."""

    sockets: Sequence[socket.socket]
    stay_open: bool = False
    """Whether systemd keeps them open as well: then waiting connections survive our closing, and the next server
    answers them."""

    @property
    def addresses(self) -> list[Address]:
        """The addresses that they listen on, as host:port."""
        return [Address(*listener.getsockname()[:2]) for listener in self.sockets]

    def close(self) -> None:
        """Close our copies. Safe to call twice."""
        for listener in self.sockets:
            listener.close()


def bind(address: Address, *, option: str = "--listen") -> list[socket.socket]:
    """Return bound, listening, non-blocking sockets. Raises `NetworkError` when it cannot listen there.

    An empty host means all interfaces, IPv4 and IPv6 on one socket where the machine has both. A name means all of its
    addresses, each a socket, with one port for all: those that this machine does not have, such as ::1 where IPv6 is
    off, are left out while there is another. `option` is what to choose another address with.
    """
    try:
        sockaddrs = _sockaddrs(address)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a valid host name"
        raise NetworkError(f"cannot listen on {address}: {_lower(reason)}; is the host name right?") from None
    for tries_left in reversed(range(_PORT_TRIES)):
        try:
            return _bind_all(sockaddrs)
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


def _bind_all(sockaddrs: Sequence[tuple[socket.AddressFamily, Any]]) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as undo:
        port = sockaddrs[0][1][1]
        for family, (host, _, *scope) in sockaddrs:
            dual = not host and family == socket.AF_INET6
            try:
                listener = socket.create_server(
                    (host, port, *scope), family=family, backlog=BACKLOG, dualstack_ipv6=dual
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


def allow_many_descriptors() -> float:
    """Raise this process's limit of open files as far as it may, and return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return limit_of_descriptors()


def limit_of_descriptors() -> float:
    """Return how many open files this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


class Listener:
    """Accepts connections on the running loop until closed."""

    def __init__(
        self,
        listening: ListeningSockets,
        accept: Callable[[socket.socket, Any], None],
        complain: Callable[[str], object],
        is_ahead: Callable[[], bool] = lambda: False,
    ) -> None:
        """`accept` gets each connection with its peer's address; `complain` a line when none can be taken.

        `is_ahead` says whether another process that accepts from these sockets should have the next connection.
        """
        self._sockets = list(listening.sockets)
        self._stay_open = listening.stay_open
        self._accept = accept
        self._complain = complain
        self._is_ahead = is_ahead
        self._loop = asyncio.get_running_loop()
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}
        self._turn = 1
        self._complain_s = -math.inf
        for listener in self._sockets:
            self._resume(listener)

    def close(self, *, take_waiting: bool = False) -> None:
        """Stop accepting. Safe to call twice.

        Connections that wait to be accepted are reset, unless the sockets stay open or we `take_waiting` ones.
        """
        for retry in self._retries.values():
            retry.cancel()
        while self._sockets:
            listener = self._sockets.pop()
            self._loop.remove_reader(listener.fileno())
            with listener, contextlib.suppress(OSError):
                for _ in range(BACKLOG if take_waiting and not self._stay_open else 0):
                    self._accept(*listener.accept())

    def _on_readable(self, listener: socket.socket, turn: int = 0) -> None:
        """Accept some of the waiting connections: at least `turn`, if that many wait."""
        for number in range(_MAX_AT_ONCE):
            if listener.fileno() < 0:
                return
            if number >= turn and self._is_ahead():
                self._rest(listener, _STEP_BACK_S, self._take_turn)
                return
            try:
                connection, sockaddr = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._turn = 1
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
        self._rest(listener, _RETRY_S, self._resume)

    def _rest(self, listener: socket.socket, seconds: float, resume: Callable[[socket.socket], None]) -> None:
        self._loop.remove_reader(listener.fileno())
        self._retries[listener] = self._loop.call_later(seconds, resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._on_readable, listener)

    def _take_turn(self, listener: socket.socket) -> None:
        self._resume(listener)
        turn, self._turn = self._turn, min(2 * self._turn, _MAX_TURN)
        self._on_readable(listener, turn)


def _cure(error: OSError, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; stop the other program or choose another port with {option}"
    if error.errno == errno.EACCES:
        return f"permission denied; ports below 1024 need root, choose another with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address; use :PORT for all its addresses"
    return _lower(error.strerror)


def _lower(text: str | None) -> str:
    text = text or "unknown error"
    return text[0].lower() + text[1:]
