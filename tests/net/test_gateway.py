"""Calls to WebSocket bots of another make: what is said and heard passes, and ends come through as they are."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http
import socket
import statistics
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from audiosocket_cli.audio.pcm import from_slin, tone
from audiosocket_cli.call.bots import bridge
from audiosocket_cli.call.bots.bridge import STEP_S
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.sources.basic import QuietLine, Source
from audiosocket_cli.call.wire import Link
from audiosocket_cli.codec import KIND_BY_RATE, Frame, FrameDecoder, Kind, encode, uuid_frame
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.client import PlacedCall, place
from audiosocket_cli.net.gateway import Gateway
from audiosocket_cli.net.target import WebSocketTarget
from audiosocket_cli.websocket.url import parse_url
from support.bot_calls import (
    BotCall,
    Seen,
    answering_bot,
    echo,
    from_mu_law,
    greets,
    listen,
    to_mu_law,
)
from support.peers import free_port
from support.websocket_bots import certificate

PROTOCOLS = ["twilio", "chan-websocket", "raw"]

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


class Said(Source):
    """Says samples of one rate, frame by frame, and then ends the call, or stays."""

    def __init__(self, samples: bytes, rate_hz: int = 8000, *, stays_s: float = 0.2) -> None:
        self._samples, self._kind, self._size = samples, KIND_BY_RATE[rate_hz], rate_hz // 50 * 2
        self._stays = round(stays_s * 50)

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        said, self._samples = self._samples[: self._size], self._samples[self._size :]
        if said:
            return Frame(self._kind, said)
        self._stays -= 1
        return QuietLine(self._kind).next_frame(None) if self._stays >= 0 else None


class QuietUntil(Source):
    """A quiet line until something has come about, which ends the call."""

    def __init__(self, is_so: Callable[[], bool]) -> None:
        self._is_so, self._line = is_so, QuietLine()

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return None if self._is_so() else self._line.next_frame(heard_kind)


def target_of(url: str, protocol: str, rate_hz: int | None = None, **more: Any) -> WebSocketTarget:
    return WebSocketTarget(parse_url(url), protocol=protocol, rate_hz=rate_hz, **more)


def call(target: WebSocketTarget, source: Source | None = None, uuid: UUID | None = None) -> PlacedCall:
    options = CallOptions(lambda: source or QuietLine(), limits=Limits(duration_s=30))
    return asyncio.run(place(target, uuid or uuid4(), options))


@each_protocol
def test_a_bot_hears_what_is_said(protocol: str) -> None:
    seen, said = Seen(), tone(440, 8000, 0.4).tobytes()
    with answering_bot(listen, protocol, seen) as url:
        placed = call(target_of(url, protocol), Said(said))
    expected = from_mu_law(to_mu_law(said)) if protocol == "twilio" else said
    assert bytes(seen.audio).startswith(expected)
    assert (placed.ending.by, placed.tail_lost) == (Side.CALLER, False)
    assert seen.ends == (["stop", "1000"] if protocol == "twilio" else ["1000"])
    bridge = placed.result["bridge"]
    assert (bridge["protocol"], bridge["closed"]["code"], bridge["error"]) == (protocol, 1000, None)
    assert placed.result["findings"] == []
    assert placed.result["caller"]["worst_backlog_ms"] == 0


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_asterisks_driver_has_the_rate_of_the_call(rate_hz: int) -> None:
    seen, said = Seen(), tone(440, rate_hz, 0.3).tobytes()
    with answering_bot(echo, "chan-websocket", seen) as url:
        placed = call(target_of(url, "chan-websocket", rate_hz), Said(said, rate_hz))
    assert seen.starts[0]["optimal_frame_size"] == rate_hz // 50 * 2
    assert bytes(seen.audio).startswith(said)
    assert list(placed.result["server"]["frames"]) == [seen.starts[0]["format"]]


@pytest.mark.parametrize("protocol", ["chan-websocket", "raw"])
def test_a_caller_of_any_rate_hears_that_rate_from_the_first_frame_on(protocol: str) -> None:
    """Also one that nobody named before, as in a replay: its first frame tells."""
    seen, said = Seen(), tone(440, 48000, 0.3).tobytes()
    with answering_bot(echo, protocol, seen) as url:
        placed = call(target_of(url, protocol), Said(said, 48000))
    assert list(placed.result["server"]["frames"]) == ["slin48"]
    assert bytes(seen.audio).startswith(said)
    assert placed.result["bridge"]["rate_hz"] == 48000


def test_twilios_call_is_named_by_the_uuid_and_a_url_may_hold_it() -> None:
    seen, uuid = Seen(), uuid4()
    with answering_bot(listen, "twilio", seen) as url:
        call(target_of(url + "/{uuid}", "twilio", headers=(("X-Team", "voice"),)), Said(b"", stays_s=0.1), uuid)
    assert seen.starts[0]["callSid"] == f"CA{uuid.hex}"
    assert seen.paths == [f"/calls/{uuid}"]
    assert seen.headers[0]["X-Team"] == "voice"


@each_protocol
def test_a_bot_that_hangs_up_has_hung_up(protocol: str) -> None:
    seen = Seen()
    with answering_bot(greets() if protocol != "raw" else hangs_up, protocol, seen) as url:
        placed = call(target_of(url, protocol))
    assert (placed.ending.by, placed.ending.how) == (Side.SERVER, How.HANGUP)
    assert seen.ends == ["1000"]
    if protocol != "raw":
        assert seen.marks == ["said"]
        assert placed.first_speech_s is not None
        assert placed.result["duration_s"] >= 0.5


async def hangs_up(bot: BotCall) -> None:
    async for _ in bot.events():
        await bot.hang_up()


def test_a_bot_that_dies_has_not_hung_up() -> None:
    with answering_bot(greets(then="die"), "twilio") as url:
        placed = call(target_of(url, "twilio"))
    assert (placed.ending.by, placed.ending.how) == (Side.SERVER, How.RESET if sys.platform == "linux" else How.CLOSED)
    assert placed.result["findings"] == [f"the bot at {url} is gone: the connection ended without a close [bot-lost]"]


def test_a_bot_that_does_not_close_is_found() -> None:
    async def falls_asleep(bot: BotCall) -> None:
        async for name, _ in bot.events():
            if name == "audio":
                bot.transport.pause_reading()
                asleep.set()
                while not over.is_set():
                    await asyncio.sleep(0.02)
                bot.die()

    asleep, over = threading.Event(), threading.Event()
    with answering_bot(falls_asleep, "twilio") as url:
        try:
            placed = call(target_of(url, "twilio"), QuietUntil(asleep.is_set))
        finally:
            over.set()
    assert placed.ending.by is Side.CALLER
    assert placed.result["findings"] == [
        "the bot did not answer when the WebSocket was closed at the end of the call [bot-close]"
    ]


def test_what_is_odd_about_a_bot_is_found_in_its_call() -> None:
    async def talks_nonsense(bot: BotCall) -> None:
        await bot._websocket.send("{")
        await bot.hang_up()

    with answering_bot(talks_nonsense, "twilio") as url:
        placed = call(target_of(url, "twilio"))
    (finding,) = placed.result["findings"]
    assert "the bot's message is ignored" in finding


def test_a_bot_that_cannot_be_reached_gets_no_call() -> None:
    with pytest.raises(NetworkError, match="connection refused; does the bot listen there") as failed:
        call(target_of(f"ws://127.0.0.1:{free_port()}/", "twilio"))
    assert isinstance(failed.value.__cause__, ConnectionRefusedError)


def test_a_bot_that_refuses_gets_no_call() -> None:
    def refuse(websocket: ServerConnection, request: Any) -> Any:
        return websocket.respond(http.HTTPStatus.FORBIDDEN, "no")

    seen = Seen()
    with (
        answering_bot(listen, "twilio", seen, process_request=refuse) as url,
        pytest.raises(NetworkError, match="HTTP 403 Forbidden"),
    ):
        call(target_of(url, "twilio"))
    assert seen.starts == []


def test_a_certificate_that_nobody_knows_is_not_trusted(tmp_path: Path) -> None:
    file, context = certificate(tmp_path)
    seen = Seen()
    with answering_bot(listen, "twilio", seen, ssl=context) as url:
        with pytest.raises(NetworkError, match="cannot trust"):
            call(target_of(url, "twilio"))
        placed = call(target_of(url, "twilio", ca=file), Said(tone(440, 8000, 0.2).tobytes()))
    assert placed.ending.by is Side.CALLER
    assert len(seen.audio) >= 3200


class Caller:
    """The caller's end of a call through a gateway, without a session."""

    def __init__(self, gateway: Gateway, link: Link) -> None:
        self.gateway, self.link, self.decoder = gateway, link, FrameDecoder()

    async def send(self, *frames: Frame) -> None:
        await asyncio.get_running_loop().sock_sendall(self.link.socket, b"".join(map(encode, frames)))

    async def receive(self) -> list[Frame] | None:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.link.socket, 65536), 30)
        return self.decoder.feed(data) if data else None


