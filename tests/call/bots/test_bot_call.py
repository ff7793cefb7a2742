"""What a bot's function can do with its call: each method, with what is right and what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli import BotCall, CallOverError, FileError
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.bots.function import BotFunction
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.model import Side
from support.fakes import UUID_1
from support.staged import Stage

WORD = (np.arange(1600) % 100 + 1).astype(np.int16)
"""200 ms at 8 kHz, without a zero."""


def on_stage(function: BotFunction, play: Callable[[Stage], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        stage = Stage(function, **options)
        await stage.hear()
        result = await asyncio.wait_for(play(stage), 60)
        if stage.call.ending is None:
            await stage.end()
        assert stage.facts["error"] is None, (stage.log, stage.facts)
        return result

    return asyncio.run(main())


def test_a_call_says_what_it_is() -> None:
    seen: list[Any] = []

    async def answer(call: BotCall) -> None:
        seen.extend([call.uuid, call.peer, call.rate_hz, call.kind, dict(call.variables), call.ended, repr(call)])
        await call.over()
        seen.extend([call.ended, repr(call)])

    async def play(stage: Stage) -> None:
        stage.call.variables = {"name": "Ann"}
        await stage.settle()
        await stage.end()

    on_stage(answer, play, kind=Kind.SLIN16)
    *facts, before, ending, after = seen
    assert facts == [UUID_1, "192.0.2.1:5060", 16000, "slin16", {}, None]
    assert before == f"<BotCall {UUID_1}, 192.0.2.1:5060, 16000 Hz>"
    assert (ending.by, ending.how, ending.reason) == ("caller", "closed", "caller closed")
    assert after == f"<BotCall {UUID_1}, 192.0.2.1:5060, 16000 Hz, ended by caller>"


@pytest.mark.parametrize(
    "audio",
    [WORD.tobytes(), bytearray(WORD.tobytes()), memoryview(WORD.tobytes()), WORD, WORD.astype(">i2"), WORD[::1]],
    ids=["bytes", "bytearray", "memoryview", "int16", "big-endian", "view"],
)
def test_samples_of_any_kind_are_said(audio: Any) -> None:
    async def answer(call: BotCall) -> None:
        await call.say(audio)
        await call.over()

    async def play(stage: Stage) -> None:
        await stage.tick(20)
        assert np.array_equal(stage.speech, WORD)

    on_stage(answer, play)


@pytest.mark.parametrize(
    ("audio", "problem"),
    [
        (WORD.astype(np.float32), "samples are bytes or an array of int16, not an array of float32"),
        (WORD.astype(np.uint16), "samples are bytes or an array of int16, not an array of uint16"),
        (WORD.reshape(-1, 2), r"mono samples have the shape \(n,\), not \(800, 2\): say one channel"),
        ("hello", "samples are bytes or an array of int16, not str"),
        ([1, 2], "samples are bytes or an array of int16, not list"),
        (None, "samples are bytes or an array of int16, not NoneType"),
    ],
    ids=["float", "unsigned", "stereo", "text", "list", "none"],
)
def test_what_is_not_samples_is_refused(audio: Any, problem: str) -> None:
    async def answer(call: BotCall) -> None:
        with pytest.raises(TypeError, match=f"^{problem}$"):
            await call.say(audio)
        assert await call.said()
        call.hangup()

    on_stage(answer, lambda stage: stage.until(lambda: stage.is_over))


def test_half_samples_are_joined_and_the_last_is_noted() -> None:
    async def answer(call: BotCall) -> None:
        data = WORD.tobytes()
        await call.say(data[:101])
        await call.say(data[101:])
        await call.say(b"x")

    async def play(stage: Stage) -> None:
        await stage.tick(30)
        assert np.array_equal(stage.speech, WORD)
        await stage.end()
        assert stage.call.notes == ["the bot said an odd number of bytes: half a sample is left over [bot-odd-bytes]"]

    on_stage(answer, play)


def test_say_waits_while_ten_seconds_are_queued() -> None:
    queued: list[int] = []

    async def answer(call: BotCall) -> None:
        for number in range(14):
            await call.say(np.full(8000, number + 1, np.int16))
            queued.append(number)

    async def play(stage: Stage) -> None:
        await stage.settle()
        assert queued == list(range(11))  # the eleventh finds ten seconds, which are not too many
        await stage.tick(55)
        assert queued[-1] == 11
        await stage.tick(700)
        assert queued[-1] == 13
        assert set(stage.speech) == set(range(1, 15))

    on_stage(answer, play)


def test_what_waits_to_be_said_can_be_dropped() -> None:
    dropped: list[float] = []
    marks: list[bool] = []

    async def answer(call: BotCall) -> None:
        await call.say(WORD)
        first = call.mark()
        for _ in range(10):
            await call.say(np.full(8000, 7, np.int16))
        last = call.mark()
        marks.append(await first)
        dropped.append(await call.flush())
        dropped.append(await call.flush())
        marks.append(await last)
        await call.say(WORD)
        marks.append(await call.said())

    async def play(stage: Stage) -> None:
        await stage.tick(30)
        assert marks == [True, False, True]
        assert dropped == [pytest.approx(9.98, abs=0.03), 0.0]

    on_stage(answer, play)


def test_a_mark_is_reached_when_what_was_before_it_has_been_played() -> None:
    reached: list[int] = []

    async def answer(call: BotCall) -> None:
        assert await call.said()  # nothing is queued: at once
        reached.append(-1)
        await call.say(WORD)
        await call.said()
        reached.append(0)

    async def play(stage: Stage) -> None:
        await stage.tick(1)
        assert reached == [-1] or not reached
        await stage.until(lambda: reached)
        await stage.tick(10)
        assert reached == [-1]
        await stage.tick(1)
        assert reached == [-1, 0]

    on_stage(answer, play)


def test_marks_are_bounded_and_end_with_the_call() -> None:
    ended: list[bool] = []

    async def answer(call: BotCall) -> None:
        await call.say(WORD)
        marks = [call.mark() for _ in range(1000)]
        with pytest.raises(AudioSocketError, match="1000 marks are already waiting"):
            call.mark()
        ended.extend(await asyncio.gather(*marks))
        ended.append(await call.mark())
        ended.append(await call.said())

    async def play(stage: Stage) -> None:
        await stage.settle()
        await stage.end()
        assert ended == [False] * 1002

    on_stage(answer, play)


def test_a_file_is_played_after_what_was_said_before(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(440, 16000, 0.5), 16000)

    async def answer(call: BotCall) -> None:
        await call.say(WORD)
        await call.play(tmp_path / "tone.wav")
        await call.play(str(tmp_path / "tone.wav"))
        await call.say(WORD)
        assert await call.said()
        call.hangup()

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert len(stage.speech) / 8000 == pytest.approx(1.4, abs=0.05)
        assert np.array_equal(stage.speech[:1600], WORD)
        assert not stage.call.notes

    on_stage(answer, play)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none.wav", "none.wav: no such file"),
        (".", "cannot play .*: "),
        ("text.wav", "text.wav"),
        ("\0", "no file can have that name"),
    ],
)
def test_what_cannot_be_played_is_told_at_once(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    told: list[str] = []

    async def answer(call: BotCall) -> None:
        with pytest.raises(FileError, match=problem) as error:
            await call.play(tmp_path / name)
        told.append(str(error.value))
        call.hangup()

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert len(told) == 1
        assert "\n" not in told[0]

    on_stage(answer, play)


def test_audio_comes_in_pieces_of_the_length_asked_for() -> None:
    sizes: list[int] = []

    async def answer(call: BotCall) -> None:
        sizes.append(len(await anext(call.audio())))
        sizes.append(len(await anext(call.audio(ms=100))))
        sizes.append(len(await anext(call.audio(samples=512))))
        sizes.append(len(await anext(call.audio(ms=0.125))))

    on_stage(answer, lambda stage: stage.until(lambda: len(sizes) == 4))
    assert sizes == [320, 1600, 1024, 2]


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        ({"ms": 0}, "audio(ms=0) is not a length: take from one sample to 10 s"),
        ({"ms": -20}, "audio(ms=-20) is not a length: take from one sample to 10 s"),
        ({"ms": 10_001}, "audio(ms=10001) is not a length: take from one sample to 10 s"),
        ({"samples": 0}, "audio(samples=0) is not a length: take from one sample to 10 s"),
        ({"ms": float("nan")}, "audio(ms=nan) is not a length: take from one sample to 10 s"),
        ({"ms": float("inf")}, "audio(ms=inf) is not a length: take from one sample to 10 s"),
        ({"samples": 1.5}, "audio(samples=1.5) is not a length: take from one sample to 10 s"),
        ({"samples": 160, "ms": 20}, "audio() takes ms or samples, not both"),
    ],
    ids=str,
)
def test_a_length_that_is_none_is_refused(length: dict[str, Any], problem: str) -> None:
    async def answer(call: BotCall) -> None:
        with pytest.raises(ValueError, match=r"^audio") as error:
            call.audio(**length)
        assert str(error.value) == problem
        call.hangup()

    on_stage(answer, lambda stage: stage.until(lambda: stage.is_over))


def test_what_was_heard_can_be_skipped() -> None:
    skipped: list[float] = []

    async def answer(call: BotCall) -> None:
        await said.wait()
        skipped.append(call.skip())
        call.hangup()

    async def play(stage: Stage) -> None:
        for _ in range(9):
            await stage.hear()
        said.set()
        await stage.until(lambda: stage.is_over)
        assert skipped[0] >= 0.2

    said = asyncio.Event()
    on_stage(answer, play)


def test_digits_come_one_by_one_and_end_with_the_call() -> None:
    found: list[str | None] = []

    async def answer(call: BotCall) -> None:
        found.append(await call.digit())
        found.append(await call.digit(timeout=0.01))
        async for digit in call.digits():
            found.append(digit)
        found.append(await call.digit(5))

    async def play(stage: Stage) -> None:
        await stage.settle()
        stage.bot.digit(1.0, "1")
        await stage.settle()
        await asyncio.sleep(0.03)
        await stage.settle()
        assert found == ["1", None]
        stage.bot.digit(2.0, "2")
        stage.bot.digit(2.1, "#")
        await stage.settle()
        await stage.end()
        assert found == ["1", None, "2", "#", None]

    on_stage(answer, play)


def test_a_hangup_comes_once_all_was_said_and_keeps_the_result() -> None:
    async def answer(call: BotCall) -> None:
        await call.say(WORD)
        call.hangup("sales")
        with pytest.raises(CallOverError):
            await call.say(WORD)
        with pytest.raises(CallOverError):
            await call.play("x.wav")
        assert await call.said()
        await call.over()

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert np.array_equal(stage.speech, WORD)
        assert stage.call.result == "sales"
        assert stage.bot.ending == "the bot hung up"
        await stage.end(Side.SERVER)

    on_stage(answer, play)


@pytest.mark.parametrize("result", ["", "x" * 201, "two\nlines", "\0"], ids=["none", "long", "lines", "NUL"])
def test_a_result_is_a_short_printable_text(result: str) -> None:
    async def answer(call: BotCall) -> None:
        with pytest.raises(ValueError, match="is not a result"):
            call.hangup(result)
        call.hangup("x" * 200)

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert stage.call.result == "x" * 200

    on_stage(answer, play)


def test_who_says_something_after_the_end_ends_and_that_is_no_error() -> None:
    async def answer(call: BotCall) -> None:
        while True:
            await call.say(WORD)

    async def play(stage: Stage) -> None:
        await stage.settle()
        facts = await stage.end()
        assert facts["error"] is facts["stopped_by"] is None
        assert stage.call.notes == stage.log == []

    on_stage(answer, play)


async def says(call: BotCall) -> None:
    with contextlib.suppress(CallOverError):
        await call.say(WORD)


async def plays(call: BotCall) -> None:
    with contextlib.suppress(CallOverError):
        await call.play("menu.wav")


async def hears(call: BotCall) -> None:
    async for _ in call.audio():
        pass


async def asks_for_digits(call: BotCall) -> None:
    async for _ in call.digits():
        pass


@pytest.mark.parametrize(
    "again",
    [
        says, plays, hears, asks_for_digits, BotCall.digit, BotCall.said, BotCall.mark, BotCall.flush,
        lambda call: call.say(b""),
    ],
    ids=["say", "play", "audio", "digits", "digit", "said", "mark", "flush", "say-nothing"],
)  # fmt: skip
def test_one_that_asks_in_a_loop_when_the_call_is_over_lets_others_go_on(again: Callable[[BotCall], Any]) -> None:
    turns = 0

    async def answer(call: BotCall) -> None:
        nonlocal turns
        await call.over()
        turns = 0
        for _ in range(100):  # a real one would do so for ever
            with contextlib.suppress(CallOverError):
                await again(call)
        assert turns >= 90

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def play(stage: Stage) -> None:
        beside = asyncio.create_task(others())
        await stage.end()
        beside.cancel()

    on_stage(answer, play)


def test_one_that_says_nothing_in_a_loop_lets_the_call_go_on() -> None:
    async def answer(call: BotCall) -> None:
        for _ in range(10_000):  # as at the end of a file that is read
            await call.say(b"")
            if call.ended is not None:
                return
        raise AssertionError("the call did not go on")

    on_stage(answer, lambda stage: stage.tick(10))


def test_what_waits_can_be_dropped_when_the_call_is_over_too() -> None:
    dropped: list[float | bool] = []

    async def answer(call: BotCall) -> None:
        await call.say(WORD)
        first = call.mark()
        await call.say(WORD)
        last = call.mark()
        await call.over()
        dropped.append(await call.flush())
        dropped.extend([await first, await last])

    async def play(stage: Stage) -> None:
        await stage.tick(10)  # the first mark is reached with the next frame, which does not come
        await stage.end()
        assert dropped == [pytest.approx(0.2, abs=0.03), False, False]

    on_stage(answer, play)


@pytest.mark.parametrize("result", [5, b"sales", ["sales"]])
def test_a_result_that_is_no_text_is_refused(result: Any) -> None:
    async def answer(call: BotCall) -> None:
        with pytest.raises(ValueError, match="is not a result: it is text, of 1 to 200 printable characters"):
            call.hangup(result)
        call.hangup()

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.is_over)
        assert stage.call.result is None

    on_stage(answer, play)
