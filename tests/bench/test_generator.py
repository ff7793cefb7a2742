"""One process's part of a load: all slots are somebody's, and calls are placed, counted and ended."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.generator import Generator, Share, shares
from audiosocket_cli.bench.load import Load
from audiosocket_cli.bench.speech import Speech
from audiosocket_cli.codec import Kind
from audiosocket_cli.net.address import Address
from support.peers import free_port


@given(st.integers(1, 9), st.integers(1, 40))
def test_the_shares_of_a_load_are_all_of_it(processes: int, calls: int) -> None:
    load = Load(calls=calls, duration_s=10)
    slots = [slot for share in shares(processes) for slot in share.slots(load)]
    assert sorted(slots) == sorted(load.slots())
    assert sum(share.of_calls(calls) for share in shares(processes)) == calls
    sizes = [len(share.slots(load)) for share in shares(processes)]
    assert max(sizes) - min(sizes) <= 1


def generator(port: int, load: Load) -> Generator:
    return Generator(Address("127.0.0.1", port), load, Speech.generated(Kind.SLIN), Share())


def test_a_server_that_is_not_there_is_counted_and_called_again_after_a_second() -> None:
    async def main() -> Generator:
        made = generator(free_port(), Load(calls=2, duration_s=60))
        begun_s = time.monotonic()
        running = asyncio.create_task(made.run(begun_s))
        while made.figures.counts["refused"] < 4:
            await asyncio.sleep(0.01)
        assert 1 <= time.monotonic() - begun_s < 30
        made.stop()
        await asyncio.wait_for(running, 20)
        return made

    made = asyncio.run(main())
    assert made.figures.counts["placed"] == made.figures.counts["refused"] == len(made.rows) == 4
    assert {row["ended"] for row in made.rows} == {"refused"}
    assert sorted(row["call"] for row in made.rows) == [0, 1, 2, 3]
    assert made.peak_calls == 0


@pytest.mark.parametrize("load", [Load(duration_s=0.001), Load(rate=1, duration_s=0.1, call_duration_s=0.1)])
def test_each_caller_calls_once_however_short_the_load_is(load: Load) -> None:
    async def main() -> Generator:
        made = generator(free_port(), load)
        await made.run(time.monotonic())
        return made

    made = asyncio.run(main())
    assert made.figures.counts["placed"] == made.figures.counts["refused"] == 1


def test_arrivals_beyond_the_most_calls_at_once_are_left_out_and_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # which never answers

        async def main() -> Generator:
            made = generator(listener.getsockname()[1], Load(rate=20, max_calls=1, duration_s=0.5, call_duration_s=5))
            running = asyncio.create_task(made.run(time.monotonic()))
            while made.figures.counts["left_out"] < 9:
                await asyncio.sleep(0.01)
            assert made.live_calls == made.peak_calls == 1
            made.stop(at_once=True)
            await asyncio.wait_for(running, 20)
            return made

        made = asyncio.run(main())
    assert made.figures.counts["placed"] == len(made.rows) == 1


def test_told_to_stop_it_places_no_more_and_ends_those_under_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def main() -> Generator:
            made = generator(listener.getsockname()[1], Load(calls=1, duration_s=60))
            running = asyncio.create_task(made.run(time.monotonic()))
            while not made.live_calls:
                await asyncio.sleep(0.01)
            made.stop()
            await asyncio.wait_for(running, 20)
            return made

        made = asyncio.run(main())
    (row,) = made.rows
    assert row["reason"] == "interrupted"
