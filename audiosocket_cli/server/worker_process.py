"""A worker, seen from the command that started it: its process, what it writes, whether it lives, and its end.

Its end is taken from the process itself: programs that it left behind may keep its pipes open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from audiosocket_cli.call.bots.process import Process, how_it_ended
from audiosocket_cli.net.channel import LineReader

CHANNEL_FD: Final = 3
SHARED_FD: Final = 4
LISTENING_FD: Final = 5
"""Where a worker finds its channel, the numbers that all share, and the first socket that calls come to."""

LOOK_S: Final = 1.0
"""Seconds between checks of a worker. Its silence is counted in checks, not seconds: if all processes stop together (a
closed laptop, a frozen container), no worker counts as silent."""

_START_LOOKS: Final = 60
_EXIT_LOOKS: Final = 10
"""How long a process may take to end after it has sent its totals."""

_KILLED_LOOKS: Final = 5
"""How long SIGKILL may take; a process that waits for a dead disk does not end even by that."""

_EXIT_LOOK_S: Final = 0.01
_TERM_S: Final = 2.0


class WorkerProcess:
    """One process that answers calls."""

    def __init__(
        self, number: int, command: Sequence[str], shared: int, listening: Sequence[socket.socket], *,
        take: Callable[[WorkerProcess, str], object], put: Callable[[str], object], complain: Callable[[str], object],
    ) -> None:  # fmt: skip
        """Start it. `take` gets the lines of its channel, `put` those of its log, `complain` what it complains of."""
        self.number = number
        self.is_ready = False
        self.has_told_totals = False
        self.is_dismissed = False
        self.programs: set[int] = set()
        """The process groups of programs that it runs."""
        self._beats = 0
        self._has_beaten = False
        self._silent_looks = 0
        self._looks_left: int | None = None
        self._is_killed = False
        self._complain = complain
        self._wake = asyncio.Event()
        # It is tried again when there are too few descriptors: nothing may stay open each time.
        with contextlib.ExitStack() as unless_it_runs, contextlib.ExitStack() as passed:
            given, ours = [os.open(os.devnull, os.O_RDONLY)], []
            passed.callback(os.close, given[0])
            for _ in ("stdout", "stderr"):
                reads, writes = os.pipe()
                unless_it_runs.callback(os.close, reads)
                passed.callback(os.close, writes)
                ours.append(reads)
                given.append(writes)
            self._channel, theirs = socket.socketpair()
            unless_it_runs.callback(self._channel.close)
            passed.callback(theirs.close)
            told = os.dup(self._channel.fileno())
            unless_it_runs.callback(os.close, told)
            given += [theirs.fileno(), shared, *(one.fileno() for one in listening)]
            self.process = Process(command, os.environ, given)
            unless_it_runs.pop_all()
        self._channel.setblocking(False)
        out, err = ours
        self._readers = [
            LineReader(told, lambda line: take(self, line), self._wake.set, whole=True),
            LineReader(out, put, self._wake.set),
            LineReader(err, complain, self._wake.set),
        ]

    @property
    def name(self) -> str:
        """Its name in the log."""
        return f"worker {self.number + 1} (process {self.process.pid})"

    @property
    def how_it_ended(self) -> str:
        """Its end in words."""
        return how_it_ended(self.process.status) if self.process.status is not None else "cannot be killed"

    def send(self, what: dict[str, Any]) -> None:
        """Send it a line; dropped if its channel is full."""
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps(what).encode() + b"\n")

    async def wait(self, beats: Callable[[], int], patience: Callable[[], int]) -> None:
        """Wait until its process has ended; kill it once its heartbeat stops.

        `beats` returns a number that grows with each sign of life, `patience` how many looks may pass without.
        """
        next_look_s = time.monotonic() + LOOK_S
        while not self.process.poll():
            if time.monotonic() >= next_look_s:
                next_look_s = time.monotonic() + LOOK_S
                if not self._look(beats(), patience()):
                    break
            self._wake.clear()
            pause_s = next_look_s - time.monotonic()
            if all(reader.is_closed for reader in self._readers):  # it is about to end
                await asyncio.sleep(min(_EXIT_LOOK_S, max(0.0, pause_s)))
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, pause_s))
        for reader in self._readers:
            reader.close()
        self._channel.close()

    def end_within(self, seconds: float, number: int = 0) -> None:
        """Kill it unless it has ended by then; send it a signal first, if one is said."""
        if number:
            self.process.signal(number)
        looks = round(seconds / LOOK_S)
        self._looks_left = looks if self._looks_left is None else min(looks, self._looks_left)

    def _look(self, beats: int, patience: int) -> bool:
        """Check its heartbeat, and kill it if it has stopped; False if it cannot be killed."""
        self._has_beaten |= beats != self._beats
        self._silent_looks = 0 if beats != self._beats else self._silent_looks + 1
        self._beats = beats
        if self._looks_left is not None:
            self._looks_left -= 1
        if self._is_killed:
            return self._looks_left is None or self._looks_left > 0
        most = _EXIT_LOOKS if self.has_told_totals else patience if self._has_beaten else _START_LOOKS
        if self._silent_looks >= most:
            self._kill(f"has not responded for {most * LOOK_S:g} s")
        elif self._looks_left is not None and self._looks_left <= 0:
            self._kill("does not end")
        return True

    def _kill(self, why: str) -> None:
        self._complain(f"{self.name} {why}: it is killed")
        self.process.signal(signal.SIGKILL)
        self._is_killed = True
        self._looks_left = _KILLED_LOOKS


async def end_programs(groups: set[int]) -> None:
    """End the programs of a dead worker: their calls are lost, and nobody else would end them."""
    until_s = time.monotonic() + _TERM_S
    groups = {group for group in groups if _signal(group, signal.SIGTERM)}
    try:
        while groups and time.monotonic() < until_s:
            await asyncio.sleep(_EXIT_LOOK_S * 5)
            groups = {group for group in groups if _signal(group, 0)}  # a group that is gone does not come back
    finally:
        for group in groups:
            _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True
