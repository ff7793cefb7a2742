"""Connecting as Asterisk does: each address of the host in turn, 2 s for each, TCP_NODELAY."""

from __future__ import annotations

import asyncio
import os
import socket

from audiosocket_cli.asterisk import CONNECT_TIMEOUT_S
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address


async def dial(target: Address) -> socket.socket:
    """Return a connected, non-blocking socket. Raises `NetworkError` with the last address's reason, and its cause."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host or "localhost", target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or "no valid host name").lower()
        raise NetworkError(f"cannot connect to {target}: {reason}; is the host name right?") from None
    reason = "no address"
    cause: OSError | None = None
    for family, kind, protocol, _, sockaddr in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.sock_connect(connection, sockaddr)
            return connection
        except TimeoutError as error:
            cause = error
            reason = f"no answer within {CONNECT_TIMEOUT_S:g} s, the time that Asterisk gives it"
        except OSError as error:
            cause = error
            reason = os.strerror(error.errno or 0).lower()  # asyncio rewrites strerror, address and all
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise NetworkError(f"cannot connect to {target}: {reason}; is a server listening there?") from cause
