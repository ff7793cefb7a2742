"""The server that passes calls on, run inside a test: its port, and what a fault of ours costs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosocket_cli.call.events import Event, Listening
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.gate import Gate
from audiosocket_cli.server.options import RelayOptions, ServeOptions
from audiosocket_cli.server.server import Server
from support.fakes import OPENING
from support.peers import free_port


def can_connect(address: Address) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(tuple(address)) == 0


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_gate_opens_the_same_port_again() -> None:
    async def main() -> None:
        accepted: list[socket.socket] = []
        listening = ListeningSockets(bind(Address("127.0.0.1", free_port())))
        (address,) = listening.addresses
        gate = Gate(listening, Address("127.0.0.1", 0), lambda peer, _: accepted.append(peer), print, lambda: False)
        assert gate.shut()
        assert not gate.shut()
        assert not can_connect(address)
        for count in (1, 2):
            gate.open()
            gate.open()
            assert can_connect(address)
            await until(lambda count=count: len(accepted) == count)  # type: ignore[misc]
            assert gate.shut()
            assert not can_connect(address)
        gate.close()
        gate.open()
        assert not can_connect(address)
        for peer in accepted:
            peer.close()

    asyncio.run(main())


def test_a_gate_whose_port_was_taken_meanwhile_says_so_and_opens_once_it_is_free() -> None:
    told: list[str] = []

    async def main() -> None:
        listening = ListeningSockets(bind(Address("127.0.0.1", free_port())))
        (address,) = listening.addresses
        gate = Gate(listening, address, lambda peer, _: peer.close(), told.append, lambda: False)
        gate.shut()
        with socket.create_server(tuple(address)):
            gate.open()
            assert len(told) == 1
            assert told[0].startswith(f"cannot listen on {address}: the port is in use")
        await until(lambda: gate.is_open)
        assert can_connect(address)
        gate.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_sockets_of_systemd_are_never_shut() -> None:
    async def main() -> None:
        listening = ListeningSockets(bind(Address("127.0.0.1", 0)), stay_open=True)
        gate = Gate(listening, Address("", 0), lambda peer, _: peer.close(), print, lambda: False)
        assert not gate.shut()
        assert gate.stays_open
        assert can_connect(listening.addresses[0])
        gate.open()
        gate.close()

    asyncio.run(main())


def test_a_fault_of_ours_ends_that_call_alone_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    complaints: list[str] = []

    def broken(self: CallStats, *_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(CallStats, "frames", broken)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as behind:
            options = ServeOptions(
                Address("127.0.0.1", 0), CallOptions(record=FileOutput.in_folder(tmp_path)),
                relay=RelayOptions([Address(*behind.getsockname())]),
            )  # fmt: skip
            server = Server(options, events.append, complaints.append)
            running = asyncio.create_task(server.run())
            await until(lambda: events)
            assert isinstance(events[0], Listening)
            with socket.create_connection(("127.0.0.1", events[0].port)) as peer:
                peer.sendall(OPENING + encode(Frame(Kind.SLIN, b"ab" * 160)))
                await until(lambda: complaints)
            server.stop()
            await running
            assert server.summary.faults == 1

    asyncio.run(asyncio.wait_for(main(), 30))
    assert complaints[0].endswith("RuntimeError('a bug')")


def test_callers_of_a_socket_of_systemd_are_reset_while_no_server_is_up() -> None:
    """That port cannot be closed: who waited in it would not know until a server is up."""

    async def main() -> None:
        told: list[Event] = []
        target = Address("127.0.0.1", free_port())
        listening = ListeningSockets(bind(Address("127.0.0.1", 0)), stay_open=True)
        (address,) = listening.addresses
        options = ServeOptions(Address("", 0), CallOptions(), relay=RelayOptions([target]))
        server = Server(options, told.append, lambda line: None, listening=listening)
        running = asyncio.create_task(server.run())
        await until(lambda: told)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(OPENING)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        server.stop()
        await running
        assert server.summary.failed == 1

    asyncio.run(asyncio.wait_for(main(), 30))
