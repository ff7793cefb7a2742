"""Passing callers on: each accepted connection gets a server first, and only then is anything read from it.

Where no server can be reached, the caller is reset, with its UUID unread: to Asterisk that is a failed call, where a
connection that is closed in order counts as answered. While it is known that no server is up, the port is closed
(`Gate`), and Asterisk's next call fails before it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from audiosocket_cli.call.relay_driver import RelayDriver
from audiosocket_cli.call.relayed_call import RelayedCall
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.proxy_protocol import Ends, header_of
from audiosocket_cli.server.calls import Calls
from audiosocket_cli.server.common import Common
from audiosocket_cli.server.mirroring import Mirroring
from audiosocket_cli.server.options import RelayOptions
from audiosocket_cli.server.targets import Targets

_KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence before the first probe, seconds between probes, and how many go unanswered."""


class Relaying:
    """Connects callers with servers, on the running loop."""

    def __init__(
        self,
        options: RelayOptions,
        common: Common,
        calls: Calls,
        *,
        own: Sequence[Address],
        on_change: Callable[[], object],
    ) -> None:
        """`own` is where we listen; `on_change` is called when a server goes down or comes back (`are_down`)."""
        self._account = common.account
        self._calls = calls
        self._send_proxy = options.send_proxy
        self._faults = options.faults
        self._driver = RelayDriver()
        self._targets = Targets(
            options, own=own, calls=self._count, complain=common.account.complain, on_change=on_change
        )
        self._mirroring: Mirroring | None = None
        if options.mirror is not None:
            self._mirroring = Mirroring(options.mirror, common, self._driver, own=own, greet=self._greet)
        self._connecting: dict[asyncio.Task[None], Link] = {}

    def __len__(self) -> int:
        """The number of callers who have no server yet."""
        return len(self._connecting)

    @property
    def are_down(self) -> bool:
        """Whether no server is up."""
        return self._targets.are_down

    @property
    def why_down(self) -> str:
        """Why servers are down, in one line."""
        return self._targets.why_down

    async def try_all(self) -> None:
        """Find out which servers are up. Raises `UsageError` where one is this proxy itself."""
        if self._faults is not None:
            self._account.complain(str(self._faults))
        tried = [self._targets.try_all()]
        if self._mirroring is not None:
            tried.append(self._mirroring.try_it())
        await asyncio.gather(*tried)

    def begin(self, link: Link) -> None:
        """Find a server for a connection that `Calls.enter` has counted."""
        connecting = asyncio.create_task(self._connect(link), name=f"server for {link.peer}")
        self._connecting[connecting] = link
        connecting.add_done_callback(self._on_connected)

    def stop(self) -> None:
        """Reset those who have no server yet, and look for none any more."""
        self._targets.close()
        if self._mirroring is not None:
            self._mirroring.stop()
        for connecting in list(self._connecting):
            connecting.cancel()

    def close(self) -> None:
        """All calls are over."""
        self.stop()
        if self._mirroring is not None:
            self._mirroring.close()

    async def _connect(self, link: Link) -> None:
        target, connection = await self._targets.connect()
        keep_alive(link.socket)
        self._greet(link, target, connection)
        mirror = None if self._mirroring is None else self._mirroring.begin(link)
        server = Link(connection, str(target), _address_of(connection, target))
        self._calls.begin_relay(self._driver, link, server, mirror)

    def _greet(self, link: Link, target: Address, connection: socket.socket) -> None:
        """Do what comes first on a connection to a server. Raises `NetworkError`, with the connection closed."""
        keep_alive(connection)
        try:
            if self._send_proxy is not None:
                connection.send(header_of(_ends(link), self._send_proxy))
        except OSError as error:
            connection.close()
            reason = (error.strerror or str(error)).lower()
            raise NetworkError(f"cannot send the PROXY header to {target}: {reason}") from error

    def _on_connected(self, connecting: asyncio.Task[None]) -> None:
        link = self._connecting.pop(connecting)
        error = None if connecting.cancelled() else connecting.exception()
        if error is None and not connecting.cancelled():
            return
        reset(link.socket)
        if isinstance(error, NetworkError):
            self._account.fail(link.peer, f"reset, because {error}")
        elif error is None:
            self._account.refuse(link.peer, "reset, because the proxy stops")
        else:
            assert isinstance(error, Exception)
            self._account.blame_ourselves(link.peer, error)
        self._calls.forget(link.peer)

    def _count(self) -> Counter[str]:
        return Counter(live.server for live in self._calls.live if isinstance(live, RelayedCall))


def _address_of(connection: socket.socket, target: Address) -> Any:
    """Return the address of the server that a connection leads to, or its name where the connection is over already."""
    try:
        return connection.getpeername()
    except OSError:
        return target


def _ends(link: Link) -> Ends:
    ours = link.ours or link.socket.getsockname()
    return Ends(link.theirs[:2], ours[:2])


def keep_alive(connection: socket.socket) -> None:
    """Have the system find out, in two minutes, that a silent peer is gone without having said so."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE.items():
            if hasattr(socket, option):  # macOS has other names for some
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def reset(connection: socket.socket) -> None:
    """Reset a connection that nothing was read from."""
    with contextlib.suppress(OSError):
        SocketWire(connection).reset()
