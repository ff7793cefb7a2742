"""A small HTTP server for figures and health checks: one request a connection, and nothing that changes anything.

It has a thread and a loop of its own, so that it answers while the calls' loop hangs, and no call waits for it. All is
bounded, whoever connects: so many connections, so many bytes of a request, so many seconds from the first byte to the
last. When there are too many connections, the oldest makes room, so that those which ask for nothing keep nobody out.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

MAX_CONNECTIONS: Final = 16
DESCRIPTORS: Final = 2 * MAX_CONNECTIONS + 8
"""The most open files: as many connections again may be accepted at once before the oldest are closed."""

_AT_ONCE: Final = MAX_CONNECTIONS // 4
"""Connections that asyncio accepts in one turn of the loop. The oldest are closed two turns after others took their
place."""

_BACKLOG: Final = 128
"""Connections that may wait in the system."""

TIMEOUT_S: Final = 5.0
_MAX_REQUEST_BYTES: Final = 8192
_MAX_UNREAD_CHUNKS: Final = 16
_METHODS: Final = ("GET", "HEAD", "OPTIONS")
"""HAProxy's `option httpchk /healthz` asks with OPTIONS. All get the same answer."""


class Request(NamedTuple):
    """What was asked for. Names of headers are in lower case."""

    path: str
    query: str
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """What is answered."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = (("Content-Type", "text/plain; charset=utf-8"),)


Route = Callable[[Request], Answer]


class HttpServer:
    """Serves routes, by path, on listening sockets until the process ends."""

    def __init__(self, listeners: Sequence[socket.socket], routes: Mapping[str, Route]) -> None:
        self._listeners = listeners
        self._routes = routes
        self._open: dict[asyncio.StreamWriter, None] = {}  # oldest first
        threading.Thread(target=asyncio.run, args=(self._serve(),), name="http", daemon=True).start()

    async def _serve(self) -> None:
        # What goes wrong with a connection, or for want of descriptors, is asyncio's to log: not in a log of calls.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        for listener in self._listeners:
            await asyncio.start_server(self._on_connection, sock=listener, limit=_MAX_REQUEST_BYTES, backlog=_AT_ONCE)
            listener.listen(_BACKLOG)  # which asyncio has set to what it accepts at once
        await asyncio.Event().wait()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = None
        if len(self._open) > MAX_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
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
            writer.write(_encode(_failure(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)))
        else:
            writer.write(self._answer_to(head))
        await writer.drain()
        writer.write_eof()
        # Closing with something unread would reset the connection, and could take the answer with it.
        for _ in range(_MAX_UNREAD_CHUNKS):
            if not await reader.read(_MAX_REQUEST_BYTES):
                break

    def _answer_to(self, head: bytes) -> bytes:
        line, *fields = head.decode("latin-1").split("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _encode(_failure(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        if method not in _METHODS:
            return _encode(_failure(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(_METHODS))))
        path, _, query = target.partition("?")
        pairs = (field.partition(":") for field in fields)
        headers = {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
        return _encode(self._routed(Request(path, query, headers)), with_body=method != "HEAD")

    def _routed(self, request: Request) -> Answer:
        route = self._routes.get(request.path)
        if route is None:
            return _failure(HTTPStatus.NOT_FOUND, more=f": try {' or '.join(self._routes)}")
        try:
            return route(request)
        except Exception:  # a fault of ours is an answer, too
            return _failure(HTTPStatus.INTERNAL_SERVER_ERROR)


def _failure(status: HTTPStatus, *headers: tuple[str, str], more: str = "") -> Answer:
    text = ("Content-Type", "text/plain; charset=utf-8")
    return Answer(status, f"{status.phrase.lower()}{more}\n".encode(), [text, *headers])


def _encode(answer: Answer, *, with_body: bool = True) -> bytes:
    status = HTTPStatus(answer.status)
    length = ("Content-Length", str(len(answer.body)))
    fields = [*answer.headers, length, ("Connection", "close")]
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("latin-1") + b"\r\n" + (answer.body if with_body else b"")


def wsgi_environment(request: Request) -> dict[str, Any]:
    """Return a request as a WSGI application wants it, as far as one for figures looks."""
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    return {"REQUEST_METHOD": "GET", "PATH_INFO": request.path, "QUERY_STRING": request.query, **fields}
