"""The process that reads calls which have ended, from outside: it may die, hang, or be asked too much."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from audiosocket_cli.web.archive import Archive, ArchiveError
from support.running import is_running

ROWS = {"filter": {}, "sort": "newest", "offset": 0, "limit": 10}


def process_of(archive: Archive) -> int:
    assert archive._process is not None
    return archive._process.pid


def test_it_is_asked_again_after_it_has_died(tmp_path: Path) -> None:
    async def asking() -> None:
        archive = Archive(tmp_path, lambda line: None)
        assert (await archive.ask("rows", **ROWS)).body == b"[]"
        first = process_of(archive)
        killed = archive._process
        os.kill(first, signal.SIGKILL)
        with contextlib.suppress(ArchiveError):  # its death may be seen before the question, or after
            await archive.ask("rows", **ROWS)
        assert (await archive.ask("rows", **ROWS)).body == b"[]"
        assert process_of(archive) != first
        assert killed is not None
        await killed.wait()
        await archive.close()

    asyncio.run(asking())


def test_what_takes_too_long_is_given_up_with_its_process(tmp_path: Path) -> None:
    async def asking() -> None:
        archive = Archive(tmp_path, lambda line: None, timeout_s=60)
        await archive.ask("rows", **ROWS)
        assert archive._process is not None
        process = archive._process
        os.kill(process.pid, signal.SIGSTOP)
        archive._timeout_s = 0.05
        with pytest.raises(ArchiveError, match="longer than"):
            await archive.ask("rows", **ROWS)
        assert await process.wait() == -signal.SIGKILL

    asyncio.run(asking())


def test_so_many_questions_may_wait_and_no_more(tmp_path: Path) -> None:
    async def asking() -> None:
        archive = Archive(tmp_path, lambda line: None)
        answers = await asyncio.gather(*(archive.ask("rows", **ROWS) for _ in range(20)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ArchiveError)]
        assert (len(refused), {error.status for error in refused}) == (4, {503})
        await archive.close()

    asyncio.run(asking())


def test_it_ends_with_who_asks(tmp_path: Path) -> None:
    async def asking() -> int:
        archive = Archive(tmp_path, lambda line: None)
        await archive.ask("rows", **ROWS)
        assert archive._process is not None
        assert archive._process.stdin is not None
        archive._process.stdin.close()
        await archive._process.wait()
        return process_of(archive)

    assert not is_running(asyncio.run(asking()))
