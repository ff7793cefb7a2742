"""Connections from a proxy that have yet to say whom they carry: each has some seconds for its PROXY header."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from audiosocket_cli.net.proxy_protocol import Ends, ProxyHeaderReader, ProxyProtocolError

_LOOK_BYTES: Final = 4096


class Arrivals:
    """Reads headers, and no byte after them: that is the session's."""

    def __init__(
        self,
        timeout_s: float,
        *,
        arrived: Callable[[socket.socket, Any, Ends | None], None],
        failed: Callable[[socket.socket, Any, str | None], None],
    ) -> None:
        """`arrived` gets each connection with its own peer's address, and the ends that its header names.

        `failed` gets those that have no header, and why; None for one that was closed without a byte. Of `refuse_all`,
        `arrived` gets those that have not sent a byte, too, without ends.
        """
        self._timeout_s = timeout_s
        self._arrived = arrived
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[socket.socket, tuple[Any, ProxyHeaderReader, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: socket.socket, sockaddr: Any) -> None:
        """Wait for the header of a connection that was just accepted."""
        connection.setblocking(False)
        reason = f"no PROXY protocol header within {self._timeout_s:g} s"
        timer = self._loop.call_later(self._timeout_s, self._fail, connection, reason)
        self._waiting[connection] = sockaddr, ProxyHeaderReader(), timer
        self._loop.add_reader(connection.fileno(), self._on_readable, connection)

    def refuse_all(self, reason: str) -> None:
        """Wait no longer. Who has sent nothing may be a health check: `arrived`, which turns all away by now, sees."""
        for connection, (_, reader, _) in list(self._waiting.items()):
            if reader.received_bytes:
                self._fail(connection, reason)
            else:
                self._arrived(connection, self._take(connection), None)

    def _on_readable(self, connection: socket.socket) -> None:
        reader = self._waiting[connection][1]
        try:
            # Looked at first, and then taken as far as the header goes.
            data = connection.recv(_LOOK_BYTES, socket.MSG_PEEK)
            if data:
                connection.recv(reader.feed(data))
        except (BlockingIOError, InterruptedError):
            return
        except ProxyProtocolError as error:
            self._fail(connection, str(error))
        except OSError:
            self._gone(connection, "reset", reader)
        else:
            if not data:
                self._gone(connection, "closed", reader)
            elif reader.is_whole:
                self._arrived(connection, self._take(connection), reader.ends)

    def _gone(self, connection: socket.socket, how: str, reader: ProxyHeaderReader) -> None:
        count = reader.received_bytes
        self._fail(
            connection, f"{how} after {count} bytes, before its PROXY protocol header was complete" if count else None
        )

    def _fail(self, connection: socket.socket, reason: str | None) -> None:
        self._failed(connection, self._take(connection), reason)

    def _take(self, connection: socket.socket) -> Any:
        sockaddr, _, timer = self._waiting.pop(connection)
        timer.cancel()
        self._loop.remove_reader(connection.fileno())
        return sockaddr
