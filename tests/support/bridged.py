"""Calls that a bridge answers, in this process: a real session on a socket, and its caller at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from audiosocket_cli.call.bots.bridge import Bridge, BridgeOptions, BridgeProtocol
from audiosocket_cli.call.bots.bridge_dialect import Dialect
from audiosocket_cli.call.bots.speaker import Speaker
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import Event
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.session_call import SessionCall
from audiosocket_cli.call.wire import Link
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode, is_audio, uuid_frame
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from audiosocket_cli.websocket.messages import Hangup, Message
from audiosocket_cli.websocket.outbox import Outbox
from audiosocket_cli.websocket.url import parse_url

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")


def options_for(url: str, protocol: str = "twilio", **more: Any) -> BridgeOptions:
    return BridgeOptions(parse_url(url), BridgeProtocol(protocol), **more)


class BridgedCall:
    """A caller in real time, and the call that a bridge answers."""

    def __init__(self, options: BridgeOptions, kind: int = Kind.SLIN) -> None:
        ours, self._socket = socket.socketpair()
        self._socket.setblocking(False)
        self.kind = kind
        self.told: list[Event] = []
        call = CallOptions(make_bot=lambda report: Bridge(options, report))
        self.live = SessionCall(AnsweredSession, Link(ours, "peer", ("192.0.2.1", 5060)), call, self.told.append)
        self.over = asyncio.get_running_loop().create_future()
        self.frames: list[tuple[float, Frame]] = []
        """What the caller heard, with its time."""
        self.result: dict[str, Any] = {}
        self._driver = Driver()
        self._driver.begin(self.live.session, self.live.wire, self.over.set_result)
        self._reading = asyncio.ensure_future(self._read())

    @property
    def bridge(self) -> Bridge:
        assert isinstance(self.live.bot, Bridge)
        return self.live.bot

    @property
    def heard(self) -> bytes:
        """All that the caller heard."""
        return b"".join(frame.payload for _, frame in self.frames)

    @property
    def sound(self) -> bytes:
        """The same without digital silence at both ends."""
        return self.heard.strip(b"\0")

    async def send(self, frame: Frame) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, encode(frame))

    async def press(self, digit: str) -> None:
        await self.send(digit_frame(digit))

    async def speak(self, samples: bytes, *, bytes_of_frame: int = 320) -> None:
        """Say samples in frames of 20 ms, in time."""
        begun_s = time.monotonic()
        for number, start in enumerate(range(0, len(samples), bytes_of_frame)):
            await asyncio.sleep(max(0.0, begun_s + number * 0.02 - time.monotonic()))
            with contextlib.suppress(OSError):
                await self.send(Frame(self.kind, samples[start : start + bytes_of_frame]))

    async def until(self, condition: Callable[[], object], within_s: float = 60.0) -> float:
        """Wait until it holds; returns for how many seconds."""
        begun_s = time.monotonic()
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.003)
        return time.monotonic() - begun_s

    async def end(self, within_s: float = 60.0) -> dict[str, Any]:
        """Wait until the bridge has hung up."""
        async with asyncio.timeout(within_s):
            await self._reading
        return await self.hang_up()

    async def hang_up(self) -> dict[str, Any]:
        """Hang up, and return the call's result."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(15):
            assert await self.over is None
            result = await self.live.conclude()
        assert result is not None
        self.result = result
        await self.close()
        return result

    async def close(self) -> None:
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self._socket.close()
        self.live.abort()

    async def _read(self) -> None:
        decoder = FrameDecoder()
        with contextlib.suppress(OSError):
            while data := await asyncio.get_running_loop().sock_recv(self._socket, 65536):
                now_s = time.monotonic()
                self.frames += [(now_s, frame) for frame in decoder.feed(data) if is_audio(frame.kind)]


@contextlib.asynccontextmanager
async def bridged_call(
    options: BridgeOptions, kind: int = Kind.SLIN, uuid: UUID = UUID_1
) -> AsyncIterator[BridgedCall]:
    """Place a call that a bridge answers; it is over with the block."""
    call = BridgedCall(options, kind)
    try:
        await call.send(uuid_frame(uuid))
        yield call
    finally:
        if not call.result:
            call.live.abort()
            with contextlib.suppress(Exception):
                await call.live.conclude()
            await call.close()


class Talking:
    """A dialect with its speaker and its outbox, and no network."""

    def __init__(self, dialect: type[Dialect], rate_hz: int) -> None:
        self.call = Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0))
        self.speaker = Speaker(rate_hz, Kind.SLIN)
        self.outbox = Outbox()
        self.dialect = dialect(self.call, self.speaker, self.outbox)
        self.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")

    def hear(self, data: bytes, *, is_text: bool = True) -> Hangup | None:
        """Let the bot send a message."""
        return self.dialect.received(Message(data, is_text))

    def tick(self) -> bytes:
        """Return the next frame."""
        data = self._next()
        assert data is not None
        return data

    def rest(self) -> list[bytes]:
        """Return all frames to the end of the call."""
        return list(iter(self._next, None))

    def _next(self) -> bytes | None:
        data = self.dialect.next_bytes(Kind.SLIN)
        self.dialect.told(self.speaker.take_told())
        return data

    def events(self) -> list[dict[str, Any]]:
        """Take what waits for the bot, all of it JSON."""
        return [json.loads(message.data) for message in self.outbox.take()]


def talking(dialect: type[Dialect], rate_hz: int) -> Talking:
    return Talking(dialect, rate_hz)
