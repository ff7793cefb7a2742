"""Commands that users attach to calls: how one is run, and how its failure is reported.

We do not use asyncio's subprocesses: with uvloop one forks the whole server, 4 ms in which no call is served; without,
it waits until no process holds the command's standard error. Here one starts in a fraction of that time and is polled,
as is the program that answers a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from audiosocket_cli.call.bots.process import Process, how_it_ended, read_now, why_not_run

_KEPT_BYTES: Final = 4096

_PIPE_BYTES: Final = 1 << 20
"""The most that a pipe can hold (Linux lets a program enlarge it to this)."""

_FIRST_LOOK_S: Final = 0.001
_LOOK_S: Final = 0.05
"""The polling interval of a command, in seconds. It also bounds how fast a flood on its standard error is read."""

_READ_S: Final = 0.005
"""The interval while it writes to its standard output, most of which nobody wants: a pipe's 64 KiB each time."""

_DEATH_TIMEOUT_S: Final = 1.0


class HookResult(NamedTuple):
    """What came of a program."""

    failure: str | None
    """Why it failed, if it did."""
    output: bytes = b""
    """What it wrote to its standard output, of too much the first bytes."""


async def run_hook(words: Sequence[str], facts: Mapping[str, str], timeout_s: float) -> str | None:
    """Run a program with facts as its environment variables; returns why it failed, or None.

    Its standard input is empty, and nobody reads its standard output; the reason includes the last line of its standard
    error. It is killed after `timeout_s`, or when this is cancelled. In any case its process group is ended, too.
    """
    return (await ask_hook(words, facts, timeout_s, most_bytes=0)).failure


async def ask_hook(words: Sequence[str], facts: Mapping[str, str], timeout_s: float, *, most_bytes: int) -> HookResult:
    """Run a program as `run_hook` does, and return what it wrote to its standard output too: the first `most_bytes`."""
    try:
        hook = _Hook(words, facts, most_bytes)
    except OSError as error:
        return HookResult(f"cannot run {words[0]}: {why_not_run(words[0], error)}")
    except ValueError as error:
        return HookResult(f"cannot run {words[0]}: {error}")
    try:
        late = not await _wait_for_end(hook, timeout_s)
    finally:
        hook.process.signal(signal.SIGKILL)
        try:
            await _wait_for_end(hook, _DEATH_TIMEOUT_S)
        finally:
            hook.close()
    if late:
        outcome = "was killed" if hook.process.status is not None else "cannot be killed (is it another user's?)"
        return HookResult(f"{words[0]} took longer than {timeout_s:g} s and {outcome}")
    status = hook.process.status
    if status:
        return HookResult(f"{words[0]} {how_it_ended(status)}{_last_line(hook.errors)}")
    return HookResult(None, bytes(hook.output))


async def _wait_for_end(hook: _Hook, timeout_s: float) -> bool:
    pause_s = _FIRST_LOOK_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not hook.poll():
                await asyncio.sleep(min(pause_s, _READ_S) if hook.writes else pause_s)
                pause_s = min(2 * pause_s, _LOOK_S)
    return hook.process.status is not None


class _Hook:
    """A running command without input, of whose output the beginning is kept, and of whose errors the end."""

    def __init__(self, words: Sequence[str], facts: Mapping[str, str], most_bytes: int) -> None:
        """Start it, found on the PATH. Raises `OSError`, or `ValueError` for what no program can be told.

        Its standard output goes nowhere if `most_bytes` is 0.
        """
        self.output = bytearray()
        """The first of what it wrote to its standard output."""
        self.errors = bytearray()
        """The last of what it wrote to its standard error."""
        self.writes = False
        """Whether there was something on its standard output at the last look."""
        self._most_bytes = most_bytes
        self._stdout: int | None = None
        with contextlib.ExitStack() as unless_it_runs, contextlib.ExitStack() as passed:
            nowhere = os.open(os.devnull, os.O_RDWR)
            passed.callback(os.close, nowhere)
            self._stderr, stderr = _pipe(unless_it_runs, passed)
            stdout = nowhere
            if most_bytes:
                self._stdout, stdout = _pipe(unless_it_runs, passed)
            self.process = Process(words, {**os.environ, **facts}, [nowhere, stdout, stderr])
            unless_it_runs.pop_all()

    def poll(self) -> bool:
        """Whether it has ended, as of `Process`, after another look at its output and its errors."""
        ended = self.process.poll()
        if self._stdout is not None:
            written = read_now(self._stdout, _PIPE_BYTES) or b""
            self.writes = bool(written)
            self.output += written[: self._most_bytes - len(self.output)]
        self.errors += read_now(self._stderr, _PIPE_BYTES) or b""
        del self.errors[:-_KEPT_BYTES]
        return ended

    def close(self) -> None:
        """Read no more of it."""
        os.close(self._stderr)
        if self._stdout is not None:
            os.close(self._stdout)
        self.process.release()


def _pipe(unless_it_runs: contextlib.ExitStack, passed: contextlib.ExitStack) -> tuple[int, int]:
    """Return the end of a pipe that we read, and the other, each closed by one of these."""
    reads, writes = os.pipe()
    unless_it_runs.callback(os.close, reads)
    passed.callback(os.close, writes)
    os.set_blocking(reads, False)
    return reads, writes


def _last_line(data: bytes | bytearray) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
