"""Connections of browsers: uvicorn's HTTP on a thread and a loop of its own, with bounds that uvicorn does not have.

Calls never wait for this thread, and it answers also while the calls' loop hangs. Whoever connects, all is bounded: so
many connections, TLS handshakes among them; so many seconds from a connection to its request. When there are too many
connections, the oldest that waits for a request is closed, so that idle ones keep nobody out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from audiosocket_cli.net.listen import ListeningSockets
from audiosocket_cli.web.bounds import MAX_HEAD_BYTES
from audiosocket_cli.web.pace import Pace

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

REQUEST_TIMEOUT_S: Final = 10.0
"""How long a connection may take to send the head of a request, and to take the last of an answer."""

_HANDSHAKE_TIMEOUT_S: Final = 5.0
_KEEP_ALIVE_S: Final = 5
_LOOK_S: Final = 1.0
_BACKLOG: Final = 128
_NO_DESCRIPTORS_S: Final = 0.2
"""How long to wait for a descriptor when there is none."""


class Connection(H11Protocol):
    """One connection. uvicorn closes those that are idle after a request; we look after all others."""

    waits_since_s: float = 0.0
    """Since when it has had no request that is being answered."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered: a whole one, as who never sends the rest of it keeps nobody out."""
        cycle = self.cycle
        return not (cycle is None or cycle.response_complete or cycle.more_body or self.transport.is_closing())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.waits_since_s = self.loop.time()
        super().connection_made(transport)

    def on_response_complete(self) -> None:
        self.waits_since_s = self.loop.time()
        super().on_response_complete()


class _Paced:
    """Lets requests wait for their turn."""

    def __init__(self, app: ASGIApp, pace: Pace) -> None:
        self._app = app
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pace.turn()
        await self._app(scope, receive, send)


class WebServer:
    """Answers on listening sockets until the process ends."""

    def __init__(
        self, listening: ListeningSockets, app: ASGIApp, *, tls: ssl.SSLContext | None, connections: int
    ) -> None:
        """`connections` is how many there may be at once."""
        self._listeners = listening.sockets
        self._tls = tls
        self._max_connections = connections
        self._handshakes: dict[asyncio.Task[None], None] = {}
        """The oldest first."""
        self._pace = Pace()
        self._state = ServerState()
        for name in ("uvicorn.error", "uvicorn.access"):  # a log of calls is no place for them
            logging.getLogger(name).disabled = True
        self._config = uvicorn.Config(
            _Paced(app, self._pace), http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, date_header=False, timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )  # fmt: skip
        threading.Thread(target=asyncio.run, args=(self._serve(),), name="web", daemon=True).start()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)  # as in `http_server`
        self._config.load()
        for listener in self._listeners:
            listener.listen(_BACKLOG)
        accepting = [asyncio.create_task(self._accept(each), name="web accepts") for each in self._listeners]
        while True:
            await asyncio.sleep(_LOOK_S)
            before_s = loop.time() - REQUEST_TIMEOUT_S
            for connection in self._connections():
                if not connection.is_busy and connection.waits_since_s < before_s:
                    connection.transport.abort()
            assert not any(each.done() for each in accepting)

    async def _accept(self, listener: Any) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._pace.turn()
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            if not self._has_room():
                connection.close()
                await asyncio.sleep(0)
                continue
            task = asyncio.create_task(self._begin(connection), name="web connection")
            self._handshakes[task] = None
            task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _begin(self, connection: Any) -> None:
        make = partial(Connection, config=self._config, server_state=self._state, app_state={})
        timeout_s = None if self._tls is None else _HANDSHAKE_TIMEOUT_S
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                make, connection, ssl=self._tls, ssl_handshake_timeout=timeout_s
            )
        except (OSError, TimeoutError):  # ssl.SSLError is one: no TLS, or no certificate
            connection.close()

    def _has_room(self) -> bool:
        """Whether there is room for one more connection, now that the oldest idle one has gone if there was none."""
        if len(self._state.connections) + len(self._handshakes) < self._max_connections:
            return True
        idle = [each for each in self._connections() if not each.is_busy]
        if idle:
            oldest = min(idle, key=lambda each: each.waits_since_s)
            self._state.connections.discard(oldest)  # it goes with the next turn of the loop
            oldest.transport.abort()
            return True
        for task in self._handshakes:
            with contextlib.suppress(KeyError):
                del self._handshakes[task]
            task.cancel()
            return True
        return False

    def _connections(self) -> list[Any]:
        return list(self._state.connections)
