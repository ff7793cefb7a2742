"""The command as a user runs it, and the real tools that some tests need."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "audiosocket_cli"]
CLOCK = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d "
"""How a line of the event log begins."""

MAX_WAIT_S = 90
"""The longest that a test waits for a line."""


def need(tool: str) -> str:
    """Return the path of a real tool; without it the test is skipped, but in CI it fails."""
    path = shutil.which(tool)
    if path is None:
        missing(f"{tool} is not installed")
    return path or ""


def missing(reason: str) -> None:
    """Skip with a reason on a user's machine; in CI nothing real may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI skips nothing")
    pytest.skip(reason)


def wait_until(is_so: Callable[[], object], told: object = "", within_s: float = MAX_WAIT_S) -> None:
    """Wait until something is so; `told` is shown where it never comes to be."""
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s, told
        time.sleep(0.01)


def run(
    *args: str | Path, stdin: bytes = b"", timeout: float = 60, on: Sequence[str] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `audiosocket` to its end as a user would, off a terminal; `on` another host if words lead there."""
    done = subprocess.run(
        [*on, *COMMAND, *map(str, args)],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, **env},
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def rest_of(process: subprocess.Popen[Any], timeout: float = 30) -> tuple[Any, Any]:
    """Wait for a process's end and return what is left of its stdout and stderr; nothing where that is no open pipe.

    After a line was read from a pipe, `communicate` forgets what the reader had read ahead with it.
    """
    said: dict[Any, Any] = {}
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe is not None and not pipe.closed]

    def read(pipe: Any) -> None:
        said[pipe] = pipe.read()

    readers = [threading.Thread(target=read, args=(pipe,), daemon=True) for pipe in pipes]
    for reader in readers:
        reader.start()
    process.wait(timeout)
    for reader, pipe in zip(readers, pipes, strict=True):
        reader.join(timeout)
        assert not reader.is_alive(), "something that it started still has its output"
        pipe.close()
    nothing = "" if process.text_mode else b""
    return said.get(process.stdout, nothing), said.get(process.stderr, nothing)


def is_running(pid: int | str) -> bool:
    """Whether a process is there and alive; a zombie that its init has not buried is dead."""
    return stat_of(pid)[:1] not in ([], ["Z"])


def children_of(pid: int) -> set[int]:
    """Return the processes that a process has started itself."""
    running = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    return {child for child in running if stat_of(child)[1:2] == [str(pid)]}


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stop a process for a moment; a worker that is stopped accepts no calls."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stat_of(pid: int | str) -> list[str]:
    """Return a process's state, parent, group, session and more, from /proc; of one that is gone, nothing."""
    try:
        return Path(f"/proc/{str(pid).strip()}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@dataclass
class Serving:
    """A running `audiosocket serve`, or another command that answers calls."""

    process: subprocess.Popen[str]
    port: int
    listening: str
    rest: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"
    told_before: list[str] = field(default_factory=list)
    """What it said on stderr before it listened."""

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def end(self, number: int = signal.SIGINT) -> tuple[int, list[str], str]:
        """Send a signal (0: none), wait, and return exit code, lines of stdout and the rest of stderr."""
        if number:
            self.process.send_signal(number)
        out, err = rest_of(self.process)
        return self.process.returncode, [*self.rest, *(out or "").splitlines()], err

    def wait_for(self, pattern: str) -> str:
        """Read stdout until a line matches; returns that line. Where none does in time, the command is killed."""
        assert self.process.stdout is not None
        limit = threading.Timer(MAX_WAIT_S, self.process.kill)
        limit.daemon = True
        limit.start()
        try:
            for line in self.process.stdout:
                self.rest.append(line.rstrip("\n"))
                if re.search(pattern, line):
                    return line.rstrip("\n")
        finally:
            limit.cancel()
        raise AssertionError(f"serve ended, or was killed after {MAX_WAIT_S} s, without {pattern!r}: {self.rest}")

    def told_in(self, beginning: str) -> str:
        """Return the first line of stderr that begins so, from the command's start; wait for it where need be."""
        for line in self.told_before:
            if line.startswith(beginning):
                return line
        assert self.process.stderr is not None
        limit = threading.Timer(MAX_WAIT_S, self.process.kill)
        limit.daemon = True
        limit.start()
        told = list(self.told_before)
        try:
            for line in self.process.stderr:
                told.append(line.rstrip("\n"))
                if line.startswith(beginning):
                    return told[-1]
        finally:
            limit.cancel()
        raise AssertionError(f"it ended, or was killed after {MAX_WAIT_S} s, and did not say {beginning!r}: {told}")

    def wait_for_end(self, uuid: str) -> dict[str, Any]:
        """Wait for a call's end and return the content of its JSON (with `serve --json` only)."""
        event = json.loads(self.wait_for(f'"event": "ended".*{uuid}'))
        call: dict[str, Any] = event["call"]
        return call


Serve = Callable[..., Serving]
"""Starts `audiosocket serve` with these options: the fixture of this name."""
