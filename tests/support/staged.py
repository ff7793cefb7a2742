"""A call that an async function answers, whose clock moves when it is told to: no socket, and no time passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.call.bots.function import BotFunction, FunctionBot, FunctionOptions
from audiosocket_cli.call.events import Event, ProgramSaid
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from support.fakes import UUID_1


class FakeOutlet:
    """Where a bot sends frames of its own accord: they are kept with their time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: list[tuple[float, bytes]] = []
        self.replanned = 0
        self.is_open = True

    def send(self, data: bytes, now_s: float) -> bool:
        self.sent.append((now_s, data[3:]))
        return self.is_open

    def replan(self) -> None:
        self.replanned += 1


class Stage:
    """A function as a bot, on a call of its own."""

    def __init__(
        self, function: BotFunction, *, rate_hz: int | None = None, grace_s: float = 5.0, kind: int = Kind.SLIN,
        outlet: FakeOutlet | None = None,
    ) -> None:  # fmt: skip
        self.events: list[Event] = []
        self.options = FunctionOptions(function, "bot:answer", rate_hz, grace_s)
        self.bot = FunctionBot(self.options, self.events.append)
        self.pacer = self.bot.make_pacer()
        self.call = Call(Side.SERVER, "192.0.2.1:5060", UUID_1, now_utc(), self.pacer)
        self.kind = kind
        self.said: list[bytes] = []
        self.is_over = False
        self.bot.opened(self.call)
        if outlet is not None:
            self.bot.begin(outlet)

    async def hear(self, payload: bytes | None = None) -> None:
        """Let the caller say 20 ms, and the function have its turn."""
        data = bytes(frame_bytes(self.kind)) if payload is None else payload
        assert self.bot.answer(encode(Frame(self.kind, data))) is None
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def tick(self, count: int = 1) -> None:
        """Let 20 ms pass, so often: a frame of ours is due each time."""
        for _ in range(count):
            data = self.bot.next_bytes(self.kind)
            if data is None:
                self.is_over = True
                return
            self.pacer.take(self.pacer.deadline_s)
            self.said.append(data[3:])
            await self.settle()

    async def until(self, condition: Callable[[], object], most: int = 3000) -> None:
        """Let the call go on, the caller silent, until something has come about."""
        for _ in range(most):
            if condition():
                return
            await self.hear()
            await self.tick()
            if self.is_over:
                break
            await asyncio.sleep(0.001)
        assert condition(), (self.call.notes, len(self.said))

    async def end(self, by: Side = Side.CALLER) -> dict[str, object]:
        """Let the caller hang up; returns what became of the bot."""
        self.call.ending = Ending(by, How.CLOSED, f"{by} closed")
        for text in self.bot.close():
            self.call.note(text)
        self.bot.closed(self.call)
        await self.bot.finish()
        return self.facts

    @property
    def facts(self) -> dict[str, object]:
        facts: dict[str, object] = self.bot.facts()["bot"]
        return facts

    @property
    def speech(self) -> np.ndarray:
        """What was said, without the frames that are nothing but silence."""
        return np.frombuffer(b"".join(frame for frame in self.said if any(frame)), "<i2")

    @property
    def log(self) -> list[str]:
        return [event.line for event in self.events if isinstance(event, ProgramSaid)]
