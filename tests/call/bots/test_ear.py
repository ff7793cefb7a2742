"""What a bot in Python hears and has not read: pieces of any length, who waits for them, and what is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.bots.ear import MAX_UNREAD_S, Audio, Ear, Keys

FRAME = bytes(range(160)) * 2


def in_loop(work: Callable[[Ear], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(work(Ear(8000)), 60)

    return asyncio.run(main())


def test_a_frame_is_handed_on_as_it_came() -> None:
    async def work(ear: Ear) -> None:
        assert ear.hear(FRAME) == 320
        assert await anext(Audio(ear, 320)) is FRAME

    in_loop(work)


@given(st.lists(st.integers(1, 700), max_size=20), st.lists(st.integers(1, 700), max_size=20))
def test_pieces_of_any_length_are_what_was_heard(heard: list[int], wanted: list[int]) -> None:
    async def work(ear: Ear) -> None:
        said = bytes(number % 251 for number in range(sum(heard)))
        at = 0
        for size in heard:
            ear.hear(said[at : at + size])
            at += size
        got = b""
        for size in wanted:
            piece = ear.take(size)
            if piece is None:
                assert len(said) - len(got) < size
            else:
                assert len(piece) == size
                got += piece
        assert said.startswith(got)
        assert ear.bytes_unread == len(said) - len(got)

    in_loop(work)


def test_a_reader_is_woken_once_all_is_there() -> None:
    async def work(ear: Ear) -> None:
        got: list[bytes] = []

        async def read() -> None:
            got.append(await anext(Audio(ear, 3 * len(FRAME))))

        reading = asyncio.create_task(read())
        for number in range(3):
            await asyncio.sleep(0.01)
            assert not got
            assert ear._waiter is not None
            assert not ear._waiter.done()
            ear.hear(FRAME)
            assert ear._waiter.done() == (number == 2)
        await reading
        assert got == [FRAME * 3]

    in_loop(work)


def test_the_rest_at_the_end_is_filled_up_with_silence() -> None:
    async def work(ear: Ear) -> list[bytes]:
        ear.hear(FRAME[:200])
        ear.hear(FRAME[:200])
        ear.end()
        return [piece async for piece in Audio(ear, 320)]

    assert in_loop(work) == [FRAME[:200] + FRAME[:120], FRAME[120:200].ljust(320, b"\0")]


def test_a_reader_who_waits_when_all_ends_goes_on() -> None:
    async def work(ear: Ear) -> list[bytes]:
        async def read() -> list[bytes]:
            return [piece async for piece in Audio(ear, 320)]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        ear.end()
        ear.end()
        return await reading

    assert in_loop(work) == []


def test_what_nobody_reads_is_dropped_the_oldest_first_and_counted() -> None:
    async def work(ear: Ear) -> None:
        frames = round(MAX_UNREAD_S * 50)
        for number in range(frames + 7):
            ear.hear(number.to_bytes(2, "big") * 160)
        assert ear.lost_s == pytest.approx(0.14)
        assert ear.take(2) == (7).to_bytes(2, "big")
        assert ear.skip() == pytest.approx(MAX_UNREAD_S, abs=0.001)
        assert ear.take(2) is None
        assert ear.lost_s == pytest.approx(0.14)  # what is skipped is not lost

    in_loop(work)


def test_a_second_reader_is_refused_and_the_first_goes_on() -> None:
    async def work(ear: Ear) -> None:
        async def read() -> bytes:
            return await anext(Audio(ear, 320))

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks read the audio of one call"):
            await anext(Audio(ear, 320))
        ear.hear(FRAME)
        assert await reading == FRAME

    in_loop(work)


def test_a_reader_who_gives_up_loses_nothing() -> None:
    async def work(ear: Ear) -> None:
        audio = Audio(ear, 640)
        ear.hear(FRAME)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(audio)
        ear.hear(FRAME)
        assert await anext(audio) == FRAME * 2

    in_loop(work)


def test_who_reads_much_at_once_lets_others_go_on() -> None:
    async def work(ear: Ear) -> list[str]:
        diary: list[str] = []

        async def other() -> None:
            for _ in range(3):
                diary.append("other")
                await asyncio.sleep(0)

        for _ in range(3):
            ear.hear(FRAME)
        task = asyncio.create_task(other())
        audio = Audio(ear, 320)
        for _ in range(3):
            await anext(audio)
            diary.append("piece")
        await task
        return diary

    assert in_loop(work) == ["piece", "other", "piece", "other", "piece", "other"]


def test_keys_come_in_order_and_end() -> None:
    async def main() -> list[str | None]:
        keys = Keys()
        keys.press("1")
        found = [await keys.next()]
        waiting = asyncio.create_task(keys.next())
        gives_up = asyncio.create_task(keys.next())
        await asyncio.sleep(0)
        gives_up.cancel()
        keys.press("2")
        found.append(await waiting)
        waiting = asyncio.create_task(keys.next())
        await asyncio.sleep(0)
        keys.press("3")
        keys.end()
        return [*found, await waiting, await keys.next()]

    assert asyncio.run(main()) == ["1", "2", "3", None]


def test_keys_that_nobody_reads_are_bounded() -> None:
    async def main() -> tuple[int, str | None]:
        keys = Keys()
        for number in range(1003):
            keys.press(str(number % 10))
        return keys.lost, await keys.next()

    assert asyncio.run(main()) == (3, "3")
