"""A call that Python places, as the server sees it: UUID, pace, words, keys, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import statistics
import struct
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from audiosocket_cli import CallOverError, FrameDecoder, FrameError, Kind, NetworkError, UsageError, encode
from audiosocket_cli.codec import Frame, decode_digit, decode_uuid
from audiosocket_cli.net.caller import dial
from support.peers import free_port

WORD = (8000 * np.sin(np.arange(1600) * 0.3)).astype(np.int16)


class Answering:
    """A server of a few lines, which keeps what it gets."""

    def __init__(self, answer: bytes = encode(Frame(Kind.SLIN, bytes(320))), hangup_after: int = 1 << 30) -> None:
        self.frames: list[Frame] = []
        self.times_s: list[float] = []
        """When each frame came."""
        self.ended = asyncio.Event()
        self._answer = answer
        self._hangup_after = hangup_after

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = FrameDecoder()
        while data := await reader.read(4096):
            self.frames += decoder.feed(data)
            self.times_s += [time.monotonic()] * (len(self.frames) - len(self.times_s))
            writer.write(self._answer)
            if len(self.frames) >= self._hangup_after:
                writer.write(encode(Frame(Kind.HANGUP)))
        writer.close()
        self.ended.set()

    @property
    def audio(self) -> bytes:
        return b"".join(frame.payload for frame in self.frames if frame.kind >= Kind.SLIN)


def with_server(answering: Callable[[], Answering], work: Callable[[str, Answering], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        one = answering()
        server = await asyncio.start_server(one, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await asyncio.wait_for(work(f"127.0.0.1:{port}", one), 20)

    return asyncio.run(main())


@pytest.mark.parametrize(("rate_hz", "kind"), [(8000, Kind.SLIN), (16000, Kind.SLIN16)])
def test_the_server_hears_the_uuid_and_then_what_is_said(rate_hz: int, kind: Kind) -> None:
    async def work(target: str, server: Answering) -> None:
        async with dial(target, uuid="11111111-2222-4333-8444-555555555555", rate_hz=rate_hz) as call:
            assert (call.rate_hz, call.peer, call.ended) == (rate_hz, target, None)
            assert repr(call) == f"<Caller {call.uuid}, {target}, {rate_hz} Hz>"
            await call.say(WORD)
            assert await call.said()
        await server.ended.wait()
        assert decode_uuid(server.frames[0].payload) == UUID("11111111-2222-4333-8444-555555555555")
        assert {frame.kind for frame in server.frames[1:]} == {kind}
        assert WORD.tobytes() in server.audio
        assert call.ended is not None
        assert (call.ended.by, call.ended.reason) == ("caller", "the caller hung up")

    with_server(Answering, work)


def test_each_call_has_a_uuid_of_its_own() -> None:
    async def work(target: str, server: Answering) -> None:
        async with dial(target) as one, dial(target) as other:
            assert one.uuid != other.uuid

    with_server(Answering, work)


def test_while_nothing_is_said_a_quiet_line_is_sent() -> None:
    async def work(target: str, server: Answering) -> None:
        begun_s = time.monotonic()
        async with dial(target):
            while len(server.frames) < 16:
                await asyncio.sleep(0.01)
        await server.ended.wait()
        payloads = {frame.payload for frame in server.frames[1:]}
        assert payloads == {b"\1\0".ljust(320, b"\0")}  # not quite silent, as a phone that is not muted
        assert len(server.frames) < (server.times_s[-1] - begun_s) / 0.02 + 4
        # Where a busy machine holds frames up they come at once, and none comes later: the usual pause is no longer.
        assert statistics.median(after - before for before, after in pairwise(server.times_s)) < 0.05

    with_server(Answering, work)


def test_what_the_server_says_is_heard() -> None:
    speech = encode(Frame(Kind.SLIN, WORD[:160].tobytes()))

    async def work(target: str, server: Answering) -> None:
        async with dial(target) as call:
            async for frame in call.audio():
                if frame == WORD[:160].tobytes():
                    return
        raise AssertionError("the call ended")

    with_server(lambda: Answering(speech), work)


def test_keys_are_pressed_in_order_each_with_a_frame() -> None:
    async def work(target: str, server: Answering) -> None:
        async with dial(target) as call:
            call.press("12#")
            call.press("A")
            with pytest.raises(FrameError):
                call.press("1x")
            while [frame.kind for frame in server.frames].count(Kind.DTMF) < 4:
                await asyncio.sleep(0.01)
        await server.ended.wait()
        kinds = [frame.kind for frame in server.frames]
        keys = [decode_digit(frame.payload) for frame in server.frames if frame.kind == Kind.DTMF]
        assert keys == ["1", "2", "#", "A"]
        at = [number for number, kind in enumerate(kinds) if kind == Kind.DTMF]
        assert [after - before for before, after in pairwise(at)] == [2, 2, 2]

    with_server(Answering, work)


def test_a_hangup_comes_once_all_was_said() -> None:
    async def work(target: str, server: Answering) -> None:
        async with dial(target) as call:
            await call.say(WORD)
            call.hangup()
            ending = await call.over()
            assert (ending.by, ending.how) == ("caller", "closed")
            assert WORD.tobytes() in server.audio

    with_server(Answering, work)


def test_a_hangup_comes_once_all_keys_were_pressed() -> None:
    keys = "1234567890*#ABCD" * 3

    async def work(target: str, server: Answering) -> None:
        async with dial(target) as call:
            call.press(keys)
            call.hangup()
            with pytest.raises(CallOverError):
                call.press("1")
            await call.over()
        await server.ended.wait()
        assert "".join(decode_digit(frame.payload) for frame in server.frames if frame.kind == Kind.DTMF) == keys

    with_server(Answering, work)


def test_one_that_is_cancelled_as_it_begins_leaves_nothing_behind() -> None:
    async def work(target: str, server: Answering) -> None:
        async def talk() -> None:
            async with dial(target):
                raise AssertionError("it was cancelled")

        for _ in range(10):
            talking = asyncio.create_task(talk())
            while not _calls() and not talking.done():
                await asyncio.sleep(0)
            talking.cancel()
            with contextlib.suppress(asyncio.CancelledError, AssertionError):
                await talking
            assert _calls() == []

    with_server(Answering, work)


def _calls() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("call to")]


def test_a_server_that_resets_at_once_has_ended_the_call() -> None:
    async def main() -> None:
        def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
            for _ in range(20):
                async with dial(f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as call:
                    ending = await asyncio.wait_for(call.over(), 30)
                    assert ending.by == "server"

    asyncio.run(main())


def test_when_the_server_hangs_up_that_can_be_waited_for_and_nothing_more_be_said() -> None:
    async def work(target: str, server: Answering) -> None:
        async with dial(target) as call:
            ending = await call.over()
            assert (ending.by, ending.how, ending.reason) == ("server", "hangup", "server hung up")
            async for _ in call.audio():
                pass  # which ends
            with pytest.raises(CallOverError):
                await call.say(WORD)
            with pytest.raises(CallOverError):
                call.press("1")
            assert not await call.said()

    with_server(lambda: Answering(hangup_after=5), work)


def test_what_is_raised_in_the_block_ends_the_call() -> None:
    async def work(target: str, server: Answering) -> None:
        with pytest.raises(ZeroDivisionError):
            async with dial(target):
                raise ZeroDivisionError
        await server.ended.wait()

    with_server(Answering, work)


def test_calls_end_when_their_task_is_cancelled() -> None:
    async def work(target: str, server: Answering) -> None:
        async def talk() -> None:
            async with dial(target):
                begun.set()
                await asyncio.sleep(100)

        begun = asyncio.Event()
        talking = asyncio.create_task(talk())
        await begun.wait()
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
        await server.ended.wait()
        assert len(asyncio.all_tasks()) <= 3  # this one, and those of the server

    with_server(Answering, work)


@pytest.mark.parametrize(
    ("target", "options", "error", "problem"),
    [
        ("127.0.0.1:{closed}", {}, NetworkError, "cannot connect to 127.0.0.1:{closed}: connection refused"),
        ("x:y:z", {}, NetworkError, "cannot connect to"),
        ("5038", {}, UsageError, "'5038' has a number for a host"),
        ("127.0.0.1:{closed}", {"rate_hz": 11025}, UsageError, "no kind carries 11025 Hz; choose from 8000, "),
        ("127.0.0.1:{closed}", {"rate_hz": "8000"}, UsageError, "no kind carries '8000' Hz; choose from 8000, "),
        ("127.0.0.1:{closed}", {"rate_hz": 8000.0}, UsageError, "no kind carries 8000.0 Hz; choose from 8000, "),
        ("127.0.0.1:{closed}", {"uuid": "x"}, ValueError, "badly formed"),
        ("127.0.0.1:{closed}", {"uuid": 5}, ValueError, "badly formed"),
    ],
)
def test_what_cannot_be_dialled_is_told(target: str, options: dict[str, Any], error: Any, problem: str) -> None:
    closed = str(free_port())

    async def main() -> None:
        async with dial(target.replace("{closed}", closed), **options):
            pass

    with pytest.raises(error, match=re.escape(problem.replace("{closed}", closed))):
        asyncio.run(main())
