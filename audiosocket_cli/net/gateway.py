"""Calls to a WebSocket bot: for each one a gateway inside this process, which answers it over AudioSocket as any server
does, and passes it on to the bot as a telephone system does.

    whoever places the call  ->  socket pair  ->  an answered session  ->  bridge  ->  WebSocket  ->  the bot

So a placed call, its recording, its times and its verdict are the same as with an AudioSocket server. Three things make
it as true as one:

- The WebSocket is connected before the call begins. When that fails, there is no call.
- What the caller says is passed on as soon as it arrives. What the bot says is played in steps of 20 ms, as telephone
  systems do; the steps begin `bridge.STEP_S` after the caller's frames. A bot that works in such steps, too, as most
  do, is heard that much later, rather than at any time within 20 ms.
- The caller's socket closes when the WebSocket has closed. So how long a bot takes to close is measured.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from audiosocket_cli.call.bots.bridge import STEP_S, Bridge, BridgeOptions, BridgeProtocol, dial_bot
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.taps.tap import FLUSH_S
from audiosocket_cli.call.wire import Link, SocketWire, queues
from audiosocket_cli.codec import KIND_BY_RATE
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.net.target import WebSocketTarget
from audiosocket_cli.websocket.link import Link as BotLink

_MAX_LOOKS: Final = 5
"""How often the first frame to a caller is postponed whose kind is not known yet: by its length in all."""

_UNREAD_S: Final = 0.05
"""A caller who speaks sends something within this time."""

_LOOK_S: Final = 0.005

_NO_CLOSE: Final = 1006
"""The code of a WebSocket whose other end has said no close."""

_UNANSWERED_CLOSE: Final = tagged(
    "bot-close", "the bot did not answer when the WebSocket was closed at the end of the call"
)


class Gateway:
    """Passes any number of calls on to one bot."""

    def __init__(self, target: WebSocketTarget) -> None:
        self._target = target
        self._options = BridgeOptions(
            target.url, BridgeProtocol(target.protocol), target.rate_hz, headers=target.headers, ca=target.ca
        )
        self._driver: Driver | None = None
        """Made with the first call, as it needs the running loop."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, uuid: UUID | None = None) -> Link:
        """Connect to the bot, and return the caller's end of a call to it. Raises `NetworkError`."""
        link = await dial_bot(self._options, uuid or uuid4())
        if self._driver is None:
            self._driver = Driver(at_once=True)
        try:
            end, far_end = socket.socketpair()
        except OSError:
            link.shut()
            raise
        end.setblocking(False)
        ours, theirs = link.addresses()
        passage = Passage(_StandIn(self._options, link, self._target), link, far_end)
        passage.begin(self._driver, self._tasks)
        return Link(end, str(self._target), theirs, ours, passage)

    async def finish(self) -> None:
        """Wait until all calls are over."""
        while self._tasks:
            await asyncio.wait(self._tasks)


class Passage:
    """One call's way from the caller's socket to the bot: a `Through`."""

    def __init__(self, bot: _StandIn, link: BotLink, connection: socket.socket) -> None:
        """Answer the call that comes on a connected socket with a bot, to which there is a link."""
        self._bot = bot
        self._link = link
        self._wire = _FarWire(connection, bot)
        self._session = _FarSession(self._wire, str(bot.target), source=bot)
        self._session.watch([bot], flush_s=FLUSH_S)
        self._task: asyncio.Task[None] | None = None
        self._is_killed = False

    def begin(self, driver: Driver, tasks: set[asyncio.Task[None]]) -> None:
        """Begin to run it; its task is among `tasks` until it is over."""
        task = self._task = asyncio.create_task(self._run(driver), name=f"gateway to {self._session.peer}")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _run(self, driver: Driver) -> None:
        """Run it to its end, that of the bot's connection included."""
        try:
            await driver.drive(self._session, self._wire)
        finally:
            try:
                if self._session.begun:
                    await self._bot.finish()
                else:  # the caller has closed without a word
                    self._link.close()
                    self._link.shut()
                if self._bot.is_lost:
                    await self._wire.until_unread()
            finally:
                self._wire.let_go()

    async def finish(self) -> Sequence[str]:
        assert self._task is not None
        await asyncio.shield(self._task)
        call, closed = self._session.call, self._link.closed
        if call is None or self._is_killed or self._bot.is_lost or closed is None or closed.code != _NO_CLOSE:
            return () if call is None else call.notes
        return [*call.notes, _UNANSWERED_CLOSE]

    def kill(self) -> None:
        self._is_killed = True
        self._session.abort()
        self._bot.kill()

    def facts(self) -> dict[str, Any]:
        call = self._session.call
        result = {} if call is None or call.result is None else {"result": call.result}
        return self._bot.facts() | result


class _StandIn(Bridge):
    """A bridge to the bot that is called."""

    def __init__(self, options: BridgeOptions, link: BotLink, target: WebSocketTarget) -> None:
        """Speak to the target, to which there is a link."""
        super().__init__(options, _tell_nobody, link)
        self.target = target
        self._first_kind = None if target.rate_hz is None else KIND_BY_RATE[target.rate_hz]
        self._looks = 0

    @property
    def is_lost(self) -> bool:
        """Whether the bot has not ended the call in order."""
        return self._failure is not None

    def opened(self, call: Call) -> None:
        call.variables = dict(self.target.variables)
        super().opened(call)

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        kind = heard_kind or self._first_kind
        if kind is None and self._looks < _MAX_LOOKS:  # the caller's first frame, on its way, tells it
            self._looks += 1
            return b""
        return super().next_bytes(kind)

    def _follow_the_caller(self) -> None:
        """Speak at once: the bot is connected already, and with a later step its first answers would wait for each
        other, and all that follow would be late by a frame."""
        super()._follow_the_caller()
        self._pacer.postponed_s = 0.0  # the bot was not waited for
        self._pacer.restart(time.monotonic() + STEP_S)


class _FarSession(AnsweredSession):
    """The session of the far end, which waits for no answer to the loss of its bot."""

    __slots__ = ()

    def _finish(self, ending: Ending) -> None:
        super()._finish(ending)
        if isinstance(self.wire, _FarWire) and self.wire.is_lost:
            asyncio.get_running_loop().call_soon(self.abort)


class _FarWire(SocketWire):
    """The wire of the far end: it stays open until the bot's connection is closed as well.

    A bot that is lost has not hung up. So there is no hangup then: the socket closes with something unread, which the
    caller finds as a reset, on Linux, or as the end of the stream.
    """

    __slots__ = ("_bot",)

    def __init__(self, connection: socket.socket, bot: _StandIn) -> None:
        super().__init__(connection)
        self._bot = bot

    @property
    def is_lost(self) -> bool:
        """Whether the bot is."""
        return self._bot.is_lost

    def end_sending(self, last: bytes = b"") -> None:
        if self.is_lost:
            self.release()
        else:
            super().end_sending(last)

    async def until_unread(self) -> None:
        """Wait until the caller has sent something that nobody reads, but not for long."""
        until_s = time.monotonic() + _UNREAD_S
        while not queues(self.fileno())[0] and time.monotonic() < until_s:
            await asyncio.sleep(_LOOK_S)

    def close(self) -> None:
        self._writable = self.blocked = False

    def let_go(self) -> None:
        """Close it."""
        super().close()


def _tell_nobody(event: object) -> None:
    """The bot's notes come with the end of its call."""
