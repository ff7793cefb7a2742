"""Starting a server as systemd does: with listening sockets from descriptor 3 on, and a socket to tell how it is."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.running import COMMAND

_PASS = """
import fcntl, os, sys
numbers = [int(number) for number in sys.argv[1].split(",")]
given = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers]
for number in numbers:
    os.close(number)
for at, number in enumerate(given):
    os.dup2(number, 3 + at)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def start_activated(
    sockets: Sequence[socket.socket], *args: str | Path, cwd: Path, names: str = "", **env: str
) -> subprocess.Popen[str]:
    """Start `audiosocket` with these sockets, as systemd does: LISTEN_PID, LISTEN_FDS and, if given, LISTEN_FDNAMES."""
    numbers = [listener.fileno() for listener in sockets]
    words = [sys.executable, "-c", _PASS, ",".join(map(str, numbers)), *COMMAND, *map(str, args)]
    return subprocess.Popen(
        words, pass_fds=numbers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        env={**os.environ, **({"LISTEN_FDNAMES": names} if names else {}), **env},
    )  # fmt: skip


class Manager:
    """What hears a service's notifications: systemd's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)

    def hear(self) -> list[str]:
        """Take what has been told so far, and return all of it."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.told += self._socket.recv(4096).decode().splitlines()
        return self.told

    def wait_for(self, line: str, timeout_s: float = 30) -> None:
        """Wait until a line that begins so has been told, after the last of its kind that was waited for."""
        give_up_s = time.monotonic() + timeout_s
        while not any(one.startswith(line) for one in self.hear()):
            assert time.monotonic() < give_up_s, (line, self.told)
        at = next(at for at, one in enumerate(self.told) if one.startswith(line))
        del self.told[: at + 1]

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def managed(folder: Path) -> Iterator[Manager]:
    manager = Manager(folder / "notify")
    try:
        yield manager
    finally:
        manager.close()
