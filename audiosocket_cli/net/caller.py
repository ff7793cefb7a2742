"""A call that code in Python places and talks in, as Asterisk would: for tests of bots, and for callers of any kind."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from audiosocket_cli.call.bots.answer_pacer import AnswerPacer
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.bot_call import LineCall
from audiosocket_cli.call.bots.line import CallOverError, Line
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.session import PlacedSession
from audiosocket_cli.call.session_call import SessionCall
from audiosocket_cli.call.sources.basic import frame_of, quiet_frame, silence_frame
from audiosocket_cli.call.sources.prompts import Threads
from audiosocket_cli.call.wire import Link
from audiosocket_cli.codec import KIND_BY_RATE, Frame, digit_frame, encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Call
from audiosocket_cli.net.address import parse_address
from audiosocket_cli.net.dial import dial as connect


class Caller(LineCall):
    """A call that we have placed: we are the caller, and hear the server."""

    __slots__ = ("_keys",)

    def __init__(self, line: Line, keys: deque[Frame]) -> None:
        super().__init__(line)
        self._keys = keys

    def press(self, digits: str) -> None:
        """Press keys, 0 to 9, *, # and A to D: one every 40 ms, from now on.

        Raises `FrameError` for any other, and `CallOverError` when the call is over.
        """
        frames = [digit_frame(digit) for digit in digits]
        if self._line.is_over:
            raise CallOverError("the call is over: no key can be pressed in it")
        self._keys.extend(frames)

    def hangup(self) -> None:
        """End the call once everything queued has been said and all keys were pressed; `flush` before it drops the
        speech."""
        self._line.hang_up()


class _CallerEnd(Bot):
    """Our end of such a call, as its session sees it."""

    listens = hears_together = True
    ending = "the caller hung up"
    descriptors = 2

    def __init__(self, kind: int, rate_hz: int) -> None:
        self.line: Line | None = None
        """Once the call has begun."""
        self.keys: deque[Frame] = deque()
        self._kind = kind
        self._rate_hz = rate_hz
        self._silence = encode(silence_frame(kind))
        self._is_pressed = False
        self._pacer = AnswerPacer(0.0)

    def make_pacer(self) -> Pacer:
        return self._pacer

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        assert self.line is not None
        if self.keys and not self._is_pressed:
            self._is_pressed = True
            return self.keys.popleft()
        self._is_pressed = False
        data = self.line.next_bytes()
        if data is None and self.keys:  # they come before the hangup, as what was said does
            data = self._silence
        return quiet_frame(self._kind) if data == self._silence else frame_of(data)

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        assert self.line is not None
        self.line.heard.take(data)
        return None

    def opened(self, call: Call) -> None:
        self.line = Line(call, self._rate_hz, self._kind, Threads(1), self._pacer)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        assert self.line is not None
        assert call.ending is not None
        self.line.end(call.ending)

    def close(self) -> list[str]:
        return [] if self.line is None else self.line.close()

    async def finish(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def facts(self) -> dict[str, Any]:
        return {}


@contextlib.asynccontextmanager
async def dial(target: str, *, uuid: UUID | str | None = None, rate_hz: int = 8000) -> AsyncIterator[Caller]:
    """Place a call to `host:port`, as Asterisk would, and hang up at the end of the block.

    `uuid` is a new one unless it is given; `rate_hz` is that of the kind that we speak.

    Raises `NetworkError` where nobody answers, `UsageError` for a rate that no kind has and for what is not an
    address, and `ValueError` for what is not a UUID.
    """
    kind = KIND_BY_RATE.get(rate_hz)
    if kind is None or type(rate_hz) is not int:
        raise UsageError(f"no kind carries {rate_hz!r} Hz; choose from {', '.join(map(str, KIND_BY_RATE))}")
    address = parse_address(target)
    if uuid is not None and not isinstance(uuid, UUID):
        uuid = UUID(str(uuid))
    connection = await connect(address)
    end = _CallerEnd(kind, rate_hz)
    link = Link(connection, str(address), connection.getsockname())
    live = SessionCall(PlacedSession, link, CallOptions(make_bot=lambda report: end), lambda event: None, uuid=uuid)
    driving = asyncio.create_task(Driver(at_once=True).drive(live.session, live.wire), name=f"call to {address}")
    try:
        await asyncio.sleep(0)  # it begins at once
        assert end.line is not None
        yield Caller(end.line, end.keys)
    finally:
        live.stop("the caller hung up")
        await driving
        await live.conclude()
