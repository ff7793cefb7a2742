"""A small HTTP server for metrics, health checks and the API: one request a connection.

It has a thread and a loop of its own, so that it answers while the calls' loop hangs, and no call waits for it. All is
bounded, whoever connects: so many connections, so many bytes of a request and of its body, so many seconds from the
first byte to the last. When there are too many connections, the oldest is closed, so that idle ones keep nobody out.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from inspect import isawaitable
from typing import Any, Final

from audiosocket_cli.net.http_routes import Answer, Handler, Request, Route, Router, failure

MAX_CONNECTIONS: Final = 16

_TURNS: Final = 4
"""Turns of the loop in which asyncio accepts as many connections as there may be. The oldest are closed two turns after
others took their place."""

_BACKLOG: Final = 128
"""Connections that may wait in the system."""

TIMEOUT_S: Final = 5.0
_MAX_REQUEST_BYTES: Final = 8192
MAX_BODY_BYTES: Final = 8192
_MAX_UNREAD_CHUNKS: Final = 16
_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")


def descriptors_for(connections: int) -> int:
    """Return the most open files of a server: twice as many connections may be accepted before the oldest are
    closed."""
    return 2 * connections + 8


class HttpServer:
    """Serves routes, by path, on listening sockets until the process ends."""

    def __init__(
        self, listeners: Sequence[socket.socket], routes: Mapping[str, Route], *, connections: int = MAX_CONNECTIONS
    ) -> None:
        """`connections` is how many there may be at once."""
        self._listeners = listeners
        self._router = Router(routes)
        self._connections = connections
        self._open: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()
        """Those that were answered first, and then the oldest first."""
        threading.Thread(target=asyncio.run, args=(self._serve(),), name="http", daemon=True).start()

    async def _serve(self) -> None:
        # What goes wrong with a connection, or for want of descriptors, is asyncio's to log: not in a log of calls.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        at_once = self._connections // _TURNS
        for listener in self._listeners:
            await asyncio.start_server(self._on_connection, sock=listener, limit=_MAX_REQUEST_BYTES, backlog=at_once)
            listener.listen(_BACKLOG)  # which asyncio has set to what it accepts at once
        await asyncio.Event().wait()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = None
        if len(self._open) > self._connections:
            oldest, _ = self._open.popitem(last=False)
            oldest.transport.abort()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it has gone, or takes too long
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            writer.write(_encode(failure(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)))
        else:
            writer.write(await self._answer_to(head, reader))
        await writer.drain()
        writer.write_eof()
        if writer in self._open:
            self._open.move_to_end(writer, last=False)
        # Closing with something unread would reset the connection, and could take the answer with it.
        for _ in range(_MAX_UNREAD_CHUNKS):
            if not await reader.read(_MAX_REQUEST_BYTES):
                break

    async def _answer_to(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        request = _parsed(head)
        if request is None:
            return _encode(failure(HTTPStatus.BAD_REQUEST))
        found = self._router.find(request)
        answer = found if isinstance(found, Answer) else await self._handled(*found, reader)
        return _encode(answer, with_body=request.method != "HEAD")

    async def _handled(self, handler: Handler, request: Request, reader: asyncio.StreamReader) -> Answer:
        if request.method not in _WITHOUT_BODY:
            unusable = _why_no_body(request.headers)
            if unusable is not None:
                return unusable
            request = request._replace(body=await reader.readexactly(_length_of_body(request.headers)))
        try:
            answer = handler(request)
            return await answer if isawaitable(answer) else answer
        except Exception:  # a fault of ours is an answer, too
            return failure(HTTPStatus.INTERNAL_SERVER_ERROR)


def _parsed(head: bytes) -> Request | None:
    line, *fields = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    method, target, _ = words
    path, _, query = target.partition("?")
    pairs = (field.partition(":") for field in fields)
    return Request(path, query, {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}, method)


def _length_of_body(headers: Mapping[str, str]) -> int:
    return int(headers.get("content-length", "0"))


def _why_no_body(headers: Mapping[str, str]) -> Answer | None:
    """Return the answer to a request whose body cannot be taken; None where it can."""
    if "transfer-encoding" in headers:
        return failure(HTTPStatus.LENGTH_REQUIRED, more=": send a body with its Content-Length")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal() and len(length) < 20):
        return failure(HTTPStatus.BAD_REQUEST)
    if _length_of_body(headers) > MAX_BODY_BYTES:
        return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, more=f": a body has at most {MAX_BODY_BYTES} bytes")
    return None


def _encode(answer: Answer, *, with_body: bool = True) -> bytes:
    status = HTTPStatus(answer.status)
    length = [] if status == HTTPStatus.NO_CONTENT else [("Content-Length", str(len(answer.body)))]
    fields = [*answer.headers, *length, ("Connection", "close")]
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("latin-1") + b"\r\n" + (answer.body if with_body else b"")


def wsgi_environment(request: Request) -> dict[str, Any]:
    """Return a request as a WSGI application wants it, as far as one for figures looks."""
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    return {"REQUEST_METHOD": "GET", "PATH_INFO": request.path, "QUERY_STRING": request.query, **fields}
