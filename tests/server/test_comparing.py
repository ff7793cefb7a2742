"""The process that compares the answers of a server and its mirror: one for all, which no call waits for long."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.call.mirror import Comparison
from audiosocket_cli.model import Side
from audiosocket_cli.server import comparing
from audiosocket_cli.server.comparing import Comparing
from support.captured import a_call, sent, speech, steady, whole, write_lines


@pytest.fixture
def captures(tmp_path: Path) -> tuple[Path, Path]:
    found = []
    for name, at_s in (("a", 1.0), ("b", 2.0)):
        call = a_call()
        frames = speech(1.0)
        items = whole(call, [], sent(call, Side.SERVER, frames, steady(at_s, len(frames))), 5.0)
        found.append(write_lines(tmp_path / name, items))
    return found[0], found[1]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_one_process_compares_all(captures: tuple[Path, Path]) -> None:
    first, second = captures

    async def main() -> None:
        asked = Comparing()
        same, other, missing = await asyncio.gather(
            asked.compare(first, first), asked.compare(first, second), asked.compare(first, first.with_name("gone"))
        )
        asked.close()
        assert same == Comparison([], None)
        assert [one.difference for one in other.differences] == ["begins 1000 ms later"]
        assert missing.failure is not None
        assert missing.failure.startswith("cannot compare")

    run(main())


def test_where_it_was_killed_the_next_call_starts_another(captures: tuple[Path, Path]) -> None:
    first, _ = captures

    async def main() -> None:
        asked = Comparing()
        assert (await asked.compare(first, first)).failure is None
        process = asked._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        failure = (await asked.compare(first, first)).failure
        assert failure is not None
        assert failure.startswith("the process that compares has ended")
        assert (await asked.compare(first, first)).failure is None
        asked.close()
        asked.close()
        assert (await asked.compare(first, first)).failure == "the proxy was stopped"

    run(main())


def test_one_that_takes_too_long_is_given_up(captures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = captures
    monkeypatch.setattr(comparing, "TIMEOUT_S", 0.001)

    async def main() -> None:
        asked = Comparing()
        assert (await asked.compare(first, first)).failure == "comparing took longer than 0.001 s"
        monkeypatch.setattr(comparing, "TIMEOUT_S", 60.0)
        assert (await asked.compare(first, first)).failure is None
        asked.close()

    run(main())


def test_once_the_proxy_stops_nothing_waits_for_one_that_stands_still(
    captures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = captures
    monkeypatch.setattr(comparing, "STOP_S", 0.1)

    async def main() -> None:
        asked = Comparing()
        assert (await asked.compare(first, first)).failure is None
        process = asked._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        compared = [asyncio.create_task(asked.compare(first, first)) for _ in range(3)]
        await asyncio.sleep(0)
        asked.stop()
        async with asyncio.timeout(comparing.TIMEOUT_S / 2):
            assert {(await each).failure for each in compared} == {"the proxy was stopped"}
        assert process.poll() == -signal.SIGKILL

    run(main())


def test_what_is_compared_soon_after_the_proxy_stops_is_compared(
    captures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = captures
    monkeypatch.setattr(comparing, "STOP_S", 60.0)

    async def main() -> None:
        asked = Comparing()
        assert (await asked.compare(first, first)).failure is None
        compared = asyncio.create_task(asked.compare(first, first))
        await asyncio.sleep(0)
        asked.stop()
        assert (await compared).failure is None
        asked.close()

    run(main())


def test_no_more_calls_wait_than_may(captures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = captures
    monkeypatch.setattr(comparing, "MAX_WAITING", 1)

    async def main() -> None:
        asked = Comparing()
        one, other = await asyncio.gather(asked.compare(first, first), asked.compare(first, first))
        asked.close()
        assert one.failure is None
        assert other.failure == "too many calls wait to be compared: 1"

    run(main())


def test_a_close_while_the_process_starts_leaves_none(
    captures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = captures
    start, started = comparing._start, []

    async def main() -> None:
        asked = Comparing()

        def late() -> subprocess.Popen[str]:
            asked.close()
            started.append(start())
            return started[0]

        monkeypatch.setattr(comparing, "_start", late)
        assert await asked.compare(first, first) == Comparison(failure="the proxy was stopped")
        assert started[0].returncode == -signal.SIGKILL

    run(main())
