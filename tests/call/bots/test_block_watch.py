"""Who holds up the event loop: the bot whose code runs there, and nobody where none does."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from audiosocket_cli.call.bots import block_watch
from audiosocket_cli.call.bots.block_watch import Block, BlockWatch, file_of
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.model import Call, Side, now_utc
from support.fakes import UUID_1


def watched(
    *bots: Callable[[], Any], beats: bool = True, seconds: float = 0.7, blocks: int = 0,
    on_told: Callable[[], object] = lambda: None,
) -> list[tuple[int, Block, bool]]:  # fmt: skip
    """Run these as bots of calls whose frames are due each 20 ms, until so many blocks that are over were told, and for
    so long at least; returns which was told of which block, and whether on the loop."""
    told: list[tuple[int, Block, bool]] = []

    async def main() -> None:
        watch, thread = BlockWatch(), threading.get_ident()
        tasks, calls = [], []
        for number, bot in enumerate(bots):

            async def run(bot: Callable[[], Any] = bot) -> None:
                await bot()

            def tell(block: Block, number: int = number) -> None:
                told.append((number, block, threading.get_ident() == thread))
                on_told()

            calls.append(Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0)))
            coroutine = run()
            watch.enter(calls[-1], coroutine, bot, tell)
            tasks.append(asyncio.create_task(coroutine))
        begun_s = time.monotonic()
        while (now_s := time.monotonic()) < begun_s + seconds or sum(
            not block.goes_on for _, block, _ in told
        ) < blocks:
            assert now_s < begun_s + 60, told
            if beats:
                watch.beat_s = time.monotonic()
            await asyncio.sleep(0.02)
        for task, call in zip(tasks, calls, strict=True):
            task.cancel()
            watch.leave(call)
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(100):
            if watch._thread is None:
                break
            await asyncio.sleep(0.01)
        assert watch._thread is None  # no thread is left

    asyncio.run(main())
    return told


async def idle() -> None:
    await asyncio.sleep(100)


async def sleeps() -> None:
    await asyncio.sleep(0.05)
    time.sleep(0.6)  # long enough to be seen, also by a thread that has no turn for a while
    await asyncio.sleep(100)


async def computes() -> None:
    await asyncio.sleep(0.05)
    until_s = time.monotonic() + 0.6
    while time.monotonic() < until_s:
        sum(range(1000))
    await asyncio.sleep(100)


async def blocks_in_a_task() -> None:
    await asyncio.create_task(sleeps())


@pytest.mark.parametrize("bot", [sleeps, computes], ids=["sleeps", "computes"])
def test_the_bot_that_blocks_is_told_of_with_its_line_once_it_goes_on(bot: Any) -> None:
    told = watched(idle, bot, idle, blocks=1)
    assert len(told) == 1
    number, block, on_loop = told[0]
    assert number == 1
    assert on_loop
    assert 0.25 < block.seconds < 20
    assert block.is_certain
    assert not block.goes_on
    file, line = block.where.split(":")
    assert file == "test_block_watch.py"
    assert int(line) in {line for *_, line in bot.__code__.co_lines()}


def test_a_task_that_a_bot_has_begun_is_known_by_its_file() -> None:
    ((_, block, _),) = watched(blocks_in_a_task, blocks=1)
    assert not block.is_certain
    assert block.where == f"test_block_watch.py:{sleeps.__code__.co_firstlineno + 2}"


def test_a_bot_that_takes_its_time_in_short_steps_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_watch, "BLOCKED_S", 0.5)  # less than all steps, and more than one on a busy machine

    async def busy() -> None:
        while True:
            time.sleep(0.03)
            await asyncio.sleep(0)

    assert watched(busy) == []


def test_nobody_is_blamed_for_what_other_code_holds_up() -> None:
    async def main() -> list[Block]:
        told: list[Block] = []
        watch = BlockWatch()
        call = Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0))
        coroutine = idle()
        watch.enter(call, coroutine, asyncio.sleep, told.append)  # a file of somebody else
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0.02)
        watch.beat_s = time.monotonic()
        time.sleep(0.3)
        watch.beat_s = time.monotonic()
        await asyncio.sleep(0.1)
        watch.leave(call)
        task.cancel()
        return told

    assert asyncio.run(main()) == []


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_who_has_begun_the_loop_is_not_blamed(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> list[Block]:
        told: list[Block] = []
        watch = BlockWatch()
        call = Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0))
        coroutine = idle()
        watch.enter(call, coroutine, idle, told.append)
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0.02)
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)  # nothing of this file, but for what has begun the loop
        await asyncio.sleep(0.5)
        watch.leave(call)
        task.cancel()
        return told

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(main()) == []


def test_nobody_is_blamed_while_no_frame_is_due() -> None:
    assert watched(idle, beats=False) == []


def test_a_bot_that_does_not_stop_is_told_of_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_watch, "STILL_S", 0.15)
    is_told = threading.Event()

    async def does_not_stop() -> None:
        await asyncio.sleep(0.05)
        is_told.wait(60)
        await asyncio.sleep(100)

    first, *_, last = watched(does_not_stop, blocks=1, on_told=is_told.set)
    assert first[1].goes_on
    assert not first[2]  # in the thread: the loop stands still
    assert not last[1].goes_on
    assert last[2]
    assert last[1].seconds > first[1].seconds


class Bots:
    async def answer(self, call: object) -> None:
        pass

    async def __call__(self, call: object) -> None:
        pass


@pytest.mark.parametrize(
    "function", [idle, Bots().answer, Bots(), functools.partial(Bots().answer), functools.wraps(idle)(lambda: None)]
)
def test_the_file_of_any_function_is_known(function: object) -> None:
    assert file_of(function) == __file__


def test_the_file_of_what_is_not_python_is_not_known() -> None:
    assert file_of(len) is None
