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
from typing import Final

from audiosocket_cli.call.bots.process import Process, how_it_ended, read_now, why_not_run

_KEPT_BYTES: Final = 4096

_PIPE_BYTES: Final = 1 << 20
"""The most that a pipe can hold (Linux lets a program enlarge it to this)."""

_FIRST_LOOK_S: Final = 0.001
_LOOK_S: Final = 0.05
"""The polling interval of a command, in seconds. It also bounds how fast a flood on its standard error is read."""

_DEATH_TIMEOUT_S: Final = 1.0


async def run_hook(words: Sequence[str], facts: Mapping[str, str], timeout_s: float) -> str | None:
    """Run a program with facts as its environment variables; returns why it failed, or None.

    Its standard input is empty; the reason includes the last line of its standard error. It is killed after
    `timeout_s`, or when this is cancelled. In any case its process group is ended, too.
    """
    try:
        hook = _Hook(words, facts)
    except OSError as error:
        return f"cannot run {words[0]}: {why_not_run(words[0], error)}"
    except ValueError as error:
        return f"cannot run {words[0]}: {error}"
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
        return f"{words[0]} took longer than {timeout_s:g} s and {outcome}"
    status = hook.process.status
    return f"{words[0]} {how_it_ended(status)}{_last_line(hook.errors)}" if status else None


async def _wait_for_end(hook: _Hook, timeout_s: float) -> bool:
    pause_s = _FIRST_LOOK_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not hook.poll():
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LOOK_S)
    return hook.process.status is not None


class _Hook:
    """A running command without input, of whose standard error only the end is kept."""

    def __init__(self, words: Sequence[str], facts: Mapping[str, str]) -> None:
        """Start it, found on the PATH. Raises `OSError`, or `ValueError` for what no program can be told."""
        self.errors = bytearray()
        """The last of what it wrote to its standard error."""
        self._stderr, stderr = os.pipe()
        os.set_blocking(self._stderr, False)
        nowhere = os.open(os.devnull, os.O_RDWR)
        try:
            self.process = Process(words, {**os.environ, **facts}, [nowhere, nowhere, stderr])
        except (OSError, ValueError):
            os.close(self._stderr)
            raise
        finally:
            os.close(stderr)
            os.close(nowhere)

    def poll(self) -> bool:
        """Whether it has ended, as of `Process`, after another look at its errors."""
        ended = self.process.poll()
        self.errors += read_now(self._stderr, _PIPE_BYTES) or b""
        del self.errors[:-_KEPT_BYTES]
        return ended

    def close(self) -> None:
        """Read its errors no more."""
        os.close(self._stderr)
        self.process.release()


def _last_line(data: bytes | bytearray) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
