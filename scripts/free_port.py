"""A port for a server that has to be told its port before it starts."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path
from typing import Final

_LOWEST: Final = 10_000
_EACH: Final = 100
"""Ports that a process chooses from, of its own: two that choose at the same time do not choose the same one."""

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE: Final = "32768 60999"

_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on which nobody listens, and which the system gives to nobody who asks for any port.

    One of its own choice it might give again, to another test's server, before ours is there.
    """
    first_of_system = int((_RANGE.read_text() if _RANGE.exists() else _USUAL_RANGE).split()[0])
    shares = max(1, (first_of_system - _LOWEST) // _EACH)
    first = _LOWEST + os.getpid() % shares * _EACH
    while True:
        port = first + secrets.randbelow(_EACH)
        if len(_given) == _EACH:
            _given.clear()
        if port not in _given:
            _given.add(port)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
