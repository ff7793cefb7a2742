"""Connecting calls to a target, whatever it speaks: AudioSocket over TCP, or a protocol of WebSocket bots."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from uuid import UUID

from audiosocket_cli.call.wire import Link
from audiosocket_cli.net.dial import dial
from audiosocket_cli.net.target import Target, WebSocketTarget

if TYPE_CHECKING:
    from audiosocket_cli.net.gateway import Gateway


class Dialler:
    """Connects any number of calls to one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._gateway = _gateway_to(target) if isinstance(target, WebSocketTarget) else None

    async def dial(self, uuid: UUID | None = None) -> Link:
        """Connect a call, which says this UUID or any. Returns its socket, on which AudioSocket is spoken.

        Raises `NetworkError` when there is nobody to talk to.
        """
        if self._gateway is not None:
            return await self._gateway.connect(uuid)
        assert not isinstance(self.target, WebSocketTarget)
        connection = await dial(self.target)
        return Link(connection, str(self.target), _peer_of(connection))

    async def finish(self) -> None:
        """Wait until all that the calls passed through is over; after the last call."""
        if self._gateway is not None:
            await self._gateway.finish()


def _gateway_to(target: WebSocketTarget) -> Gateway:
    from audiosocket_cli.net.gateway import Gateway  # which needs a library that may be missing

    return Gateway(target)


def _peer_of(connection: socket.socket) -> Any:
    try:
        return connection.getpeername()
    except OSError:  # it has already closed
        return connection.getsockname()
