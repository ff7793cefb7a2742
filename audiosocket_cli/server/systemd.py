"""systemd's side of a service: the sockets that it passes, and the notifications that we send.

sd_listen_fds(3) and sd_notify(3), as far as a server needs them: environment variables, descriptors from 3 on, and
datagrams. The variables are taken out of the environment and the descriptors closed on exec: they are for this process,
not for the programs that it runs.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple

from audiosocket_cli.errors import NetworkError

FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START."""

_LISTEN_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_NOTIFY_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
_MAX_DESCRIPTORS: Final = 1024


class PassedSocket(NamedTuple):
    """A listening socket that systemd has passed, and the name that its unit gave it (FileDescriptorName=)."""

    name: str
    socket: socket.socket


def passed_descriptors(environment: Mapping[str, str], pid: int) -> dict[int, str]:
    """Return the descriptors that are for this process, with their names; none for numbers that make no sense."""
    count = _number(environment.get("LISTEN_FDS"))
    if _number(environment.get("LISTEN_PID")) != pid or not 0 < count <= _MAX_DESCRIPTORS:
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return {FIRST_DESCRIPTOR + at: names[at] if at < len(names) else "" for at in range(count)}


def others_descriptors(environment: Mapping[str, str], pid: int) -> str | None:
    """Say that sockets were passed to another process, such as a shell that has started this one; None if not."""
    other = _number(environment.get("LISTEN_PID"))
    if other in (0, pid) or not _number(environment.get("LISTEN_FDS")):
        return None
    return (
        f"the sockets of LISTEN_FDS are for process {other}, and this is {pid}: they are not used; "
        "start audiosocket without a shell in between, or with exec"
    )


def take_sockets(environment: MutableMapping[str, str]) -> list[PassedSocket]:
    """Return the sockets that were passed to this process, and remove the variables that say so.

    Raises `NetworkError` for one that calls cannot be accepted on.
    """
    found = passed_descriptors(environment, os.getpid())
    for name in _LISTEN_VARIABLES:
        environment.pop(name, None)
    for descriptor in found:
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, False)
    return [PassedSocket(name, _listener(descriptor)) for descriptor, name in found.items()]


def _listener(descriptor: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        fault: str | None = (error.strerror or str(error)).lower()
    else:
        fault = _fault_of(listener)
        if fault is None:
            listener.setblocking(False)
            return listener
        listener.close()
    raise NetworkError(f"cannot listen on descriptor {descriptor} of LISTEN_FDS: {fault}")


def _fault_of(listener: socket.socket) -> str | None:
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
        return "it is not a TCP socket; in its unit, write ListenStream=PORT"
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "it is a connection, not a listening socket; in its unit, write Accept=no"
    return None


class Notifier:
    """Tells systemd how we are, where it wants to know."""

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        """`address` is that of the datagram socket in NOTIFY_SOCKET; None tells nobody."""
        self.watchdog_s = watchdog_s
        """systemd ends a service that it has not heard from for so long; None if it does not watch."""
        self._address = address and ("\0" + address[1:] if address.startswith("@") else address)
        self._status = ""

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Return the one that the environment asks for, and remove its variables."""
        address, watchdog_pid, watchdog_usec = (environment.pop(name, None) for name in _NOTIFY_VARIABLES)
        watches = _number(watchdog_usec) > 0 and _number(watchdog_pid) in (0, os.getpid())
        return cls(address or None, _number(watchdog_usec) / 1e6 if watches else None)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def notify(self, *lines: str) -> None:
        """Send lines such as READY=1 in one datagram; never waits, and nothing comes of it when nobody listens."""
        if self._address is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)

    def notify_status(self, text: str) -> None:
        """Show a line in `systemctl status`; the same again costs nothing."""
        if text != self._status:
            self._status = text
            self.notify(f"STATUS={text}")


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
