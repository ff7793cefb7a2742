"""An async function as a bot: how it begins, how it ends, and what becomes of one that raises, hangs or blocks."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from audiosocket_cli import BotCall
from audiosocket_cli.call.bots.function import BotFunction, in_words
from audiosocket_cli.codec import Kind
from audiosocket_cli.model import Digit
from support.staged import FakeOutlet, Stage

WORD = np.arange(1, 1601).astype(np.int16)


def on_stage(function: BotFunction, play: Callable[[Stage], Awaitable[Any]], **options: Any) -> Stage:
    async def main() -> Stage:
        stage = Stage(function, **options)
        await asyncio.wait_for(play(stage), 60)
        if stage.call.ending is None:
            await stage.end()
        return stage

    return asyncio.run(main())


async def listen(call: BotCall) -> None:
    async for _ in call.audio():
        pass


def test_it_begins_with_the_first_audio_at_its_rate() -> None:
    rates: list[int] = []

    async def answer(call: BotCall) -> None:
        rates.append(call.rate_hz)

    async def play(stage: Stage) -> None:
        await stage.tick(3)
        assert not rates
        await stage.hear()
        assert rates == [16000]

    on_stage(answer, play, kind=Kind.SLIN16)


def test_a_caller_who_is_silent_at_first_does_not_keep_it() -> None:
    rates: list[int] = []

    async def answer(call: BotCall) -> None:
        rates.append(call.rate_hz)

    async def play(stage: Stage) -> None:
        await stage.tick(7)
        assert rates == [8000]

    on_stage(answer, play, kind=Kind.SLIN16)


def test_it_gets_the_keys_that_were_pressed_before_it_began() -> None:
    keys: list[str | None] = []

    async def answer(call: BotCall) -> None:
        keys.append(await call.digit())

    async def play(stage: Stage) -> None:
        stage.call.press(Digit(0.01, "7"))
        stage.bot.digit(0.01, "7")
        await stage.hear()
        assert keys == ["7"]

    on_stage(answer, play)


def test_when_it_returns_the_rest_is_said_and_then_hung_up() -> None:
    async def answer(call: BotCall) -> None:
        await call.say(WORD)

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert np.array_equal(stage.speech, WORD)
        assert stage.bot.ending == "the bot's function returned"

    stage = on_stage(answer, play)
    facts = stage.facts
    assert facts.pop("ran_s") >= 0  # type: ignore[operator]
    assert facts == {
        "function": "bot:answer", "rate_hz": 8000, "stopped_by": None, "said_s": 0.2, "unread_s": 0.0, "blocks": 0,
        "blocked_s": 0.0, "error": None,
    }  # fmt: skip
    assert stage.call.notes == []


class OddError(Exception):
    """An error of a bot's own."""


async def raises(call: BotCall) -> None:
    await call.say(WORD)
    raise OddError("two\nlines")


async def exits(call: BotCall) -> None:
    sys.exit(3)


async def interrupts(call: BotCall) -> None:
    raise KeyboardInterrupt


async def raises_deep(call: BotCall) -> None:
    np.zeros(3).reshape(2, 2)


async def cancels_itself(call: BotCall) -> None:
    raise asyncio.CancelledError


async def raises_in_a_task(call: BotCall) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(call))
        group.create_task(raises(call))


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (raises, "OddError: two lines at test_function.py:LINE"),
        (exits, "SystemExit: 3 at test_function.py:LINE"),
        (interrupts, "KeyboardInterrupt at test_function.py:LINE"),
        (raises_deep, "ValueError: cannot reshape array of size 3 into shape (2,2) at test_function.py:LINE"),
        (raises_in_a_task, "OddError: two lines at test_function.py:LINE"),
        (cancels_itself, "CancelledError: it was cancelled, and not by the server"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_it_raises_ends_its_call_with_one_line_and_a_traceback(function: BotFunction, error: str) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)

    stage = on_stage(function, play)
    found = stage.facts["error"]
    assert isinstance(found, str)
    where, _, line = found.rpartition(":")
    if "LINE" in error:
        assert f"{where}:LINE" == error
        source = raises if function is raises_in_a_task else function
        assert int(line) in {line for *_, line in source.__code__.co_lines()}  # type: ignore[attr-defined]
        assert "Traceback (most recent call last):" in stage.log[0]
        assert any("test_function.py" in text for text in stage.log)
    else:
        assert found == error
    assert stage.call.notes == [f"the bot raised {found} [bot-failed]"]
    assert stage.bot.ending == f"the bot raised {found}"


def test_a_traceback_is_bounded() -> None:
    async def answer(call: BotCall) -> None:
        def deeper(number: int) -> None:
            if number:
                exec(f"\n\ndef down{number}():\n deeper({number - 1})\n\ndown{number}()", {"deeper": deeper})
            raise OddError("x" * 1_000_000)

        deeper(100)

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)

    stage = on_stage(answer, play)
    assert 40 < len(stage.log) <= 60
    assert len(str(stage.facts["error"])) < 300
    assert max(map(len, stage.log)) <= 1000


class SpeechlessError(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise OddError("no text")


def test_an_error_whose_text_raises_another_is_told_by_its_name() -> None:
    async def answer(call: BotCall) -> None:
        raise SpeechlessError

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)

    stage = on_stage(answer, play)
    assert str(stage.facts["error"]).startswith("SpeechlessError at test_function.py:")
    assert "SpeechlessError" in stage.log[-1]


def test_its_audio_ends_with_the_call_and_it_may_still_do_something() -> None:
    done: list[str] = []

    async def answer(call: BotCall) -> None:
        await listen(call)
        await asyncio.sleep(0.05)
        assert call.ended is not None
        done.append(call.ended.reason)

    async def play(stage: Stage) -> None:
        await stage.hear()
        await stage.end()

    stage = on_stage(answer, play)
    assert done == ["caller closed"]
    assert stage.facts["stopped_by"] is None
    assert stage.facts["ran_s"] >= 0.05  # type: ignore[operator]


