"""A program in a process group of its own: how it is started, looked after and ended. Nothing here waits."""

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
"""What Python ignores, or whoever started us made us ignore, is not ignored by a program."""


class Process:
    """A running program. What it starts belongs to its group and ends with it, unless it leaves the group."""

    watchers: ClassVar[list[Callable[[int, bool], object]]] = []
    """Told of each group that begins (True), and that nobody here looks after any more (False), so that somebody who
    outlives us can end the others. One list for all, as they are children of one process."""

    _is_watched = False

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Start a program, found on the PATH, with our `descriptors` as its 0, 1, 2, … and no others.

        Raises `OSError` when it cannot be, and `ValueError` for words that no program can be told.
        """
        if os.getpid() == 1:
            bury_orphans()
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
        self._tell_watchers(there=True)

    def poll(self) -> bool:
        """Whether it has ended; `status` then says how. What it leaves running in its group is told to end, too."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # whoever started us had SIGCHLD ignored: nobody is told how children end
                pid, status = self.pid, 0
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                _CHILDREN.pop(self.pid, None)
                self.signal(signal.SIGTERM)
        return self.status is not None

    def is_gone(self) -> bool:
        """Whether it has ended, and all that it left in its group."""
        if self.poll() and not self._is_gone:
            # As process 1 of a container we inherit what it left, and nobody else would bury it.
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self.pid, os.WNOHANG)[0]:
                    pass
            self.signal(0)
        return self._is_gone

    def signal(self, number: int) -> None:
        """Send a signal to all of its group."""
        if self._is_gone:  # for good: the number may be another group's by now
            return
        try:
            os.killpg(self.pid, number)
        except OSError:
            self._is_gone = self.status is not None
            if self._is_gone:
                self.let_go()

    def let_go(self) -> None:
        """Look after its group no more. Twice is fine."""
        if self._is_watched:
            self._is_watched = False
            self._tell_watchers(there=False)

    def _tell_watchers(self, *, there: bool) -> None:
        for tell in self.watchers:
            tell(self.pid, there)


@contextlib.contextmanager
def _out_of_the_way(descriptors: Sequence[int]) -> Iterator[list[int]]:
    """Yield descriptors none of which is overwritten before its turn, where each becomes its place in the list."""
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
"""The programs that have yet to be waited for."""


def bury_orphans() -> None:
    """As process 1 of a container, wait for what programs left behind and nobody else waits for."""
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
    """Say why a program could not be started, and what may be behind it."""
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
    """Return what a non-blocking descriptor has, b"" at its end, None when there is nothing now."""
    try:
        return os.read(descriptor, most_bytes)
    except BlockingIOError:
        return None
    except OSError:
        return b""
