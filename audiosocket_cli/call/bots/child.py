"""A program at the other end of four non-blocking descriptors: its standard streams, and its events.

Nothing here blocks or calls back: the owner looks, with each frame, at what is ready. Nearly always that is `OUTPUT`
alone, which is tried at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
from collections.abc import Mapping, Sequence
from typing import Final

from audiosocket_cli.call.bots.process import Process, read_now
from audiosocket_cli.call.bots.watch import Ready, Watch

EVENTS_FD: Final = 3
"""The descriptor for a program's events and commands. It is one digit, because `>&3` works in every shell."""

WHOLE_BYTES: Final = select.PIPE_BUF
"""In bytes: a pipe takes a write of this size whole or not at all, so no sample is ever cut."""

READ_BYTES: Final = 65536

_COMMAND_BYTES: Final = 4096

OUTPUT: Final = 1
ERRORS: Final = 2
COMMANDS: Final = 4
END: Final = 8
"""What a program may have for us: its standard output, its standard error, its commands, and how it ended."""
UNSENT: Final = 16
"""What we have for it: events that wait for `push`."""


class Child(Process):
    """A running program that is one end of a call."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], watch: Watch) -> None:
        """Start a program, found on the PATH, and have it watched. Raises `OSError` when it cannot be started."""
        self.ready = Ready(watch)
        """What is to be tried: `OUTPUT`, `ERRORS`, `COMMANDS`, `END`, `UNSENT`."""
        ours, theirs = socket.socketpair()
        self._events = ours
        self.unsent = b""
        """Events that wait for `push`."""
        self.said_bytes = 0
        """How many bytes of its standard output were read."""
        self._taken_bytes = 0
        self._is_ending = False
        self._stdin = self._stdout = self._stderr = self._end = -1
        inherited: list[int] = []
        try:
            stdin, self._stdin = os.pipe()
            inherited.append(stdin)
            self._stdout, stdout = os.pipe()
            inherited.append(stdout)
            self._stderr, stderr = os.pipe()
            inherited.append(stderr)
            environment = {**environment, "AUDIOSOCKET_EVENTS_FD": str(EVENTS_FD)}
            super().__init__(command, environment, [*inherited, theirs.fileno()])
        except OSError:
            self.close()
            raise
        finally:
            for descriptor in inherited:
                os.close(descriptor)
            theirs.close()
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._events.setblocking(False)
        with contextlib.suppress(AttributeError, OSError):  # not Linux, or none left
            self._end = os.pidfd_open(self.pid)
        self.ready.add(self._stdout, OUTPUT)
        self.ready.add(self._stderr, ERRORS)
        self.ready.add(self._events.fileno(), COMMANDS)
        self.ready.add(self._end, END)

    def poll(self) -> bool:
        has_ended = super().poll()
        if not has_ended:
            self.ready.found_nothing(END)
        return has_ended

    def write(self, data: bytes) -> int:
        """Write to its standard input without blocking. Returns the number of bytes taken, which is even if `len(data)`
        is."""
        written, size = 0, len(data)
        while written < size and self._stdin >= 0:
            try:
                written += os.write(self._stdin, data[written : written + WHOLE_BYTES])
            except BlockingIOError:
                break
            except OSError:  # it has closed its input: count the data as taken
                self._taken_bytes += written
                return size
        self._taken_bytes += written
        return written

    def end_input(self) -> None:
        """Close its standard input, which tells most programs to end. Close its events after the last one. Safe to call
        twice."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1
        self._is_ending = True
        self.push()

    def read(self) -> bytes | None:
        """Return the bytes at hand on its standard output, b"" at its end, None when there is nothing now."""
        data = self._read(self._stdout, OUTPUT, READ_BYTES)
        if data:
            self.said_bytes += len(data)
        return data

    def _read(self, descriptor: int, bit: int, most_bytes: int) -> bytes | None:
        try:
            data = os.read(descriptor, most_bytes)
        except BlockingIOError:
            self.ready.found_nothing(bit)
            return None
        except OSError:
            data = b""
        if not data:
            self.ready.found_end(bit)
        return data

    def drain(self) -> bytes:
        """Return all that its standard output holds now, but nothing written meanwhile, which might never end."""
        data = read_now(self._stdout, _bytes_in(self._stdout)) or b""
        self.said_bytes += len(data)
        return data

    def has_read(self) -> bool:
        """Whether it has read any of its standard input; True where the system does not say."""
        return self._stdin >= 0 and _bytes_in(self._stdin) < self._taken_bytes

    def read_errors(self, most_bytes: int) -> bytes | None:
        """Return what its standard error has, as `read` does."""
        return self._read(self._stderr, ERRORS, most_bytes)

    def send(self, line: bytes) -> bool:
        """Send a line to its events descriptor, or keep it for `push`; False when it does not read them."""
        if len(self.unsent) > READ_BYTES:
            return False
        self.unsent += line
        self.push()
        return True

    def push(self) -> None:
        """Try again to send the events that did not fit; after the last of them, half-close."""
        try:
            if self.unsent:
                self.unsent = self.unsent[self._events.send(self.unsent) :]
            if self._is_ending and not self.unsent:
                self._events.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = b""  # it has closed its events: drop the rest
        self.ready.bits = self.ready.bits | UNSENT if self.unsent else self.ready.bits & ~UNSENT

    def receive(self) -> bytes:
        """Return the next bytes that it wrote to its events descriptor; b"" for none."""
        return self._read(self._events.fileno(), COMMANDS, _COMMAND_BYTES) or b""

    def close(self) -> None:
        """Close our ends. Safe to call twice."""
        self.end_input()
        self.ready.close()
        for descriptor in (self._stdout, self._stderr, self._end):
            if descriptor >= 0:
                os.close(descriptor)
        self._stdout = self._stderr = self._end = -1
        self._events.close()
        self.release()


def _bytes_in(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
