"""A port for a server that has to be told its port before it starts."""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE = "32768 60999"


def free_port() -> int:
    """Return a TCP port on which nobody listens, and which the system gives to nobody who asks for any port.

    One of its own choice it might give again, to another test's server, before ours is there.
    """
    first_of_system = int((_RANGE.read_text() if _RANGE.exists() else _USUAL_RANGE).split()[0])
    while True:
        port = _LOWEST + secrets.randbelow(first_of_system - _LOWEST)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
