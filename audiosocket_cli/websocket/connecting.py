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
from audiosocket_cli.in_thread import addresses_of
from audiosocket_cli.libraries import first_line
from audiosocket_cli.websocket.url import Url

_SEND_BUFFER_BYTES: Final = 65536
"""What the system keeps for a bot that does not read: at 8000 Hz some seconds. Its default is minutes of audio, which
are of no use to anybody who gets them at once."""

_READ_BYTES: Final = 65536

WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a read or a write raises that has to wait."""


_OUT_OF_DATE: Final = (9, 10)
_OF_ANOTHER: Final = (62, 64)
"""Numbers that OpenSSL gives to what is wrong with a certificate: not valid yet, or no longer; of another host, or
address."""


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
        found = await addresses_of(url.host, url.port)
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
    try:
        raise NetworkError(f"cannot connect to {url}: {reason}; does the bot listen there?") from cause
    finally:
        cause = None  # it knows this function's variables, itself among them


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
            f"cannot trust {url}: {error.verify_message.lower().rstrip('.')}; {_what_to_do(error)}"
        ) from None
    except OSError as error:
        encrypted.close()
        raise NetworkError(
            f"cannot connect to {url}: no TLS there ({why_of(error)}); is it ws:// and not wss://?"
        ) from None
    except BaseException:
        encrypted.close()
        raise


def _what_to_do(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OUT_OF_DATE:
        return "is the time right here, and has the bot its new certificate?"
    if error.verify_code in _OF_ANOTHER:
        return "the URL has to name the bot as its certificate does"
    return "if that is right, give the file of its authority: --ca, or --bridge-ca of serve"


def why_of(error: OSError) -> str:
    """Return why a read or a write failed: the system's words, or those of TLS."""
    if isinstance(error, ssl.SSLError):  # whose numbers are not the system's
        return str(error.reason or "the connection ended").replace("_", " ").lower()
    return os.strerror(error.errno or 0).lower()


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
