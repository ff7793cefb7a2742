"""A bot of any make answers a call: what it is told, what it says of itself, and that it is seen to its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any
from uuid import UUID

from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import CallEnded, Event, ProgramSaid, Report
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.session_call import SessionCall
from audiosocket_cli.call.wire import Link
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode, uuid_frame
from audiosocket_cli.model import Call

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")


class Parrot(Bot):
    """Sends back what it hears, and keeps a diary."""

    listens = True

    def __init__(self, report: Report) -> None:
        self.diary: list[str] = []
        self._report = report

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return Frame(heard_kind or Kind.SLIN, bytes(320))

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        return data

    def opened(self, call: Call) -> None:
        self.diary.append(f"opened {call.uuid}")
        self._report(ProgramSaid(call, "hello"))

    def digit(self, at_s: float, digit: str) -> None:
        self.diary.append(f"digit {digit}")

    def closed(self, call: Call) -> None:
        self.diary.append("closed")

    async def finish(self) -> None:
        await asyncio.sleep(0)
        self.diary.append("finished")

    def kill(self) -> None:
        self.diary.append("killed")

    def facts(self) -> dict[str, Any]:
        return {"parrot": {"diary": self.diary}}


async def a_call(say: Callable[[socket.socket], object], told: list[Event]) -> tuple[Parrot, dict[str, Any]]:
    """Let a parrot answer a call in which the caller says this, and closes."""
    ours, theirs = socket.socketpair()
    with theirs:
        link = Link(ours, "peer", ("192.0.2.1", 5060))
        live = SessionCall(AnsweredSession, link, CallOptions(make_bot=Parrot), told.append)
        over = asyncio.get_running_loop().create_future()
        Driver().begin(live.session, live.wire, over.set_result)
        say(theirs)
        theirs.setblocking(False)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 1), 60), "nothing was answered"
        theirs.shutdown(socket.SHUT_WR)
        assert await asyncio.wait_for(over, 60) is None
    live.abort()
    result = await live.conclude()
    assert isinstance(live.bot, Parrot)
    assert result is not None
    return live.bot, result


def test_a_bot_is_told_of_its_call_and_its_facts_are_in_the_result() -> None:
    told: list[Event] = []
    speech = encode(Frame(Kind.SLIN, bytes(range(160)) * 2))
    words = encode(uuid_frame(UUID_1)) + speech + encode(digit_frame("5"))
    bot, result = asyncio.run(a_call(lambda caller: caller.sendall(words), told))
    assert bot.diary == [f"opened {UUID_1}", "digit 5", "closed", "killed", "finished"]
    assert result["parrot"] == {"diary": bot.diary}
    assert "program" not in result
    assert result["server"]["frames"]["slin"]["frames"] >= 1
    assert [event.line for event in told if isinstance(event, ProgramSaid)] == ["hello"]
    assert isinstance(told[-1], CallEnded)
    assert bot.processes == 0
