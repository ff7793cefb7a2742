"""The driver on real sockets, on either event loop."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable

import pytest

from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode
from audiosocket_cli.model import Call
from audiosocket_cli.net.loop import run
from support.fakes import OPENING, KeepingTap
from support.peers import wire_and_peer


@pytest.mark.parametrize("runner", [asyncio.run, run], ids=["asyncio", "uvloop"])
def test_a_driven_session_talks_and_ends_on_either_loop(runner: Callable[..., None]) -> None:
    peer, wire = wire_and_peer()
    tap = KeepingTap()

    async def main() -> None:
        session = AnsweredSession(wire, "peer", source=Silence())
        session.watch([tap])
        driving = asyncio.create_task(Driver().drive(session, wire))
        peer.sendall(OPENING + encode(Frame(Kind.SLIN, bytes(320))))
        while session.call is None:
            await asyncio.sleep(0)
        begun_s = time.monotonic()
        await asyncio.sleep(0.3)
        while session.wake_s <= time.monotonic():  # where the machine stood still: what is due comes first
            await asyncio.sleep(0)
        lasted_s = time.monotonic() - begun_s - session.pacer.slipped_s
        session.hang_up("enough")
        decoder, frames = FrameDecoder(), []
        while data := await asyncio.to_thread(peer.recv, 65536):
            frames += decoder.feed(data)
        peer.close()
        await driving
        assert frames[-1] == Frame(Kind.HANGUP)
        assert len(frames) - 1 == pytest.approx(lasted_s / 0.02, abs=4)

    runner(main())
    assert [timed.frame.kind for timed in tap.heard] == [Kind.SLIN]
    assert wire.fileno() == -1


@pytest.mark.parametrize("how", ["stop", "hang_up", "abort"])
@pytest.mark.parametrize("opening", [b"", OPENING[:5]], ids=["silent", "half a UUID"])
def test_who_has_not_said_a_uuid_is_hung_up_at_once(how: str, opening: bytes) -> None:
    """Not when the time for the UUID is over, which the session was waiting for."""
    peer, wire = wire_and_peer()

    async def main() -> None:
        session = AnsweredSession(wire, "peer", source=Silence(), limits=Limits(uuid_s=1000))
        driving = asyncio.create_task(Driver().drive(session, wire))
        peer.sendall(opening)
        await asyncio.sleep(0.1)
        end = getattr(session, how)
        end() if how == "abort" else end("enough")
        await asyncio.wait_for(driving, 100)
        assert session.closed_silently == (not opening)

    asyncio.run(main())
    peer.close()


def test_a_fault_of_ours_ends_that_call_alone_and_reaches_who_awaits_it() -> None:
    peer, wire = wire_and_peer()

    class Broken(KeepingTap):
        def digit(self, at_s: float, digit: str) -> None:
            raise RuntimeError("a bug")

    async def main() -> None:
        session = AnsweredSession(wire, "peer", source=Silence())
        session.watch([Broken()])
        driving = asyncio.create_task(Driver().drive(session, wire))
        peer.sendall(OPENING + b"\x03\x00\x011")
        with pytest.raises(RuntimeError, match="a bug"):
            await driving

    asyncio.run(main())
    with peer:
        while peer.recv(65536):
            pass
    assert wire.fileno() == -1


def test_a_session_that_is_always_late_keeps_the_loop_from_nothing() -> None:
    peer, wire = wire_and_peer()
    ticks: list[int] = []

    class Late(AnsweredSession):
        def tick(self) -> None:
            ticks.append(1)
            self.wake_s = 0.0 if len(ticks) < 10_000 else math.inf  # or this would never end

    async def main() -> None:
        session = Late(wire, "peer", source=Silence())
        driving = asyncio.create_task(Driver().drive(session, wire))
        begun_s = time.monotonic()
        await asyncio.sleep(0)
        session.wake_s = 0.0
        peer.sendall(OPENING)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            while len(ticks) < 2:
                await asyncio.sleep(0)
        assert len(ticks) <= 10 + (time.monotonic() - begun_s) / 0.002  # one in each slot of 2 ms
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)

    with peer:
        asyncio.run(main())


def test_the_end_of_a_call_is_read_once_however_long_its_taps_wait_for_their_turn() -> None:
    calls = 30

    class CountingWire(SocketWire):
        reads = 0

        def read_ahead(self) -> None:
            self.reads += 1
            super().read_ahead()

    class SlowTap(KeepingTap):
        def closed(self, call: Call) -> None:
            time.sleep(0.002)  # more than a turn of deferred work: many calls that end at once wait for each other

    async def main() -> list[int]:
        driver, driving, peers, wires, sessions = Driver(), [], [], [], []
        with socket.create_server(("127.0.0.1", 0), backlog=calls) as listener:
            for _ in range(calls):
                peers.append(socket.create_connection(listener.getsockname()))
                wires.append(CountingWire(listener.accept()[0]))
                sessions.append(AnsweredSession(wires[-1], "peer", source=Silence()))
                sessions[-1].watch([SlowTap()])
                driving.append(asyncio.create_task(driver.drive(sessions[-1], wires[-1])))
        for peer in peers:
            peer.sendall(OPENING)
        async with asyncio.timeout(60):
            while any(session.call is None for session in sessions):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        before = [wire.reads for wire in wires]
        for peer in peers:
            peer.shutdown(socket.SHUT_WR)
        await asyncio.gather(*driving)
        for peer in peers:
            peer.close()
        return [wire.reads - reads for wire, reads in zip(wires, before, strict=True)]

    assert max(asyncio.run(main())) <= 2
