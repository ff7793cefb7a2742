"""The first call finds out what a server does."""

from __future__ import annotations

import asyncio
import socket

from audiosocket_cli.check.nature import Nature, find_nature
from audiosocket_cli.check.trial import Setting, Trial
from audiosocket_cli.net.address import Address
from support.faulty import HANGUP, SILENCE, Call, EchoServer, OverError, frame_of, serving


class Delays(EchoServer):
    """Echoes ten frames later."""

    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        call.held += frame_of(kind, payload)
        if call.frames > 10:
            self.send(call, call.held[:323])
            call.held = call.held[323:]

    def idle(self, call: Call) -> None:
        self.send(call, call.held or SILENCE)
        call.held = b""


class Speaks(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        self.send(call, frame_of(kind, bytes(reversed(payload))))


class Listens(EchoServer):
    def send(self, call: Call, data: bytes) -> None:
        pass


class HangsUp(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.frames > 25:
            call.socket.sendall(HANGUP)
            call.socket.shutdown(socket.SHUT_WR)
            raise OverError


def nature_and_lateness_of(server: type[EchoServer]) -> tuple[Nature, float]:
    async def whole(port: int) -> tuple[Nature, float]:
        trial = Trial(Setting(Address("127.0.0.1", port)), "nature")
        probe = await trial.call()
        nature = await find_nature(probe)
        await trial.close()
        return nature, probe.lateness_s

    with serving(server) as running:
        return asyncio.run(whole(running.port))


def nature_of(server: type[EchoServer]) -> Nature:
    return nature_and_lateness_of(server)[0]


def test_an_echo_is_known() -> None:
    nature, late_s = nature_and_lateness_of(EchoServer)
    assert (nature.echoes, nature.speaks, nature.ended_s) == (True, True, None)
    assert nature.delay_s < 0.15 + late_s
    assert str(nature).startswith("the server echoes (")


def test_a_late_echo_is_one_and_its_delay_is_known() -> None:
    nature, late_s = nature_and_lateness_of(Delays)
    assert nature.echoes
    assert 0.15 < nature.delay_s < 0.6 + late_s


def test_a_server_that_says_something_else_only_speaks() -> None:
    nature = nature_of(Speaks)
    assert (nature.echoes, nature.speaks) == (False, True)
    assert str(nature) == "the server speaks, and does not echo"


def test_a_server_that_says_nothing_only_listens() -> None:
    nature = nature_of(Listens)
    assert (nature.echoes, nature.speaks) == (False, False)
    assert str(nature) == "the server only listens"


def test_a_server_that_ends_the_call_is_known() -> None:
    nature = nature_of(HangsUp)
    assert nature.ended_s is not None
    assert 0.4 < nature.ended_s < 10
    assert "sent a hangup frame and closed the connection" in str(nature)
