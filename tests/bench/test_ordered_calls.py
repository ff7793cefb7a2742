"""Calls that are ordered one by one: told value by value, counted together, ended alone or all at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from audiosocket_cli.bench.load import Load
from audiosocket_cli.bench.ordered_calls import TOLD, OrderedCalls
from audiosocket_cli.bench.plan import Plan, plan_json
from audiosocket_cli.bench.speech import Speech
from audiosocket_cli.codec import Kind
from audiosocket_cli.net.address import Address


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readexactly(19)  # the UUID
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def calls_to(port: int, told: list[dict[str, Any]], duration_s: float = 1.0) -> OrderedCalls:
    plan = Plan(Address("127.0.0.1", port), Load(call_duration_s=duration_s), Kind.SLIN)
    return OrderedCalls(plan, Speech.generated(Kind.SLIN), time.monotonic(), told.append)


async def over(told: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    while len(ended := [each for each in told if "over" in each]) < count:
        await asyncio.sleep(0.01)
    return ended


async def open_calls(calls: OrderedCalls, count: int) -> None:
    while calls.live_calls < count:
        await asyncio.sleep(0.01)


def values(told: list[dict[str, Any]]) -> list[tuple[int, str, float]]:
    groups = [group for each in told for group in each.get("values", ())]
    return [(number, name, value) for number, name, some in groups for value in some]


def test_each_call_is_told_value_by_value_and_counted_with_the_others() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        async with echo_server() as port:
            calls = calls_to(port, told)
            for number in range(3):
                calls.place(number, user=number % 2, due_s=time.monotonic())
            ended = await asyncio.wait_for(over(told, 3), 60)
        assert sorted(each["over"] for each in ended) == [0, 1, 2]
        assert all(each["failure"] is None and each["duration_ms"] > 900 for each in ended)
        assert calls.figures.counts["connected"] == calls.peak_calls == len(calls.rows) == 3
        for name in TOLD:
            assert calls.figures.times[name].count == sum(one == name for _, one, _ in values(told)), name
        assert {number for number, name, _ in values(told) if name == "echo"} == {0, 1, 2}
        assert calls.figures.times["lateness"].count == calls.figures.counts["frames_sent"]
        assert calls.figures.heard_audio_s > 2
        told.clear()
        calls.tell_report(is_last=True)
        calls.tell_report()
        assert [len(each["report"]["rows"]) for each in told] == [3, 0]  # each row once
        json.dumps(told)

    asyncio.run(main())


def test_a_call_ends_when_it_is_told_to_and_so_do_all_at_once() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        async with echo_server() as port:
            calls = calls_to(port, told, duration_s=600)
            for number in range(4):
                calls.place(number, user=0, due_s=time.monotonic())
            await asyncio.wait_for(open_calls(calls, 4), 60)
            calls.end(2)
            assert [each["over"] for each in await asyncio.wait_for(over(told, 1), 60)] == [2]
            await asyncio.wait_for(calls.end_all(), 60)
        assert sorted(each["over"] for each in told if "over" in each) == [0, 1, 2, 3]
        assert all(each.get("failure") is None for each in told)
        assert not calls.live_calls

    asyncio.run(main())


def test_how_long_a_call_that_is_cut_takes_to_hang_up_is_not_counted() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        async with echo_server() as port:
            calls = calls_to(port, told, duration_s=600)
            calls.place(0, user=0, due_s=time.monotonic())
            await asyncio.wait_for(open_calls(calls, 1), 60)
            calls.cut(0)
            await asyncio.wait_for(over(told, 1), 60)
        assert not calls.figures.times["hangup"].count

    asyncio.run(main())


def test_nobody_who_answers_is_told_as_that() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            calls = calls_to(nobody.getsockname()[1], told)
            calls.place(7, user=0, due_s=time.monotonic())
            (ended,) = await asyncio.wait_for(over(told, 1), 60)
        assert "connection refused" in ended["not_connected"]
        assert calls.figures.counts["refused"] == 1

    asyncio.run(main())


def test_the_process_says_what_it_cannot_read_and_ends_with_its_orders() -> None:
    plan = Plan(Address("127.0.0.1", 9), Load(), Kind.SLIN, audio=None)
    content = plan_json(plan) | {"audio": "/nowhere/a.wav"}
    order = json.dumps({"plan": content, "start_s": 0.0})
    program = "from audiosocket_cli.bench.ordered_calls import work; work()"
    done = subprocess.run(
        [sys.executable, "-c", program], input=order + "\n", capture_output=True, text=True, timeout=60
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {"started": True}
    assert "/nowhere/a.wav" in lines[1]["error"]
    assert done.stderr == ""
