"""The connection under a WebSocket: addresses of a name, TLS with its authorities, and one line for each failure."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.errors import AudioSocketError, FileError, NetworkError
from audiosocket_cli.websocket.connecting import RefusedError, open_connection, receive, send_all, tls_context
from audiosocket_cli.websocket.url import parse_url
from support.peers import free_port
from support.websocket_bots import certificate, websocket_bot


def failure_of(url: str, tls: ssl.SSLContext | None = None, timeout_s: float = 30.0) -> AudioSocketError:
    async def fail() -> None:
        (await open_connection(parse_url(url), tls, timeout_s)).close()

    with pytest.raises(AudioSocketError) as caught:
        asyncio.run(fail())
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_socket_is_connected_without_delay_and_with_a_small_buffer() -> None:
    async def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = parse_url(f"ws://localhost:{listener.getsockname()[1]}/")
            connection = await open_connection(url, None, 30.0)
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 65536
                assert connection.gettimeout() == 0.0

    asyncio.run(connect())


def test_more_is_sent_and_read_than_buffers_hold() -> None:
    async def both() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = parse_url(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
            ours, read = await open_connection(url, None, 30.0), 0
            theirs, _ = listener.accept()
            theirs.setblocking(False)
            with ours, theirs:
                sending = asyncio.ensure_future(send_all(ours, bytes(20_000_000)))
                while read < 20_000_000:
                    read += len(await receive(theirs))
                await sending
                theirs.shutdown(socket.SHUT_WR)
                assert await receive(ours) == b""
        return read

    assert asyncio.run(both()) == 20_000_000


def test_nobody_listens() -> None:
    port = free_port()
    error = failure_of(f"ws://127.0.0.1:{port}/x?token=secret")
    assert isinstance(error, NetworkError)
    assert not isinstance(error, RefusedError)
    assert str(error) == f"cannot connect to ws://127.0.0.1:{port}/x: connection refused; does the bot listen there?"


def test_a_name_that_nobody_has() -> None:
    assert "is the host name right?" in str(failure_of("ws://no.such.name.invalid/"))
    assert "is the host name right?" in str(failure_of("ws://a..b/"))


def test_a_certificate_of_an_authority_in_a_file_is_trusted(tmp_path: Path) -> None:
    file, server = certificate(tmp_path)

    async def connect() -> str | None:
        async with websocket_bot(_nothing, ssl=server) as url:
            connection = await open_connection(parse_url(url), tls_context(file), 30.0)
            assert isinstance(connection, ssl.SSLSocket)
            with connection:
                return connection.version()

    assert str(asyncio.run(connect())).startswith("TLSv1")


async def _nothing(connection: object) -> None:
    pass


def test_a_certificate_of_a_stranger_is_not_trusted_and_not_tried_again(tmp_path: Path) -> None:
    _, server = certificate(tmp_path)

    async def connect() -> None:
        async with websocket_bot(_nothing, ssl=server) as url:
            await open_connection(parse_url(url), None, 30.0)

    with pytest.raises(RefusedError, match=r"cannot trust wss://127\.0\.0\.1:\d+/: self-signed certificate; if that "):
        asyncio.run(connect())


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"valid": ("20200101000000Z", "20200102000000Z")},
         "certificate has expired; is the time right here, and has the bot its new certificate?"),
        ({"valid": ("20900101000000Z", "20910101000000Z")}, "certificate is not yet valid; is the time right here, "),
        ({"name": "DNS:other.example"}, "not valid for '127.0.0.1'; the URL has to name the bot as its "),
    ],
    ids=["expired", "not yet", "of another"],
)  # fmt: skip
def test_what_is_wrong_with_a_certificate_is_told_with_what_to_do(
    tmp_path: Path, how: dict[str, Any], says: str
) -> None:
    file, server = certificate(tmp_path, **how)

    async def connect() -> None:
        async with websocket_bot(_nothing, ssl=server) as url:
            await open_connection(parse_url(url), tls_context(file), 30.0)

    with pytest.raises(RefusedError) as caught:
        asyncio.run(connect())
    assert says in str(caught.value)


def test_a_server_without_tls_is_named() -> None:
    async def connect() -> None:
        async with websocket_bot(_nothing) as url:
            await open_connection(parse_url(url.replace("ws:", "wss:")), None, 30.0)

    with pytest.raises(NetworkError, match=r"no TLS there \(.+\); is it ws:// and not wss://\?"):
        asyncio.run(connect())


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot read {}: no such file or directory"), ("hello", "{} holds no certificates")],
    ids=["missing", "no certificate"],
)
def test_a_file_that_is_none_of_authorities_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FileError) as caught:
        tls_context(path)
    assert str(caught.value).startswith(says.format(path))
