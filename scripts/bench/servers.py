"""Servers and callers, each on its core."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from free_port import free_port

from bench.heard import Heard
from bench.kernel import wait_until_quiet

SERVE = [sys.executable, "-P", "-m", "audiosocket_cli", "serve", "--listen", "127.0.0.1:0"]

COMPILED = "compiled"
"""The name of ours where it is compiled."""

STARTS_A_SECOND = 500
START_TIMEOUT_S = 30.0
PRIORITY = 5
"""Of servers and callers, where we may: other load of the machine shall not be measured."""

SPREADS = ("random", "clumps", "even")
"""When callers speak."""

GROWTH_CALLS = (100, 200, 500, 1000, 2000)
MEMORY_CALLS = (100, 1000)
OUTBOX_S = (60.0, 10.0)


class BenchError(Exception):
    """Why something cannot be measured, in one line."""


@dataclass
class Bench:
    """What all measurements share."""

    loops: Path
    folder: Path
    calls: int
    seconds: float
    runs: int
    server_core: int
    callers_core: int
    settle_s: float
    """From the last call's begin until its first second, which is dearer, is over."""
    spreads: Sequence[str] = SPREADS
    lengths_s: Sequence[float] = (2.0, 8.0)
    growth_calls: Sequence[int] = GROWTH_CALLS
    memory_calls: Sequence[int] = MEMORY_CALLS
    flat_s: float = 0.0
    megabytes: int = 1000
    """The raw capture of `walk`."""
    frames: int = 50_000
    """Of the capture of `json`."""
    indexed: int = 100_000
    """The calls of `calls`."""
    outbox_s: Sequence[float] = OUTBOX_S
    """Lengths of the calls of `outbox`."""
    quiet_s: float = 0.0
    """How long to wait, before each measurement, for a machine that does nothing else."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """Echo servers of another make."""
    compiled: Path | None = None
    """Where there is a compiled package, if that is to be measured, too."""

    def ours(self, *options: str) -> dict[str, Callable[[], list[str]]]:
        """Return our servers with these options, by name; {recordings} in one is a new folder."""
        made: dict[str, Callable[[], list[str]]] = {"ours": lambda: self._filled([*SERVE, *options])}
        if self.compiled is not None:
            where = ["env", f"PYTHONPATH={self.compiled}"]
            made[COMPILED] = lambda: self._filled([*where, *SERVE, *options])
        return made

    def _filled(self, command: list[str]) -> list[str]:
        is_used = any("{recordings}" in word for word in command)
        return [word.replace("{recordings}", str(self.recordings())) for word in command] if is_used else command

    def loop(self, mode: str, *words: str) -> list[str]:
        return [str(self.loops), mode, "0", *words]

    def wait_until_quiet(self) -> None:
        if self.quiet_s:
            wait_until_quiet((self.server_core, self.callers_core), self.quiet_s)

    def recordings(self) -> Path:
        """Return an empty folder for recordings; the last one's content is gone."""
        folder = self.folder / "recordings"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


@dataclass(frozen=True)
class Calls:
    """Calls to place: how many, for how long once all are up, and when they speak."""

    count: int
    seconds: float
    settle_s: float
    spread: str = "even"
    seed: int = 1
    starts_a_second: float = STARTS_A_SECOND


def pinned(cores: set[int], priority: int) -> Callable[[], None]:
    """Return what puts a new process on these cores, ahead of others if it may."""

    def pin() -> None:
        os.sched_setaffinity(0, cores)
        with contextlib.suppress(PermissionError):
            os.nice(-priority)

    return pin


@contextlib.contextmanager
def running(command: Sequence[str], cores: set[int]) -> Iterator[tuple[int, int]]:
    """Run a server, and return its pid and port: as it says them, or a free one that it is given for {port}."""
    given = free_port() if any("{port}" in word for word in command) else 0
    words = [word.replace("{port}", str(given)) for word in command]
    with tempfile.TemporaryFile("w+") as told:
        server = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT,
            preexec_fn=pinned(cores, PRIORITY),
        )  # fmt: skip
        try:
            yield server.pid, _listening_port(server, told.fileno(), given)
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _listening_port(server: subprocess.Popen[bytes], told: int, given: int) -> int:
    """Wait until a server listens: it says so, or can be connected to."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        text = os.pread(told, 4096, 0).decode(errors="replace")
        said = re.search(r"^(?:ready |listening on \S*?:)(\d+)", text, re.MULTILINE)
        if said:
            return int(said[1])
        if server.poll() is not None:
            raise BenchError(f"{_name(server)} did not start: {(text.strip().splitlines() or ['it said nothing'])[-1]}")
        if given:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", given), 1):
                return given
        time.sleep(0.02)
    raise BenchError(f"{_name(server)} did not listen within {START_TIMEOUT_S:g} s")


def _name(process: subprocess.Popen[bytes]) -> str:
    return shlex.join(map(str, process.args if isinstance(process.args, list) else [process.args]))


@contextlib.contextmanager
def calling(bench: Bench, port: int, calls: Calls) -> Iterator[subprocess.Popen[str]]:
    """Place calls, and go on when all are up; they are measured from `settle_s` later until the first one ends."""
    command = [
        bench.loops, "callers", "127.0.0.1", port, calls.count, calls.seconds, calls.starts_a_second, calls.settle_s,
        calls.spread, calls.seed,
    ]  # fmt: skip
    callers = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=pinned({bench.callers_core}, PRIORITY),
    )  # fmt: skip
    try:
        assert callers.stdout is not None
        assert callers.stderr is not None
        if callers.stdout.readline() != "ready\n":
            raise BenchError(f"{calls.count} calls could not be placed: {callers.stderr.read().strip()}")
        yield callers
    finally:
        callers.kill()
        callers.communicate()


def heard_by(callers: subprocess.Popen[str], calls: Calls) -> Heard:
    """Wait for the end of all calls, and return what callers saw. Raises `BenchError`."""
    said, why = callers.communicate(timeout=60 + calls.seconds)
    if callers.returncode:
        raise BenchError(f"the callers ended with code {callers.returncode}: {why.strip()}")
    return Heard(json.loads(said))
