"""The process of an Asterisk as the kernel shows it in /proc: its TCP connections, and the processor time of its
threads. It is looked at twice, a second apart: what stands still or grows is seen only so."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.place import MAX_SECONDS, CannotRunError, Place

APART_S: Final = 1.0

LISTEN: Final = "LISTEN"
ESTABLISHED: Final = "ESTABLISHED"
CLOSE_WAIT: Final = "CLOSE-WAIT"

_STATES: Final = {"01": ESTABLISHED, "08": CLOSE_WAIT, "0A": LISTEN}
"""`include/net/tcp_states.h`; the others pass."""

_MARK: Final = "-- second look --"

_SCRIPT: Final = f"""
look() {{
  cat /proc/$1/net/tcp /proc/$1/net/tcp6 2>/dev/null
  for fd in /proc/$1/fd/*; do readlink "$fd"; done 2>/dev/null
  cat /proc/$1/task/*/stat 2>/dev/null
}}
[ -r /proc/$1/stat ] || exit 9
look "$1"; sleep {APART_S:g}; echo '{_MARK}'; look "$1"
"""
"""Looks twice at process $1, for a container that only a shell reaches."""


class Connection(NamedTuple):
    """One TCP socket of the process, or one of another's that is its other end."""

    inode: int
    local: tuple[str, int]
    remote: tuple[str, int]
    state: str
    unsent_bytes: int
    """What the other side has not taken yet (Send-Q)."""
    unread_bytes: int
    """What this side has not read yet (Recv-Q)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look."""

    sockets: tuple[Connection, ...]
    """All TCP sockets of the network that the process is in."""
    own: frozenset[int]
    """The inodes of those that are the process's; empty where they cannot be seen."""
    ticks: dict[int, int]
    """The processor time of each thread, in ticks of 10 ms."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """Two looks at one process, `APART_S` apart."""

    pid: int
    first: Snapshot
    second: Snapshot
    apart_s: float = APART_S
    """What was really between them."""

    @property
    def sees_its_sockets(self) -> bool:
        """Whether its sockets could be told from other processes': that takes root, or its own user."""
        return bool(self.second.own)

    def busiest_thread(self) -> float:
        """Return the share of a processor that the busiest thread took in between."""
        grown = (ticks - self.first.ticks.get(thread, ticks) for thread, ticks in self.second.ticks.items())
        return max(grown, default=0) / os.sysconf("SC_CLK_TCK") / self.apart_s


async def view_process(cli: AsteriskCli) -> ProcessView:
    """Look at the process of an Asterisk that answers. Raises `NoAnswerError`."""
    pid = pid_here(cli.place, await _control_socket(cli))
    if pid is not None:
        began_s, first = time.monotonic(), _look_here(pid)
        await asyncio.sleep(APART_S)
        apart_s = time.monotonic() - began_s  # on a busy machine more than asked for
        return ProcessView(pid, first, _look_here(pid), apart_s)
    if cli.place.root is not None:
        raise NoAnswerError("which process it is cannot be seen from here")
    return await _view_there(cli)


async def _control_socket(cli: AsteriskCli) -> str:
    """Return the control socket's path. `core show settings` names its folder since 20; older ones keep their PID file
    there too."""
    try:
        folder = await cli.folder("Run/Sockets directory")
    except NoAnswerError:
        folder = os.path.dirname(await cli.folder("PID file"))
    return f"{folder}/asterisk.ctl"


def pid_here(place: Place, control_socket: str) -> int | None:
    """Return the number that the process which listens at a control socket has on this machine, or None.

    Whoever connects is told (SO_PEERCRED), whatever container or chroot it is in.
    """
    path = place.path(control_socket)
    if path is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    pid: int = struct.unpack("3i", credentials)[0]
    return pid if pid > 0 and Path(f"/proc/{pid}/stat").exists() else None


def _look_here(pid: int) -> Snapshot:
    process = Path(f"/proc/{pid}")
    tables = [_read(process / "net" / name) for name in ("tcp", "tcp6")]
    stats = [_read(path) for path in process.glob("task/*/stat")]
    return snapshot_of([*"\n".join([*tables, *stats]).splitlines(), *_links(process / "fd")])


def sockets_here() -> Sequence[Connection]:
    """Return the TCP sockets of this machine or container; nothing where its system does not tell."""
    tables = [_read(Path("/proc/net", name)) for name in ("tcp", "tcp6")]
    return snapshot_of("\n".join(tables).splitlines()).sockets


def _links(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(folder / name)
        except OSError:  # closed in between
            continue


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


async def _view_there(cli: AsteriskCli) -> ProcessView:
    place, pid_file = cli.place, await cli.folder("PID file")
    pid = (await place.read(pid_file) or "").strip()
    if not pid.isdigit():
        raise NoAnswerError(f"its process number cannot be read from {pid_file} there")
    try:
        done = await place.run("sh", "-c", _SCRIPT, "sh", pid, seconds=MAX_SECONDS + APART_S)
    except CannotRunError as error:
        raise NoAnswerError(str(error)) from error
    first, mark, second = done.out.partition(f"{_MARK}\n")
    if not mark:
        raise NoAnswerError(f"/proc/{pid} cannot be read there: {done.err.strip()[:200] or 'no shell, or no /proc'}")
    return ProcessView(int(pid), snapshot_of(first.splitlines()), snapshot_of(second.splitlines()))


_SOCKET_ROW: Final = re.compile(
    r"\s*\d+: (?P<local>[0-9A-F]+:[0-9A-F]{4}) (?P<remote>[0-9A-F]+:[0-9A-F]{4}) (?P<state>[0-9A-F]{2}) "
    r"(?P<unsent>[0-9A-F]{8}):(?P<unread>[0-9A-F]{8}) \S+ \S+\s+\d+\s+\d+ (?P<inode>\d+)"
)

_OWN_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")

_THREAD: Final = re.compile(r"(?P<thread>\d+) \(.*\) \S(?: -?\d+){10} (?P<user>\d+) (?P<system>\d+) ")
"""/proc/PID/task/TID/stat: its 14th and 15th fields."""


def snapshot_of(lines: Iterable[str]) -> Snapshot:
    """Read the lines of /proc/PID/net/tcp and tcp6, of the links in /proc/PID/fd, and of /proc/PID/task/*/stat."""
    sockets, own, ticks = [], set(), {}
    for line in lines:
        if row := _SOCKET_ROW.match(line):
            if row["state"] in _STATES:
                sockets.append(_connection(row))
        elif link := _OWN_SOCKET.fullmatch(line):
            own.add(int(link[1]))
        elif thread := _THREAD.match(line):
            ticks[int(thread["thread"])] = int(thread["user"]) + int(thread["system"])
    return Snapshot(tuple(sockets), frozenset(own & {each.inode for each in sockets}), ticks)


def _connection(row: re.Match[str]) -> Connection:
    return Connection(
        int(row["inode"]), _address(row["local"]), _address(row["remote"]), _STATES[row["state"]],
        int(row["unsent"], 16), int(row["unread"], 16),
    )  # fmt: skip


def _address(text: str) -> tuple[str, int]:
    """Read `0100007F:2382`: words of 32 bits in the machine's order; an IPv4 address on an IPv6 socket is that one."""
    host, port = text.split(":")
    words = struct.pack(f"={len(host) // 8}I", *(int(host[at : at + 8], 16) for at in range(0, len(host), 8)))
    address = ipaddress.ip_address(words)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)
