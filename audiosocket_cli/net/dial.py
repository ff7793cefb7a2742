"""Connecting as Asterisk does: each address of the host in turn, 2 s for each, TCP_NODELAY."""

from __future__ import annotations

import asyncio
import os
import socket

from audiosocket_cli.asterisk.facts import CONNECT_TIMEOUT_S
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.in_thread import addresses_of
from audiosocket_cli.net.address import Address


async def dial(target: Address) -> socket.socket:
    """Return a connected, non-blocking socket. Raises `NetworkError` with the last address's reason, and its cause."""
    loop = asyncio.get_running_loop()
    try:
        found = await addresses_of(target.host or "localhost", target.port)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(target, error) from None
    cause: OSError | None = None
    for family, kind, protocol, _, sockaddr in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.sock_connect(connection, sockaddr)
            return connection
        except OSError as error:
            cause = error
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise _failed(target, cause) from cause


def dial_and_wait(target: Address) -> socket.socket:
    """Do the same without an event loop, for threads or greenlets."""
    try:
        found = socket.getaddrinfo(target.host or "localhost", target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(target, error) from None
    cause: OSError | None = None
    for family, kind, protocol, _, sockaddr in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(CONNECT_TIMEOUT_S)
        try:
            connection.connect(sockaddr)
            connection.setblocking(False)
            return connection
        except OSError as error:
            cause = error
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise _failed(target, cause) from cause


def _unknown(target: Address, error: Exception) -> NetworkError:
    reason = (getattr(error, "strerror", None) or "not a valid host name").lower()
    return NetworkError(f"cannot connect to {target}: {reason}; is the host name right?")


def _failed(target: Address, cause: OSError | None) -> NetworkError:
    if cause is None:
        reason = "no address"
    elif isinstance(cause, TimeoutError):
        reason = f"no answer within {CONNECT_TIMEOUT_S:g} s, the time that Asterisk gives it"
    else:
        reason = os.strerror(cause.errno or 0).lower()  # asyncio rewrites strerror, address and all
    return NetworkError(f"cannot connect to {target}: {reason}; is a server listening there?")