@contextlib.asynccontextmanager
async def caller(url: str, protocol: str = "chan-websocket") -> AsyncIterator[Caller]:
    gateway = Gateway(target_of(url, protocol))
    link = await gateway.connect()
    try:
        yield Caller(gateway, link)
    finally:
        link.socket.close()
        await asyncio.wait_for(gateway.finish(), 30)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))  # type: ignore[arg-type]


def test_what_a_bot_says_is_played_in_steps_that_follow_the_callers_frames() -> None:
    """So a bot that answers each frame is heard within the same 20 ms, and not at any time within them."""

    async def test() -> None:
        async with caller(url) as end:
            await end.send(uuid_frame(uuid4()))
            await asyncio.sleep(0.033)  # the first steps are those of the UUID
            begun_s = time.monotonic()
            await end.send(Frame(Kind.SLIN, bytes(320)))
            after_s = list[float]()
            while len(after_s) < 60:
                heard = await end.receive() or []
                after_s += [(time.monotonic() - begun_s) % 0.02] * len(heard)
            quarter_s, median_s, _ = statistics.quantiles(after_s[10:])  # which a stall does not move
            assert median_s >= STEP_S
            assert quarter_s < STEP_S + 0.006

    with answering_bot(listen, "chan-websocket") as url:
        run(test)


