"""Both directions of a call in Python: what is said at once, what waits, and the pauses of a caller."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from audiosocket_cli import BotCall
from audiosocket_cli.codec import Kind
from support.staged import FakeOutlet, Stage

FRAME = (np.arange(160) + 1).astype("<i2").tobytes()


async def echo(call: BotCall) -> None:
    async for frame in call.audio():
        await call.say(frame)


def test_an_answer_to_a_frame_is_sent_at_once_and_nothing_is_queued() -> None:
    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(echo, outlet=outlet)
        for number in range(100):
            outlet.now_s = number * 0.02
            await stage.hear(FRAME)
        assert outlet.sent == [(pytest.approx(number * 0.02), FRAME) for number in range(100)]
        assert stage.pacer.deadline_s == pytest.approx(1.98 + 0.06, abs=0.001)
        await stage.end()
        assert stage.facts["said_s"] == 2.0
        assert stage.facts["unread_s"] == 0.0

    asyncio.run(main())


def test_answers_that_come_too_fast_are_queued_and_said_in_order() -> None:
    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(echo, outlet=outlet)
        frames = [FRAME[:-2] + bytes((number, 0)) for number in range(5)]
        for frame in frames:
            await stage.hear(frame)
        assert [data for _, data in outlet.sent] == frames[:1]
        assert outlet.replanned == 1  # the first that waits makes the next frame due earlier
        assert stage.pacer.deadline_s == pytest.approx(0.02, abs=0.001)
        await stage.tick(4)
        assert stage.said == frames[1:]
        assert stage.pacer.deadline_s == pytest.approx(0.0198 + 3 * 0.019 + 0.06, abs=0.001)
        outlet.now_s = 0.1
        await stage.hear(FRAME)
        assert [data for _, data in outlet.sent] == [frames[0], FRAME]
        await stage.end()

    asyncio.run(main())


def test_a_phrase_and_what_follows_it_waits_for_its_deadlines() -> None:
    async def answer(call: BotCall) -> None:
        await call.say(FRAME * 3)
        await call.say(FRAME)
        await call.over()

    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(answer, outlet=outlet)
        await stage.hear()
        assert not outlet.sent
        await stage.tick(4)
        assert stage.said == [FRAME] * 4
        await stage.end()

    asyncio.run(main())


def test_nothing_is_sent_at_once_once_the_call_is_over() -> None:
    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(echo, outlet=outlet)
        await stage.hear()
        sent = len(outlet.sent)
        stage.bot.close()
        await stage.hear()
        assert len(outlet.sent) == sent
        await stage.end()
        assert stage.facts["error"] is None

    asyncio.run(main())


def test_an_answer_at_another_rate_is_converted() -> None:
    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(echo, rate_hz=16000, kind=Kind.SLIN, outlet=outlet)
        for number in range(50):
            outlet.now_s = number * 0.02
            await stage.hear((8000 * np.sin(np.arange(160) * 0.3)).astype("<i2").tobytes())
        await stage.end()
        sent = np.frombuffer(b"".join(data for _, data in outlet.sent), "<i2")
        assert len(sent) == 50 * 160
        assert np.abs(sent[1600:]).max() == pytest.approx(8000, rel=0.02)

    asyncio.run(main())


def test_pauses_of_the_caller_are_silence_whether_the_bot_speaks_or_not() -> None:
    heard: list[bytes] = []

    async def answer(call: BotCall) -> None:
        async for frame in call.audio():
            heard.append(frame)

    async def main() -> None:
        outlet = FakeOutlet()
        stage = Stage(answer, outlet=outlet)
        for _ in range(3):
            await stage.hear(FRAME)
            await stage.tick()
        await stage.tick(50)
        await stage.hear(FRAME)
        await stage.end()
        assert heard[:3] == [FRAME] * 3
        assert heard[-1] == FRAME
        assert len(heard) == pytest.approx(4 + 50 - 5, abs=1)
        assert not any(b"".join(heard[3:-1]))

    asyncio.run(main())


def test_pauses_of_the_caller_are_silence_while_the_bot_sets_the_pace() -> None:
    heard: list[bytes] = []
    outlet = FakeOutlet()
    stages: list[Stage] = []

    async def answer(call: BotCall) -> None:
        async def listen() -> None:
            async for frame in call.audio():
                heard.append(frame)

        listening = asyncio.create_task(listen())
        for number in range(100):
            outlet.now_s = number * 0.02
            await call.say(FRAME)
            await asyncio.sleep(0)
        stages[0].bot.closed(stages[0].call)
        await listening

    async def main() -> None:
        stages.append(Stage(answer, outlet=outlet))
        from audiosocket_cli.model import Ending, How, Side

        stages[0].call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
        await stages[0].hear(FRAME)
        for _ in range(300):
            await asyncio.sleep(0)
        await stages[0].bot.finish()
        assert len(outlet.sent) == 100
        assert len(heard) == pytest.approx(95, abs=2)

    asyncio.run(main())


def test_after_a_long_standstill_no_flood_of_silence_comes() -> None:
    async def main() -> None:
        stage = Stage(echo)
        await stage.hear(FRAME)
        await stage.tick(3)
        stage.pacer.restart(stage.pacer.deadline_s + 3600)
        await stage.tick(2)
        line = stage.bot._line
        assert line is not None
        assert line.ear.bytes_unread <= 50 * 320
        assert line.ear.lost == 0
        await stage.end()

    asyncio.run(main())
