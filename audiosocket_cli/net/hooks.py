"""Commands that users hang onto calls: how one is run, and what is known when it fails.

No subprocess of asyncio's: with uvloop it forks all of the server, 4 ms a time in which no call is heard, and without,
it waits for whoever else holds the command's standard error. One is started here in a fraction of that, and looked
after from time to time, as is the program that answers a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

_KEPT_BYTES: Final = 4096

_PIPE_BYTES: Final = 1 << 20
"""The most that a pipe can hold (Linux lets a program enlarge it to this)."""

_FIRST_LOOK_S: Final = 0.001
_LOOK_S: Final = 0.05
"""How often one is looked at that takes its time. It bounds, too, how fast one that floods its standard error is read.
"""

_DEATH_TIMEOUT_S: Final = 1.0


async def run_hook(words: Sequence[str], facts: Mapping[str, str], timeout_s: float) -> str | None:
    """Run a program with facts as its environment variables; returns why it failed, or None.

    It has nothing to read; of its standard error the last line is part of the reason. One that takes longer than
    `timeout_s` is killed; so is one that is cancelled, and, however it ends, what it has left running in its session.
    """
    try:
        hook = _Hook(words, facts)
    except (OSError, ValueError) as error:
        return f"cannot run {words[0]}: {(getattr(error, 'strerror', None) or str(error)).lower()}"
    try:
        late = not await _wait_for_end(hook, timeout_s)
    finally:
        hook.kill()
        try:
            await _wait_for_end(hook, _DEATH_TIMEOUT_S)
        finally:
            hook.close()
    if late:
        outcome = "was killed" if hook.status is not None else "cannot be killed (is it another user's?)"
        return f"{words[0]} took longer than {timeout_s:g} s and {outcome}"
    return f"{words[0]} {_how(hook.status)}{_last_line(hook.errors)}" if hook.status else None


async def _wait_for_end(hook: _Hook, timeout_s: float) -> bool:
    pause_s = _FIRST_LOOK_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not hook.poll():
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LOOK_S)
    return hook.status is not None


class _Hook:
    """A running command in a session of its own: no terminal to ask on, no Ctrl-C from ours."""

    def __init__(self, words: Sequence[str], facts: Mapping[str, str]) -> None:
        """Start it, found on the PATH. Raises `OSError`, or `ValueError` for what no program can be told."""
        self.status: int | None = None
        """How it ended: its exit code, or minus the number of the signal that killed it."""
        self.errors = bytearray()
        """The last of what it wrote to its standard error."""
        self._stderr, stderr = os.pipe()
        try:
            self._pid = os.posix_spawnp(
                words[0],
                list(words),
                {**os.environ, **facts},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, stderr, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP],
            )
        except (OSError, ValueError):
            self.close()
            raise
        finally:
            os.close(stderr)
        os.set_blocking(self._stderr, False)

    def poll(self) -> bool:
        """Whether it has ended; `status` then says how."""
        if self.status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            self._read_errors()
        return self.status is not None

    def kill(self) -> None:
        """End it now, with all that it started. Twice is fine."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Read its errors no more."""
        os.close(self._stderr)

    def _read_errors(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.errors += os.read(self._stderr, _PIPE_BYTES)
            del self.errors[:-_KEPT_BYTES]


def _how(status: int) -> str:
    if status > 0:
        return f"exited with code {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"


def _last_line(data: bytes | bytearray) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
