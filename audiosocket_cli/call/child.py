"""A child process at the other end of four non-blocking descriptors: how it is started, talked to and ended.

Nothing here waits, and nothing is told: whoever has a child looks after it from time to time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Final

EVENTS_FD: Final = 3
"""The descriptor that a program's events and commands go over. One digit: `>&3` works in every shell."""

WHOLE_BYTES: Final = select.PIPE_BUF
"""A write of at most this much to a pipe goes whole or not at all, so that no sample is ever cut."""

MOST_DRAINED_BYTES: Final = 1 << 20
"""The most that a pipe can hold (Linux lets a program enlarge it to this)."""

READ_BYTES: Final = 65536


class Child:
    """A running program. Its own process group, so that what it starts ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program, found on the PATH. Raises `OSError` when it cannot be."""
        ours, theirs = socket.socketpair()
        stdin, self._stdin = os.pipe()
        self._stdout, stdout = os.pipe()
        self._stderr, stderr = os.pipe()
        self._events = ours
        self._unsent = b""
        self.status: int | None = None
        """How it ended: its exit code, or minus the number of the signal that killed it."""
        inherited = (stdin, stdout, stderr, theirs.fileno())
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                {**environment, "AUDIOSOCKET_EVENTS_FD": str(EVENTS_FD)},
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, number) for number, ours in enumerate(inherited)],
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGHUP],
            )
        except OSError:
            self.close()
            raise
        finally:
            for descriptor in inherited[:3]:
                os.close(descriptor)
            theirs.close()
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._events.setblocking(False)

    def poll(self) -> bool:
        """Whether it has ended; `status` then says how. What it leaves running in its group is told to end, too."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.signal(signal.SIGTERM)
        return self.status is not None

    def is_gone(self) -> bool:
        """Whether it has ended, and all that it left in its group."""
        if not self.poll():
            return False
        try:
            os.killpg(self.pid, 0)
        except OSError:
            return True
        return False

    def signal(self, number: int) -> None:
        """Send a signal to all of its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def write(self, data: bytes) -> int:
        """Write to its standard input; returns how many bytes it had room for, an even number if `data` is even."""
        written = 0
        while written < len(data) and self._stdin >= 0:
            try:
                written += os.write(self._stdin, data[written : written + WHOLE_BYTES])
            except BlockingIOError:
                break
            except OSError:  # it has closed it: nobody there to miss anything
                return len(data)
        return written

    def end_input(self) -> None:
        """Close its standard input, which tells most programs to end. Twice is fine."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def read(self) -> bytes | None:
        """Return what its standard output has, b"" when that has ended, None when there is nothing now."""
        return _read(self._stdout, READ_BYTES)

    def drain(self) -> bytes:
        """Return all that its standard output has by now."""
        parts = []
        size = 0
        while size < MOST_DRAINED_BYTES and (data := self.read()):
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def read_errors(self, most_bytes: int) -> bytes | None:
        """Return what its standard error has, as `read` does."""
        return _read(self._stderr, most_bytes)

    def send(self, line: bytes) -> bool:
        """Send a line to its events descriptor; False when it does not read them."""
        if len(self._unsent) > READ_BYTES:
            return False
        self._unsent += line
        try:
            self._unsent = self._unsent[self._events.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # it has closed them: nobody there to miss anything
        return True

    def receive(self) -> bytes:
        """Return what it wrote to its events descriptor since the last time."""
        try:
            return self._events.recv(READ_BYTES)
        except OSError:
            return b""

    def close(self) -> None:
        """Close our ends. Twice is fine."""
        self.end_input()
        for name in ("_stdout", "_stderr"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)
        self._events.close()


def _read(descriptor: int, most_bytes: int) -> bytes | None:
    try:
        return os.read(descriptor, most_bytes)
    except BlockingIOError:
        return None
    except OSError:
        return b""
