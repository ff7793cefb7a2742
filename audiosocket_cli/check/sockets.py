"""What this machine's kernel says of a server: the state of its end of a connection, and what its processes hold."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_STATES: Final = {1: "ESTABLISHED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 8: "CLOSE-WAIT", 9: "LAST-ACK"}

_LISTEN: Final = "0A"

CLOSE_WAIT: Final = "CLOSE-WAIT"
"""The caller has closed, and the server has not."""


class Held(NamedTuple):
    """What processes hold."""

    descriptors: int
    threads: int
    rss_kib: int


def state_of(local: Any, remote: Any) -> str | None:
    """Return the state of the end `local` of a connection by its addresses as sockets give them; None where this
    machine knows no such end."""
    wanted = (_address(local), _address(remote))
    for fields in _connections():
        if (_parsed(fields[1]), _parsed(fields[2])) == wanted:
            return _STATES.get(int(fields[3], 16), fields[3])
    return None


def knows_sockets() -> bool:
    """Whether this machine's kernel tells of its sockets."""
    return Path("/proc/net/tcp").exists()


def is_listening(port: int) -> bool:
    """Whether this machine's kernel knows a socket that listens on a port."""
    return any(fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port for fields in _connections())


def held_by(pids: Sequence[int]) -> Held | None:
    """Return what processes hold together; None where none of them can be looked at."""
    found = [held for pid in pids if (held := _held(Path("/proc", str(pid)))) is not None]
    return Held(*map(sum, zip(*found, strict=True))) if found else None


def group_of(pid: int) -> list[int]:
    """Return the processes of a process group: a server and what it started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pid:
            found.append(int(path.parent.name))
    return found


def _connections() -> Iterator[list[str]]:
    """Yield the fields of each TCP socket of this machine: number, local and remote address, state."""
    for name in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        yield from map(str.split, lines)


def _held(folder: Path) -> Held | None:
    try:
        words = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        return Held(len(os.listdir(folder / "fd")), int(words["Threads"]), int(words.get("VmRSS", "0").split()[0]))
    except (OSError, KeyError, ValueError):
        return None


def _address(sockaddr: Any) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    return _unmapped(ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])), int(sockaddr[1])


def _parsed(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Read an address as /proc/net/tcp has it: words of the machine's byte order."""
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return _unmapped(ipaddress.ip_address(raw)), int(port, 16)


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address
