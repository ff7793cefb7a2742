"""The server as a library: functions answer real calls, and nothing of the process is taken over."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli import BotCall, CallOverError, NetworkError, UsageError, dial
from audiosocket_cli.call.bots.function import BotFunction
from audiosocket_cli.server.serving import Serving, serve, serving
from support.peers import free_port

WORD = (8000 * np.sin(np.arange(2400) * 0.3)).astype(np.int16)


async def echo(call: BotCall) -> None:
    async for frame in call.audio():
        await call.say(frame)


async def heard_back(call: Any, least: int = 8) -> None:
    """Wait until some frames of a word come back."""
    loud = 0
    async for frame in call.audio():
        if np.abs(np.frombuffer(frame, "<i2").astype(int)).max() > 4000:
            loud += 1
            if loud >= least:
                return
    raise AssertionError("the call ended")


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), 30))


def test_a_function_answers_at_the_address_that_is_told() -> None:
    async def work() -> None:
        async with serving(echo, "127.0.0.1:0") as server, dial(server.address) as call:
            assert isinstance(server, Serving)
            assert repr(server) == f"<Serving on 127.0.0.1:{server.port}>"
            await call.say(np.tile(WORD, 100))
            saying = asyncio.create_task(call.said())  # for half a minute
            await heard_back(call)
            assert not saying.done()  # it is heard back while there is more to say
            saying.cancel()

    run(work)


def test_fifty_calls_at_once_each_hear_their_own(tmp_path: Path) -> None:
    async def answer(call: BotCall) -> None:
        await call.say(np.full(1600, call.uuid.int % 1000 + 1, np.int16))
        await call.said()

    async def one(address: str, number: int) -> None:
        async with dial(address, uuid=f"00000000-0000-4000-8000-{number:012x}") as call:
            heard = b"".join([piece async for piece in call.audio()])
            samples = np.frombuffer(heard, "<i2")
            assert set(samples.tolist()) == {0, call.uuid.int % 1000 + 1}
            assert np.count_nonzero(samples) == 1600

    async def work() -> None:
        async with serving(answer, "127.0.0.1:0") as server:
            await asyncio.gather(*(one(server.address, number) for number in range(50)))

    run(work)


def test_one_that_raises_ends_its_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(call: BotCall) -> None:
        async for frame in call.audio():
            if call.uuid.int % 2:
                raise ValueError("odd")
            await call.say(frame)

    async def work() -> None:
        async with serving(answer, "127.0.0.1:0") as server:
            uuid = "00000000-0000-4000-8000-00000000000"
            async with dial(server.address, uuid=f"{uuid}2") as good, dial(server.address, uuid=f"{uuid}1") as bad:
                ending = await bad.over()
                assert (ending.by, ending.how) == ("server", "hangup")
                await good.say(WORD)
                await heard_back(good)

    run(work)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors[0].endswith("| Traceback (most recent call last):")
    assert errors[-1].endswith("| ValueError: odd")
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "finding: the bot raised ValueError: odd at test_serving.py:" in warnings[0]


def test_calls_are_recorded_captured_and_told_as_events(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []

    async def answer(call: BotCall) -> None:
        assert await call.digit(60) == "1"
        await call.say(WORD)
        call.hangup("sales")

    async def work() -> None:
        async with serving(
            answer, "127.0.0.1:0", record=tmp_path / "calls", capture=tmp_path / "all.pcapng", rate_hz=16000,
            on_event=events.append,
        ) as server, dial(server.address) as call:  # fmt: skip
            call.press("1")
            await call.over()

    run(work)
    assert [event["event"] for event in events] == ["listening", "call", "digit", "ended"]
    told = events[-1]["call"]
    (path,) = (tmp_path / "calls").glob("*.json")
    assert json.loads(path.read_text()) == told
    assert told["bot"]["function"] == f"{__name__}:test_calls_are_recorded_captured_and_told_as_events.<locals>.answer"
    assert told["bot"]["rate_hz"] == 16000
    assert told["ended_reason"] == "the bot hung up"
    assert told["dtmf"][0]["digit"] == "1"
    samples, rate_hz = soundfile.read(path.with_suffix(".wav"), dtype="int16")
    assert (samples.shape[1], rate_hz) == (2, 8000)
    assert np.abs(samples[:, 1]).max() > 4000
    assert (tmp_path / "all.pcapng").stat().st_size > 5000


def test_a_callback_that_fails_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: dict[str, Any]) -> None:
        raise OSError(event["event"])

    async def work() -> None:
        async with serving(echo, "127.0.0.1:0", on_event=fail) as server, dial(server.address) as call:
            await call.say(WORD)
            await heard_back(call)

    run(work)
    assert "the callback for the event call failed" in caplog.text


def test_no_more_calls_than_allowed_are_answered() -> None:
    async def work() -> None:
        async with serving(echo, "127.0.0.1:0", max_calls=1) as server, dial(server.address) as one:
            await one.say(WORD)
            await heard_back(one, 1)
            async with dial(server.address) as other:
                assert (await other.over()).by == "server"

    run(work)


def test_at_the_end_of_the_block_calls_are_hung_up_and_the_port_is_free() -> None:
    async def work() -> None:
        async with serving(echo, f"127.0.0.1:{free_port()}") as server:
            calling = dial(server.address)
            call = await calling.__aenter__()
            await call.say(WORD)
            await heard_back(call, 1)
        assert (await call.over()).by == "server"
        await calling.__aexit__(None, None, None)
        async with serving(echo, server.address):
            pass
        assert len(asyncio.all_tasks()) <= 2  # this one, and what waits for it

    run(work)


def test_serve_goes_on_until_it_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with caplog.at_level(logging.INFO):
            task = asyncio.create_task(serve(echo, "127.0.0.1:0"))
            while "listening on" not in caplog.text:
                await asyncio.sleep(0.01)
        address = caplog.records[0].message.split()[-1]
        async with dial(address) as call:
            await call.say(WORD)
            await heard_back(call)
            task.cancel()
            assert (await call.over()).by == "server"
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work)


def test_a_second_cancellation_ends_it_now() -> None:
    answering = asyncio.Event()

    async def hangs(call: BotCall) -> None:
        answering.set()
        await asyncio.sleep(100)

    async def work() -> None:
        async def main() -> None:
            async with serving(hangs, "127.0.0.1:0", grace_s=60) as server, dial(server.address):
                await asyncio.sleep(100)

        task = asyncio.create_task(main())
        await answering.wait()
        task.cancel()
        await asyncio.sleep(0.3)
        assert not task.done()  # the function has its grace
        begun_s = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun_s < 20  # of the 60 that it has otherwise

    run(work)


def test_nothing_of_the_process_is_taken_over() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    fewer = (min(before[1], 500), before[1])

    async def work() -> None:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handlers = {number: signal.getsignal(number) for number in numbers}
        async with serving(echo, "127.0.0.1:0"):
            await asyncio.sleep(0.1)
            assert {number: signal.getsignal(number) for number in numbers} == handlers
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == fewer

    resource.setrlimit(resource.RLIMIT_NOFILE, fewer)
    try:
        run(work)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


SCRIPT = """
import asyncio
from audiosocket_cli import dial, serving

