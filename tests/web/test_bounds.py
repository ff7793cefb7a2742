"""Bounds of each answer: a slow reader is given up, and a fault of ours is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message

from audiosocket_cli.web.bounds import PIECE_BYTES, Bounds

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_a_reader_that_takes_nothing_is_given_up() -> None:
    async def never(message: Message) -> None:
        await asyncio.Event().wait()

    async def asking() -> None:
        bounds = Bounds(PlainTextResponse("x"), lambda line: None, timeout_s=0.01)
        async with asyncio.timeout(30):
            await bounds(dict(SCOPE), receive, never)

    with pytest.raises(TimeoutError):
        asyncio.run(asking())


def test_a_reader_that_is_quick_enough_gets_all() -> None:
    got: list[Message] = []

    async def take(message: Message) -> None:
        got.append(message)

    asyncio.run(Bounds(PlainTextResponse("x"), lambda line: None)(dict(SCOPE), receive, take))
    assert [message["type"] for message in got] == ["http.response.start", "http.response.body"]


def test_a_fault_of_ours_is_told_in_one_line_and_not_for_each_request() -> None:
    said: list[str] = []

    async def fail(*_: Any) -> None:
        raise RuntimeError("odd\nlines")

    async def asking() -> None:
        bounds = Bounds(fail, said.append)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await bounds(dict(SCOPE), receive, fail)

    asyncio.run(asking())
    assert said == ["internal error in --web: RuntimeError('odd\\nlines')"]


def test_a_long_answer_is_sent_in_pieces_so_that_a_slow_reader_has_time_for_each() -> None:
    got: list[Message] = []
    body = bytes(range(256)) * 1000

    async def take(message: Message) -> None:
        got.append(message)

    asyncio.run(Bounds(Response(body), lambda line: None)(dict(SCOPE), receive, take))
    pieces = got[1:]
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) == PIECE_BYTES
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]


def test_pieces_of_what_goes_on_go_on() -> None:
    got: list[Message] = []

    async def take(message: Message) -> None:
        got.append(message)

    async def going_on() -> AsyncIterator[bytes]:
        yield b"x" * (PIECE_BYTES + 1)
        yield b"y"

    async def stay() -> Message:
        await asyncio.Event().wait()
        return {}

    asyncio.run(Bounds(StreamingResponse(going_on()), lambda line: None)(dict(SCOPE), stay, take))
    assert [(len(piece["body"]), piece["more_body"]) for piece in got[1:]] == [
        (PIECE_BYTES, True), (1, True), (1, True), (0, False),
    ]  # fmt: skip