def test_the_callers_socket_closes_when_the_bots_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_GOODBYE_S", 60.0)
    hears, may_close = threading.Event(), threading.Event()

    async def closes_late(bot: BotCall) -> None:
        async for name, _ in bot.events():
            if name == "audio":
                bot.transport.pause_reading()
                hears.set()
                while not may_close.is_set():
                    await asyncio.sleep(0.01)
                bot.transport.resume_reading()

    async def test() -> None:
        async with caller(url, "twilio") as end:
            await end.send(uuid_frame(uuid4()), Frame(Kind.SLIN, bytes(320)))
            while not hears.is_set():
                await asyncio.sleep(0.01)
            end.link.socket.shutdown(socket.SHUT_WR)
            closed = asyncio.create_task(until_it_is_closed(end))
            await asyncio.sleep(0.3)
            assert not closed.done()
            may_close.set()
            await closed

    async def until_it_is_closed(end: Caller) -> None:
        while await end.receive() is not None:
            pass

    with answering_bot(closes_late, "twilio") as url:
        try:
            run(test)
        finally:
            may_close.set()


def test_a_caller_who_closes_without_a_word_leaves_nothing_behind() -> None:
    async def test() -> None:
        async with caller(url) as end:
            assert end.link.theirs[1] == parse_url(url).port
            assert end.link.peer == url

    seen = Seen()
    with answering_bot(listen, "chan-websocket", seen) as url:
        run(test)
    assert (seen.starts, len(seen.ends)) == ([], 1)


def test_a_call_that_is_killed_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_GOODBYE_S", 60.0)

    async def test() -> None:
        async with caller(url) as end:
            await end.send(uuid_frame(uuid4()))
            await end.receive()
            assert end.link.through is not None
            end.link.through.kill()
            begun_s = time.monotonic()
            await end.link.through.finish()
            assert time.monotonic() - begun_s < 15

    with answering_bot(listen, "chan-websocket") as url:
        run(test)


def test_a_call_leaves_memory_as_soon_as_it_is_over() -> None:
    async def test() -> None:
        gateway = Gateway(target_of(url, "twilio"))
        end, _, _, _, passage = await gateway.connect()
        await asyncio.get_running_loop().sock_sendall(end, encode(uuid_frame(uuid4())))
        await asyncio.sleep(0.1)
        end.close()
        await gateway.finish()
        found = weakref.ref(passage)
        del passage
        await asyncio.sleep(0)
        assert found() is None

    with answering_bot(listen, "twilio") as url:
        gc.disable()
        try:
            run(test)
        finally:
            gc.enable()


def test_a_tone_through_mu_law_is_a_tone() -> None:
    """So what the tests above compare with is right."""
    samples = tone(440, 8000, 0.2)
    again = from_slin(from_mu_law(to_mu_law(samples.tobytes())))
    assert np.corrcoef(samples, again)[0, 1] > 0.999