def test_after_the_grace_it_is_cancelled() -> None:
    done: list[str] = []

    async def answer(call: BotCall) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            done.append("cleaned up")

    async def play(stage: Stage) -> None:
        await stage.hear()
        begun_s = time.monotonic()
        await stage.end()
        assert 0.1 <= time.monotonic() - begun_s < 20

    stage = on_stage(answer, play, grace_s=0.1)
    assert done == ["cleaned up"]
    assert stage.facts["stopped_by"] == "cancelled"
    assert stage.facts["error"] is None
    assert stage.call.notes == ["the bot's function did not return after its call: it was cancelled [bot-not-ended]"]


def test_one_that_ignores_its_cancellation_is_left_alone_after_another_grace() -> None:
    release = asyncio.Event()

    async def answer(call: BotCall) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def play(stage: Stage) -> None:
        await stage.hear()
        begun_s = time.monotonic()
        await stage.end()
        assert 0.2 <= time.monotonic() - begun_s < 20
        release.set()

    stage = on_stage(answer, play, grace_s=0.1)
    assert stage.facts["stopped_by"] == "left running"
    assert stage.call.notes == [
        "the bot's function does not end, although it was cancelled: it is left running [bot-not-ended]"
    ]


@pytest.mark.parametrize("first", ["kill", "finish"])
def test_when_all_is_to_end_now_it_is_cancelled_at_once(first: str) -> None:
    async def answer(call: BotCall) -> None:
        await asyncio.sleep(100)

    async def play(stage: Stage) -> None:
        await stage.hear()
        begun_s = time.monotonic()
        if first == "kill":
            stage.bot.kill()
            await stage.end()
        else:
            ending = asyncio.create_task(stage.end())
            await asyncio.sleep(0.05)
            stage.bot.kill()
            await ending
        assert time.monotonic() - begun_s < 15
        assert stage.facts["stopped_by"] == "cancelled"

    on_stage(answer, play, grace_s=30.0)


def test_one_that_never_began_ends_at_once() -> None:
    async def play(stage: Stage) -> None:
        stage.bot.kill()
        assert stage.bot.close() == ()
        await stage.end()
        assert stage.facts["ran_s"] == 0.0

    on_stage(listen, play)


def test_audio_that_it_does_not_read_in_time_is_dropped_and_counted() -> None:
    async def answer(call: BotCall) -> None:
        await anext(call.audio())
        await call.over()

    async def play(stage: Stage) -> None:
        for _ in range(600):
            await stage.hear(bytes(range(160)) * 2)

    stage = on_stage(answer, play)
    assert stage.facts["unread_s"] == pytest.approx(1.98, abs=0.03)
    assert stage.call.notes == ["the bot reads too slowly: 2.0 s of the caller's audio were dropped [bot-reads-slowly]"]


def test_one_that_never_listens_is_not_blamed_for_it() -> None:
    async def answer(call: BotCall) -> None:
        await call.over()

    async def play(stage: Stage) -> None:
        for _ in range(600):
            await stage.hear(bytes(range(160)) * 2)

    stage = on_stage(answer, play)
    assert stage.facts["unread_s"] == pytest.approx(2.0, abs=0.03)
    assert stage.call.notes == []


def test_one_that_blocks_the_loop_is_named_once_with_its_line() -> None:
    async def answer(call: BotCall) -> None:
        for _ in range(2):
            await anext(call.audio())
            time.sleep(0.4)
            await asyncio.sleep(0.3)
        await call.over()

    async def play(stage: Stage) -> None:
        while stage.bot.blocks < 2:
            await stage.hear()
            await stage.tick()
            await asyncio.sleep(0.02)
        for _ in range(20):  # and there are no more
            await stage.hear()
            await stage.tick()
            await asyncio.sleep(0.02)

    stage = on_stage(answer, play)
    assert stage.facts["blocks"] == 2
    assert 0.4 < stage.facts["blocked_s"] < 30  # type: ignore[operator]
    (note,) = stage.call.notes
    line = answer.__code__.co_firstlineno + 3
    assert note.startswith("the bot bot:answer held up all calls for ")
    assert note.endswith(
        f"s at test_function.py:{line}: run what takes long in a thread, with asyncio.to_thread [bot-blocks-calls]"
    )
    assert stage.bot.blocks == 2


def test_nothing_is_left_of_a_call_that_is_over() -> None:
    async def main() -> list[object]:
        outlet = FakeOutlet()
        stage = Stage(listen, outlet=outlet)
        for number in range(5):
            outlet.now_s = number * 0.02
            await stage.hear()
        await stage.end()
        del stage, outlet
        await asyncio.sleep(0.1)
        names = ("FunctionBot", "Line", "BotCall", "Ear", "Speaker", "Audio")
        return [type(each).__name__ for each in gc.get_objects() if type(each).__name__ in names]

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(main()) == []
    finally:
        gc.enable()


def test_an_error_in_words_names_the_innermost_line_of_the_bot() -> None:
    async def answer(call: BotCall) -> None:
        pass

    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("x")
    error = raised.value
    assert error.__traceback__ is not None
    line = error.__traceback__.tb_lineno
    assert in_words(error, answer) == (
        f"ValueError: invalid literal for int() with base 10: 'x' at test_function.py:{line}"
    )
    assert in_words(ExceptionGroup("several", [error, error]), answer).startswith("ExceptionGroup: several (2 sub")
    assert in_words(ExceptionGroup("one", [error]), answer) == in_words(error, answer)
    assert in_words(ValueError(), answer) == "ValueError"
