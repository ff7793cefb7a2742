"""Readers of events: what waits for each, and what a slow one loses."""

from __future__ import annotations

import asyncio

from audiosocket_cli.web.readers import MAX_WAITING, Reader


async def read(reader: Reader) -> bytes:
    return await asyncio.wait_for(reader.next(), 10)


def test_what_waits_is_read_at_once_and_in_order() -> None:
    async def reading() -> None:
        reader = Reader()
        reader.give(b"a", 1)
        reader.give(b"b", 2)
        assert await read(reader) == b"ab"
        assert reader.take_lost() == 0
        asyncio.get_running_loop().call_soon(reader.give, b"c", 1)
        assert await read(reader) == b"c"

    asyncio.run(reading())


def test_a_slow_reader_loses_all_that_waits_and_learns_how_much() -> None:
    async def reading() -> None:
        reader = Reader()
        for _ in range(MAX_WAITING):
            reader.give(b"x", 3)
        reader.give(b"one too many", 2)
        reader.give(b"and another", 1)
        assert await read(reader) == b""
        assert reader.take_lost() == MAX_WAITING * 3 + 3
        reader.give(b"new", 1)
        assert await read(reader) == b"new"
        assert reader.take_lost() == 0

    asyncio.run(reading())
