"""Commands that users hang onto calls: how one is run, and what is known when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

_KEPT_BYTES: Final = 4096


async def run_hook(words: Sequence[str], facts: Mapping[str, str], timeout_s: float) -> str | None:
    """Run a program with facts as its environment variables; returns why it failed, or None.

    It has nothing to read; of its standard error the last line is part of the reason. One that takes longer than
    `timeout_s` is killed, with all that it started; so is one that is cancelled.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **facts},
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot run {words[0]}: {(error.strerror or str(error)).lower()}"
    assert process.stderr is not None
    last = bytearray()
    reader = asyncio.create_task(_keep_last(process.stderr, last), name="standard error of a hook")
    try:
        async with asyncio.timeout(timeout_s):
            status = await process.wait()
            await asyncio.wait([reader], timeout=0.1)  # what it left running may keep the stream open
    except TimeoutError:
        return f"{words[0]} took longer than {timeout_s:g} s and was killed"
    finally:
        reader.cancel()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    return f"{words[0]} {_how(status)}{_last_line(last)}" if status else None


async def _keep_last(stream: asyncio.StreamReader, last: bytearray) -> None:
    while data := await stream.read(_KEPT_BYTES):
        last += data
        del last[:-_KEPT_BYTES]


def _how(status: int) -> str:
    if status > 0:
        return f"exited with code {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"


def _last_line(data: bytes | bytearray) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
