"""A listening socket that hands accepted connections to a callback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import resource
import socket
from collections.abc import Callable
from typing import Any

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address

BACKLOG = 1024
_RETRY_S = 0.5
_STEP_BACK_S = 0.002
"""As long a process with more calls than another leaves a connection to that one, before it takes it itself."""

_TURN = 1
"""Connections that it then takes: whoever had the chance may be busy, or stand still."""

_COMPLAIN_AGAIN_S = 60.0


def bind(address: Address, *, option: str = "--listen") -> socket.socket:
    """Return a bound, listening, non-blocking socket. Raises `NetworkError` when the address cannot be had.

    An empty host means all interfaces, IPv4 and IPv6 on one socket where the machine has both. `option` is what to
    choose another address with.
    """
    try:
        if not address.host:
            dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual else socket.AF_INET
            listener = socket.create_server(("", address.port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
        else:
            family, _, _, _, sockaddr = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.create_server(sockaddr[:2], family=family, backlog=BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no valid host name"
        raise NetworkError(f"cannot listen on {address}: {_lower(reason)}; is the host name right?") from None
    except OSError as error:
        raise NetworkError(f"cannot listen on {address}: {_cure(error, option)}") from None
    listener.setblocking(False)
    return listener


def find_port(address: Address, option: str = "--listen") -> Address:
    """Return an address that nobody listens on, with a port that is not 0, for several processes to share.

    Raises `NetworkError` when there is none, or others listen there.
    """
    with bind(address, option=option) as probe:
        return Address(address.host, probe.getsockname()[1])


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
        listener: socket.socket,
        accept: Callable[[socket.socket, Any], None],
        complain: Callable[[str], object],
        is_ahead: Callable[[], bool] = lambda: False,
    ) -> None:
        """`accept` gets each connection with its peer's address; `complain` a line when none can be taken.

        `is_ahead` says whether another process that accepts from this socket should have the next connection.
        """
        self._socket = listener
        self._accept = accept
        self._complain = complain
        self._is_ahead = is_ahead
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._complain_s = -math.inf
        self.address = Address(*listener.getsockname()[:2])
        self._loop.add_reader(listener.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop accepting. Twice is fine."""
        if self._socket.fileno() >= 0:
            if self._retry is not None:
                self._retry.cancel()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _on_readable(self, turn: int = 0) -> None:
        """Accept what is there, `turn` connections at least, if there are as many."""
        while self._socket.fileno() >= 0:
            if turn <= 0 and self._is_ahead():
                self._rest(_STEP_BACK_S, self._take_turn)
                return
            turn -= 1
            try:
                connection, sockaddr = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._accept(connection, sockaddr)

    def _pause(self, error: OSError) -> None:
        # Level-triggered polling would spin on a connection that cannot be taken.
        if self._loop.time() >= self._complain_s:
            self._complain_s = self._loop.time() + _COMPLAIN_AGAIN_S
            self._complain(f"cannot accept calls for {_RETRY_S:g} s: {_lower(error.strerror)} (see `ulimit -n`)")
        self._rest(_RETRY_S, self._resume)

    def _rest(self, seconds: float, resume: Callable[[], None]) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._retry = self._loop.call_later(seconds, resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def _take_turn(self) -> None:
        self._resume()
        self._on_readable(_TURN)


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
