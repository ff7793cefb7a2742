"""A program in its own process group: starting, polling and ending it. Nothing here blocks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final

_RESET_SIGNALS: Final = [
    signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGXFSZ, signal.SIGCHLD
]  # fmt: skip
"""Signals that Python ignores, or that were ignored when we started: a program gets their defaults."""


class Process:
    """A running program. The processes it starts belong to its group and end with it, unless they leave the group."""

    watchers: ClassVar[list[Callable[[int, bool], object]]] = []
    """Called with each process group: True when it begins, False when nobody here watches it any more. So another
    process can end the groups of one that died. One list for all, because they are children of one process."""

    _is_watched = False

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Start a program, found on the PATH, with our `descriptors` as its 0, 1, 2, … and no others.

        Raises `OSError` when it cannot be started, and `ValueError` for arguments that no program can take, such as one
        with a NUL.
        """
        if os.getpid() == 1:
            reap_orphans()
        self.status: int | None = None
        """How it ended: its exit code, or minus the number of the signal that killed it."""
        self._is_gone = False
        with _out_of_the_way(descriptors) as given:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, number) for number, ours in enumerate(given)],
                setsid=True,  # its own group, too; and no terminal to ask on, no Ctrl-C from ours
                setsigmask=[],
                setsigdef=_RESET_SIGNALS,
            )
        self._is_watched = True
        _CHILDREN[self.pid] = self
        self._notify_watchers(there=True)

    def poll(self) -> bool:
        """Whether it has ended; `status` then says how. The rest of its group is then told to end, too."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # our parent had SIGCHLD ignored: the exit status is lost
                pid, status = self.pid, 0
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                _CHILDREN.pop(self.pid, None)
                self.signal(signal.SIGTERM)
        return self.status is not None

    def is_gone(self) -> bool:
        """Whether it and all processes of its group have ended."""
        if self.poll() and not self._is_gone:
            # As process 1 of a container we inherit its orphans, and nobody else would reap them.
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self.pid, os.WNOHANG)[0]:
                    pass
            self.signal(0)
        return self._is_gone

    def signal(self, number: int) -> None:
        """Send a signal to its group."""
        if self._is_gone:  # for good: the number may be another group's by now
            return
        try:
            os.killpg(self.pid, number)
        except OSError:
            self._is_gone = self.status is not None
            if self._is_gone:
                self.release()

    def release(self) -> None:
        """Look after its group no more. Safe to call twice."""
        if self._is_watched:
            self._is_watched = False
            self._notify_watchers(there=False)

    def _notify_watchers(self, *, there: bool) -> None:
        for tell in self.watchers:
            tell(self.pid, there)


@contextlib.contextmanager
def _out_of_the_way(descriptors: Sequence[int]) -> Iterator[list[int]]:
    """Yield the descriptors, some as copies with higher numbers, so that `dup2` to 0, 1, 2, … overwrites none before
    its turn."""
    given, copies = list(descriptors), []
    try:
        for number, ours in enumerate(descriptors):
            if ours < number:
                given[number] = fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, len(given))
                copies.append(given[number])
        yield given
    finally:
        for copy in copies:
            os.close(copy)


_CHILDREN: Final[dict[int, Process]] = {}
"""The programs that have not been waited for yet, by process number."""


def reap_orphans() -> None:
    """As process 1 of a container, reap the processes that programs left and nobody else waits for."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None:
            return
        child = _CHILDREN.get(found.si_pid)
        if child is not None:
            child.poll()
        else:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(found.si_pid, os.WNOHANG)


def how_it_ended(status: int | None) -> str:
    """Return a process's status in words: "exited with code 1", "was killed by SIGTERM"."""
    if status is None:
        return "ended"
    return f"exited with code {status}" if status >= 0 else f"was killed by {signal_name(-status)}"


def why_not_run(program: str, error: OSError) -> str:
    """Return why a program could not be started, and the likely cause."""
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ENOENT and shutil.which(program):
        return f"{reason}: the interpreter that its first line names (does the line end in CR LF?)"
    return f"{reason} (does it begin with a line like #!/bin/sh?)" if error.errno == errno.ENOEXEC else reason


def signal_name(number: int) -> str:
    """Return SIGTERM for 15."""
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no name
        return f"signal {number}"


def read_now(descriptor: int, most_bytes: int) -> bytes | None:
    """Return the bytes at hand on a non-blocking descriptor, b"" at its end, None when there is nothing now."""
    try:
        return os.read(descriptor, most_bytes)
    except BlockingIOError:
        return None
    except OSError:
        return b""
