"""What WebSocket bots of another make do in a call: they speak Twilio's protocol, that of Asterisk's chan_websocket, or
plain samples, from the bot's side. What a bot does is a coroutine that gets a `BotCall`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from audiosocket_cli.audio.pcm import decode_law
from support.websocket_bots import threaded_bot

_LEVELS = decode_law(bytes(range(256)), "µ-law").astype(int)
_ORDER = np.argsort(_LEVELS, kind="stable")
_BETWEEN = (_LEVELS[_ORDER][1:] + _LEVELS[_ORDER][:-1]) / 2

LOUD = 500
SPEECH = (8000 * np.sin(np.arange(4000) * 0.3)).astype("<i2").tobytes()
"""Half a second at 8 kHz."""


def to_mu_law(slin: bytes) -> bytes:
    """Return the nearest µ-law values."""
    return _ORDER[np.searchsorted(_BETWEEN, np.frombuffer(slin, "<i2"))].astype(np.uint8).tobytes()


def from_mu_law(data: bytes) -> bytes:
    return decode_law(data, "µ-law").astype("<i2").tobytes()


@dataclass
class Seen:
    """What a bot has seen of all its calls."""

    starts: list[dict[str, Any]] = field(default_factory=list)
    """The `start` of Twilio, the MEDIA_START of Asterisk."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    digits: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    """All samples, at the rate of the call."""
    loud_s: list[float] = field(default_factory=list)
    """When something loud came, on the monotonic clock."""
    ends: list[str] = field(default_factory=list)
    """How calls ended: `stop`, and the close code."""


class BotCall:
    """One call as the bot sees it."""

    def __init__(self, websocket: ServerConnection, protocol: str, seen: Seen) -> None:
        self._websocket, self._protocol, self.seen = websocket, protocol, seen
        self._stream = ""
        self.transport = websocket.transport
        self.loud_s = 0.0
        """When the caller last spoke."""

    async def events(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield ("audio", slin), ("digit", "5") and ("mark", name) until the call is over."""
        async for message in self._websocket:
            read = {"twilio": self._twilio, "chan-websocket": self._asterisk, "raw": self._raw}[self._protocol]
            name, value = read(message)
            if name == "audio":
                self.seen.audio += value
                if np.abs(np.frombuffer(value, "<i2").astype(int)).max(initial=0) > LOUD:
                    self.loud_s = time.monotonic()
                    self.seen.loud_s.append(self.loud_s)
            elif name == "digit":
                self.seen.digits.append(value)
            elif name == "mark":
                self.seen.marks.append(value)
            elif name == "stop":
                self.seen.ends.append("stop")
            if name:
                yield name, value

    def _twilio(self, message: Any) -> tuple[str, Any]:
        event = json.loads(message)
        match event["event"]:
            case "start":
                self._stream = event["streamSid"]
                self.seen.starts.append(event["start"])
            case "media":
                return "audio", from_mu_law(base64.b64decode(event["media"]["payload"]))
            case "dtmf":
                return "digit", event["dtmf"]["digit"]
            case "mark":
                return "mark", event["mark"]["name"]
            case "stop":
                return "stop", None
        return "", None

    def _asterisk(self, message: Any) -> tuple[str, Any]:
        if isinstance(message, bytes):
            return "audio", message
        event = json.loads(message)
        match event["event"]:
            case "MEDIA_START":
                self.seen.starts.append(event)
            case "DTMF_END":
                return "digit", event["digit"]
            case "MEDIA_MARK_PROCESSED":
                return "mark", event["correlation_id"]
        return "", None

    def _raw(self, message: Any) -> tuple[str, Any]:
        if isinstance(message, bytes):
            return "audio", message
        event = json.loads(message)
        return ("digit", event["digit"]) if event["event"] == "digit" else ("", None)

    async def say(self, slin: bytes) -> None:
        if self._protocol == "twilio":
            payload = base64.b64encode(to_mu_law(slin)).decode()
            await self._send(event="media", streamSid=self._stream, media={"payload": payload})
        else:
            await self._websocket.send(slin)

    async def mark(self, name: str) -> None:
        if self._protocol == "twilio":
            await self._send(event="mark", streamSid=self._stream, mark={"name": name})
        else:
            await self._send(command="MARK_MEDIA", correlation_id=name)

    async def clear(self) -> None:
        if self._protocol == "twilio":
            await self._send(event="clear", streamSid=self._stream)
        elif self._protocol == "raw":
            await self._send(flush=True)
        else:
            await self._send(command="FLUSH_MEDIA")

    async def _send(self, **message: Any) -> None:
        await self._websocket.send(json.dumps(message))

    async def hang_up(self) -> None:
        await self._websocket.close()

    def die(self) -> None:
        """End as a process that is killed: no close frame, no more data."""
        self.transport.abort()


Behaviour = Callable[[BotCall], Awaitable[None]]


async def echo(call: BotCall) -> None:
    """Say what is heard, at once."""
    async for name, value in call.events():
        if name == "audio":
            await call.say(value)


async def listen(call: BotCall) -> None:
    """Say nothing."""
    async for _ in call.events():
        pass


def answers(delay_s: float, speech: bytes = SPEECH) -> Behaviour:
    """Return a bot that says something so long after the caller's last loud frame, and clears when interrupted."""

    async def talk(call: BotCall) -> None:
        loop = asyncio.get_running_loop()
        said_s = -10.0
        timer: asyncio.TimerHandle | None = None
        tasks: set[asyncio.Task[None]] = set()

        def speak() -> None:
            nonlocal said_s
            said_s = time.monotonic()
            tasks.add(asyncio.ensure_future(call.say(speech)))

        async for name, _ in call.events():
            if name != "audio" or call.loud_s < time.monotonic() - 0.01:
                continue
            if timer is not None:
                timer.cancel()
            if time.monotonic() - said_s < len(speech) / 16000:
                said_s = -10.0
                await call.clear()
            timer = loop.call_later(delay_s, speak)
        if timer is not None:
            timer.cancel()

    return talk


def greets(speech: bytes = SPEECH, then: str = "hang up") -> Behaviour:
    """Return a bot that says something, waits until that has been played, and hangs up, dies or goes on."""

    async def talk(call: BotCall) -> None:
        begun = False
        async for name, value in call.events():
            if not begun:
                begun = True
                await call.say(speech)
                await call.mark("said")
            if (name, value) == ("mark", "said"):
                if then == "die":
                    call.die()
                elif then == "hang up":
                    await call.hang_up()

    return talk


@contextlib.contextmanager
def answering_bot(
    behaviour: Behaviour, protocol: str = "twilio", seen: Seen | None = None, **options: Any
) -> Iterator[str]:
    """Answer calls in a thread of its own, on the URL that is returned; `options` are those of `websockets.serve`."""
    seen = seen if seen is not None else Seen()
    if protocol == "chan-websocket":
        options.setdefault("subprotocols", ["media"])

    async def answer(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        seen.paths.append(websocket.request.path)
        seen.headers.append(dict(websocket.request.headers.raw_items()))
        try:
            with contextlib.suppress(ConnectionClosed):
                await behaviour(BotCall(websocket, protocol, seen))
        finally:
            await websocket.wait_closed()
            seen.ends.append(str(websocket.close_code))

    with threaded_bot(answer, **options) as url:
        yield f"{url}calls"