async def answer(call):
    await call.say(b"\\1\\0" * 1600)
    await call.said()

async def main():
    async with serving(answer, "127.0.0.1:0") as server, dial(server.address) as call:
        await call.over()

asyncio.run(main())
"""


def test_it_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-X", "dev", "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_names_are_there_without_loading_all_of_it() -> None:
    script = "import sys, audiosocket_cli; from audiosocket_cli import Frame; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


async def no_argument() -> None:
    pass


@pytest.mark.parametrize(
    ("function", "options", "error", "problem"),
    [
        (lambda call: None, {}, UsageError, "is not async: write async def"),
        (no_argument, {}, UsageError, "no_argument has to take one argument, the call"),
        (3, {}, UsageError, "is not a function: it is of type int"),
        (echo, {"listen": "127.0.0.1:x"}, UsageError, "'127.0.0.1:x' is not an address"),
        (echo, {"listen": "192.0.2.1:0"}, NetworkError, "this machine does not have that address"),
        (echo, {"rate_hz": 11025}, UsageError, "11025 Hz is not a rate that a bot can have"),
        (echo, {"rate_hz": 8000.0}, UsageError, "8000.0 Hz is not a rate that a bot can have"),
        (echo, {"rate_hz": "8000"}, UsageError, "'8000' Hz is not a rate that a bot can have"),
        (echo, {"max_calls": 0}, UsageError, "max_calls=0 is not a number of calls: 1 or more, or None"),
        (echo, {"max_calls": -1}, UsageError, "max_calls=-1 is not a number of calls"),
        (echo, {"max_calls": "3"}, UsageError, "max_calls='3' is not a number of calls"),
        (echo, {"grace_s": -1}, UsageError, "grace_s=-1 is not a length of time: 0 or more seconds"),
        (echo, {"grace_s": float("nan")}, UsageError, "grace_s=nan is not a length of time"),
        (echo, {"grace_s": None}, UsageError, "grace_s=None is not a length of time"),
        (echo, {"on_event": 5}, UsageError, "on_event=5 cannot be called as a function that is not async"),
        (echo, {"on_event": echo}, UsageError, "cannot be called as a function that is not async"),
        (echo, {"record": ""}, UsageError, "the name of a folder or file is empty"),
        (echo, {"capture": ""}, UsageError, "the name of a folder or file is empty"),
        (echo, {"record": "/proc/calls"}, UsageError, "cannot record to /proc/calls"),
        (echo, {"port": 9092}, TypeError, "unexpected keyword argument 'port'"),
    ],
)
def test_what_is_wrong_is_told_at_once(
    function: BotFunction, options: dict[str, Any], error: Any, problem: str
) -> None:
    async def work() -> None:
        async with serving(function, **{"listen": "127.0.0.1:0", **options}):
            pass

    with pytest.raises(error, match=problem):
        run(work)


def test_a_bot_is_told_when_its_caller_has_gone() -> None:
    told: list[str] = []

    async def answer(call: BotCall) -> None:
        try:
            while True:
                await call.say(WORD)
        except CallOverError as error:
            told.append(str(error))

    async def work() -> None:
        async with serving(answer, "127.0.0.1:0") as server:
            async with dial(server.address) as call:
                await heard_back(call, 1)
            while not told:
                await asyncio.sleep(0.01)

    run(work)
    assert told == ["the call is over: nothing more can be said in it"]
