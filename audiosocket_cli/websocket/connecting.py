"""The connection under a WebSocket: TCP to one of a host's addresses, and TLS over it where the URL says so.

asyncio has streams for both. But what follows is read and written frame by frame, without a task for each call, and for
that the socket has to be ours.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import FileError, NetworkError
from audiosocket_cli.libraries import first_line
from audiosocket_cli.websocket.url import Url

_SEND_BUFFER_BYTES: Final = 65536
"""What the system keeps for a bot that does not read: at 8000 Hz some seconds. Its default is minutes of audio, which
are of no use to anybody who gets them at once."""

_READ_BYTES: Final = 65536

WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a read or a write raises that has to wait."""


class RefusedError(NetworkError):
    """A bot that says no, or cannot be trusted: it will do so again."""


@functools.lru_cache(maxsize=8)
def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Return what makes TLS connections to servers with a certificate of the system's authorities, or of those in a
    file. Raises `FileError`."""
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise FileError(f"{ca} holds no certificates: it has to be PEM, as BEGIN CERTIFICATE") from None
    except OSError as error:
        raise FileError(f"cannot read {ca}: {(error.strerror or str(error)).lower()}") from None


async def open_connection(url: Url, tls: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    """Return a connected, non-blocking socket, encrypted where the URL says so. Raises `NetworkError`."""
    connection = await _open_tcp(url, timeout_s)
    if not url.is_secure:
        return connection
    try:
        return await _encrypt(connection, url, tls or tls_context(None))
    except BaseException:
        connection.close()
        raise


async def _open_tcp(url: Url, timeout_s: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or "not a valid host name").lower()
        raise NetworkError(f"cannot connect to {url}: {reason}; is the host name right?") from None
    reason = "no address"
    cause: OSError | None = None
    for family, kind, protocol, _, sockaddr in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(timeout_s / len(found)):
                await loop.sock_connect(connection, sockaddr)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            return connection
        except TimeoutError as error:
            cause = error
            reason = f"no answer within {timeout_s:g} s"
        except OSError as error:
            cause = error
            reason = os.strerror(error.errno or 0).lower()  # asyncio rewrites strerror, address and all
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise NetworkError(f"cannot connect to {url}: {reason}; does the bot listen there?") from cause


async def _encrypt(connection: socket.socket, url: Url, tls: ssl.SSLContext) -> socket.socket:
    try:
        encrypted = tls.wrap_socket(connection, server_hostname=url.host, do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        raise NetworkError(f"cannot connect to {url}: {first_line(error)}") from None
    try:
        while True:
            try:
                encrypted.do_handshake()
                return encrypted
            except ssl.SSLWantReadError:
                await ready(encrypted)
            except ssl.SSLWantWriteError:
                await ready(encrypted, to_write=True)
    except ssl.SSLCertVerificationError as error:
        encrypted.close()
        raise RefusedError(
            f"cannot trust {url}: {error.verify_message.lower()}; if that is right, name the file of its "
            "authority with --bridge-ca or --ca"
        ) from None
    except OSError as error:
        encrypted.close()
        why = getattr(error, "reason", None) or os.strerror(error.errno or 0)
        raise NetworkError(
            f"cannot connect to {url}: no TLS there ({str(why).replace('_', ' ').lower()}); is it ws:// and not wss://?"
        ) from None
    except BaseException:
        encrypted.close()
        raise


async def ready(connection: socket.socket, *, to_write: bool = False) -> None:
    """Wait until there is something to read, or room to write."""
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    descriptor = connection.fileno()

    def on_ready() -> None:
        if not waiting.done():
            waiting.set_result(None)

    (loop.add_writer if to_write else loop.add_reader)(descriptor, on_ready)
    try:
        await waiting
    finally:
        (loop.remove_writer if to_write else loop.remove_reader)(descriptor)


async def send_all(connection: socket.socket, data: bytes) -> None:
    """Write all of it. Raises `OSError`."""
    while data:
        try:
            data = data[connection.send(data) :]
        except WOULD_BLOCK:
            await ready(connection, to_write=True)


async def receive(connection: socket.socket) -> bytes:
    """Return what comes next, b"" at the end. Raises `OSError`."""
    while True:
        try:
            return connection.recv(_READ_BYTES)
        except WOULD_BLOCK:
            await ready(connection)
