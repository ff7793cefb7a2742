"""The opening handshake: why a server says no, in one line, at once, and without what may be secret."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.websocket.connecting import RefusedError, tls_context
from audiosocket_cli.websocket.handshake import Opening
from audiosocket_cli.websocket.link import connect
from audiosocket_cli.websocket.url import parse_url
from support.websocket_bots import Diary, certificate, websocket_bot


def refusing(status: int, **headers: str) -> dict[str, Any]:
    def process(connection: ServerConnection, request: Request) -> Response:
        return Response(status, HTTPStatus(status).phrase, Headers(headers), b"")

    return {"process_request": process}


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        (refusing(401), RefusedError, "refuses the connection: HTTP 401 Unauthorized"),
        (refusing(404), RefusedError, "refuses the connection: HTTP 404 Not Found"),
        (refusing(429), NetworkError, "refuses the connection: HTTP 429 Too Many Requests"),
        (refusing(503), NetworkError, "refuses the connection: HTTP 503 Service Unavailable"),
        (refusing(302, Location="ws://x/"), RefusedError, "redirects to ws://x/, which is not followed: "),
        (refusing(307), RefusedError, "redirects to nowhere, which is not followed: "),
        (refusing(200), RefusedError, "is not a WebSocket server: it answers HTTP 200 OK, as a web page; is the path "),
    ],
    ids=["401", "404", "429", "503", "302", "307", "200"],
)
def test_a_bot_that_says_no_is_told_in_one_line(options: dict[str, Any], kind: type, says: str) -> None:
    async def main() -> None:
        async with websocket_bot(Diary(), **options) as url:
            await connect(parse_url(url), Opening())

    with pytest.raises(NetworkError) as caught:
        asyncio.run(main())
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def error_of_server(answer: bytes | None, timeout_s: float = 60.0, *, stays: bool = False) -> NetworkError:
    """Connect to a server that says these bytes and closes, or `stays`; None: that says nothing, and stays."""

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                if answer is None:
                    await reader.read()
                else:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(answer)
                    await writer.drain()
                    if stays:
                        await reader.read()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            try:
                await connect(parse_url(f"ws://127.0.0.1:{port}/"), Opening(timeout_s=timeout_s))
            finally:
                await asyncio.sleep(0.05)  # let it see our end

    with pytest.raises(NetworkError) as caught:
        asyncio.run(main())
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "closed the connection during the handshake; is it wss:// and not ws://?"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "is not a WebSocket server: it answers in TLS; is it wss:// and not ws://?"),
        (b"HTTP/1.1 101 Sw", "closed the connection during the handshake"),
        (b"220 mail.example ESMTP\r\n", "is not a WebSocket server: it answers '220 mail.example ESMTP'"),
        (b"x" * 100, f"is not a WebSocket server: it answers '{'x' * 60}…'"),
        (b"HTTP/1.1 twelve\r\n\r\n", "is not a WebSocket server: it answers 'HTTP/1.1 twelve'"),
        (b"HTTP/1.0 503 Busy\r\n\r\nbusy", "refuses the connection: HTTP 503 Busy"),
        (b"HTTP/1.1 101 \x1b[31m\r\n\r\n", "is not a WebSocket server: "),
        (b"HTTP/1.1 400 \x1b[31m\r\n\r\n", "refuses the connection: HTTP 400 \\u001b[31m"),
        (b"HTTP/1.1 101 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "is not a WebSocket server: "),
        (b"\x10\x01\x40" + bytes(20_000), "is not a WebSocket server: it answers bytes that are no text"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "is not a WebSocket server: the header of its "),
    ],
    ids=[
        "nothing", "TLS", "cut", "another protocol", "a long line", "no status", "HTTP/1.0", "colours", "red",
        "another upgrade", "AudioSocket", "an endless header",
    ],
)  # fmt: skip
def test_a_server_of_another_kind_is_named(answer: bytes, says: str) -> None:
    assert says in str(error_of_server(answer))


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 12\r\n\r\nUnauthorized", b"\r\nno end", b"Transfer-Encoding: chunked\r\n\r\n5\r\nUn",
        b"Content-Length: 5000000\r\n\r\n<html>", b"Content-Length: 0\r\n\r\n",
    ],
    ids=["body", "no length", "chunks", "a long page", "empty"],
)  # fmt: skip
def test_a_server_that_says_no_and_keeps_the_connection_is_understood_at_once(rest: bytes) -> None:
    begun_s = time.monotonic()
    error = error_of_server(b"HTTP/1.1 401 Unauthorized\r\n" + rest, stays=True)
    assert time.monotonic() - begun_s < 30
    assert isinstance(error, RefusedError)
    assert str(error).endswith("refuses the connection: HTTP 401 Unauthorized")


def test_a_bot_of_another_protocol_is_told_as_such() -> None:
    async def main() -> None:
        async with websocket_bot(Diary(), subprotocols=["media"]) as url:
            await connect(parse_url(url), Opening())

    with pytest.raises(RefusedError, match="HTTP 400 Bad Request; does the bot speak another protocol"):
        asyncio.run(main())


def test_a_redirect_is_shown_without_what_may_be_secret() -> None:
    to = b"Location: wss://me:secret@new.example/calls?token=secret#secret"
    error = error_of_server(b"HTTP/1.1 301 Moved\r\n" + to + b"\r\n\r\n", stays=True)
    assert "redirects to wss://new.example/calls, which is not followed" in str(error)
    assert "secret" not in str(error)


def test_a_handshake_that_is_cut_off_is_told_with_the_reason(tmp_path: Path) -> None:
    """TLS has numbers of its own for what went wrong, which are not the system's: 1 is no lack of permission."""
    file, server = certificate(tmp_path)
    server.verify_mode = ssl.CERT_REQUIRED
    over = threading.Event()

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with server.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as encrypted:
            with pytest.raises(ssl.SSLError):
                encrypted.do_handshake()
            over.wait(60)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            refusing = asyncio.get_running_loop().run_in_executor(None, refuse, listener)
            url = parse_url(f"wss://127.0.0.1:{listener.getsockname()[1]}/")
            try:
                await connect(url, Opening(tls=tls_context(file)))
            finally:
                over.set()
                await refusing

    with pytest.raises(NetworkError, match=r"certificate required during the handshake") as caught:
        asyncio.run(main())
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    begun_s = time.monotonic()
    assert "no answer within 0.3 s; does the bot hang?" in str(error_of_server(None, 0.3))
    assert time.monotonic() - begun_s < 30
