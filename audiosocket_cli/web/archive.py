"""Calls that have ended: asked of a process of their own, so that no call waits while a folder is read or a page made.

That process starts when it is first needed, has a low priority, and ends with ours. It answers one question at a time;
one that takes too long is given up, and the process with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

MAX_ANSWER_BYTES: Final = 64 << 20
"""The page of a call of hours, without its sound."""

_TIMEOUT_S: Final = 120.0
_MAX_WAITING: Final = 16
"""Questions that may wait."""

_MAX_KEPT_BYTES: Final = 16 << 20
_MAX_HEAD_BYTES: Final = 1 << 16


class ArchiveError(Exception):
    """There is no answer; `status` is that of HTTP."""

    def __init__(self, text: str, status: int = 503) -> None:
        super().__init__(text)
        self.status = status


class Told(NamedTuple):
    """An answer: facts, and bytes where there are some."""

    facts: Mapping[str, Any]
    body: bytes


class Archive:
    """Asks the process. For one loop."""

    def __init__(self, folder: Path, say: Callable[[str], object], *, timeout_s: float = _TIMEOUT_S) -> None:
        """`folder` is where calls are recorded; `say` gets lines on what is not as usual there."""
        self.folder = folder
        self._say = say
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._kept: OrderedDict[str, Told] = OrderedDict()
        """Answers that can be given again while the files are the same."""

    async def ask(self, what: str, **facts: Any) -> Told:
        """Ask for something. Raises `ArchiveError`."""
        if self._waiting >= _MAX_WAITING:
            raise ArchiveError("too many requests for calls that have ended wait already: try again")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask({"do": what, **facts})
        finally:
            self._waiting -= 1

    async def ask_again(self, what: str, call: str, stamp: str) -> Told:
        """Ask for something about a call that stays the same as long as the `stamp` does. Raises `ArchiveError`."""
        key = json.dumps([what, call, stamp])
        if key not in self._kept:
            told = await self.ask(what, call=call)
            self._kept[key] = told
            while len(self._kept) > 1 and sum(len(each.body) for each in self._kept.values()) > _MAX_KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def close(self) -> None:
        """End the process, and wait for its end."""
        process = self._process
        if process is not None:
            self._give_up(process)
            await process.wait()

    async def _ask(self, question: Mapping[str, Any]) -> Told:
        process = await self._running()
        try:
            async with asyncio.timeout(self._timeout_s):
                told = await _answer(process, question)
        except BaseException as error:
            self._give_up(process)
            if isinstance(error, TimeoutError):
                raise ArchiveError(f"this takes longer than {self._timeout_s:g} s") from None
            if isinstance(error, OSError | asyncio.IncompleteReadError | ValueError):
                raise ArchiveError("the process that reads calls that have ended has died: try again") from None
            raise
        for line in told.facts.get("told", ()):
            self._say(str(line))
        if "error" in told.facts:
            raise ArchiveError(str(told.facts["error"]), int(told.facts.get("status", 503)))
        return told

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            command = [sys.executable, "-m", "audiosocket_cli.web.archive_process", str(self.folder)]
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL, limit=_MAX_HEAD_BYTES, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise ArchiveError(
                    f"cannot read calls that have ended: {(error.strerror or str(error)).lower()}"
                ) from None
        return self._process

    def _give_up(self, process: asyncio.subprocess.Process) -> None:
        self._process = None
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _answer(process: asyncio.subprocess.Process, question: Mapping[str, Any]) -> Told:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question).encode() + b"\n")
    await process.stdin.drain()
    facts = json.loads(await process.stdout.readexactly(int(await process.stdout.readline())))
    size = int(facts.pop("size"))
    if not 0 <= size <= MAX_ANSWER_BYTES:
        raise ValueError(size)
    return Told(facts, await process.stdout.readexactly(size))
