"""A port for a server that has to be told its port before it starts."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from functools import cache
from pathlib import Path
from typing import Final

_LOWEST: Final = 10_000
_EACH: Final = 100
"""Ports that a process chooses from, of its own: two that choose at the same time do not choose the same one. The first
of them says that they are taken."""

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE: Final = "32768 60999"

_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on which nobody listens, and which the system gives to nobody who asks for any port.

    One of its own choice it might give again, to another test's server, before ours is there.
    """
    first = _share()
    while True:
        port = first + 1 + secrets.randbelow(_EACH - 1)
        if len(_given) == _EACH - 1:
            _given.clear()
        if port not in _given:
            _given.add(port)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port


@cache
def _share() -> int:
    """Return the first port of a share that is this process's alone: it listens there, for as long as it lives."""
    first_of_system = int((_RANGE.read_text() if _RANGE.exists() else _USUAL_RANGE).split()[0])
    shares = max(1, (first_of_system - _LOWEST) // _EACH)
    for number in range(shares):
        first = _LOWEST + (os.getpid() + number) % shares * _EACH
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", first)).detach()
            return first
    raise RuntimeError("other processes have all ports that tests choose from")
