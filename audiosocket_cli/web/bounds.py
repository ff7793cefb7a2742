"""What every answer is held to, whoever asks: time for a slow reader, a size and time for what is sent to us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiosocket_cli.web.answers import failure

SEND_TIMEOUT_S: Final = 30.0
"""How long a reader may take to make room for the next piece of an answer; then its connection is closed."""

MAX_HEAD_BYTES: Final = 16384
"""Of a request's path and headers; uvicorn takes more where all comes at once."""

MAX_BODY_BYTES: Final = 8192
BODY_TIMEOUT_S: Final = 5.0

PIECE_BYTES: Final = 65536
"""A longer body is sent in pieces of this, each when there is room for it: a slow reader has time for each, and no more
than two wait in memory for it."""

_AGAIN_S: Final = 60.0
"""Seconds between two lines about faults of ours."""


class BodyError(Exception):
    """A body that cannot be taken; `status` is the answer to it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Bounds:
    """The outermost layer: bounds each answer in time, and says in one line when we fail to give one."""

    def __init__(self, app: ASGIApp, say: Callable[[str], object], *, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._app = app
        self._say = say
        self._timeout_s = timeout_s
        self._said_s = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if _size_of_head(scope) > MAX_HEAD_BYTES:
            await failure(431, f"a request has at most {MAX_HEAD_BYTES} bytes of headers")(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            for piece in _pieces_of(message):
                async with asyncio.timeout(self._timeout_s):
                    await send(piece)

        try:
            await self._app(scope, receive, send_in_time)
        except (TimeoutError, OSError, ClientDisconnect):
            raise  # it reads too slowly, or has gone: uvicorn closes the connection
        except Exception as error:
            now_s = asyncio.get_running_loop().time()
            if now_s - self._said_s >= _AGAIN_S:
                self._said_s = now_s
                self._say(f"internal error in --web: {error!r:.200}")
            raise


def _pieces_of(message: Message) -> Iterator[Message]:
    """Yield a message, or, where it has a long body, several that say the same."""
    body = message.get("body", b"")
    if len(body) <= PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), PIECE_BYTES):
        goes_on = start + PIECE_BYTES < len(body)
        yield {
            **message,
            "body": body[start : start + PIECE_BYTES],
            "more_body": goes_on or message.get("more_body", False),
        }


def _size_of_head(scope: Scope) -> int:
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    return fields + len(scope["path"]) + len(scope.get("query_string", b""))


async def read_body(request: Request) -> bytes:
    """Return the body of a request. Raises `BodyError` when it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise BodyError(413, f"a body has at most {MAX_BODY_BYTES} bytes")
    except TimeoutError:
        raise BodyError(408, f"a body must arrive within {BODY_TIMEOUT_S:g} s") from None
    return bytes(body)
