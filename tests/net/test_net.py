"""Addresses, listening, dialling, and the driver on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import Event, Listening
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.address import Address, parse_address, peer_name
from audiosocket_cli.net.dial import dial, dial_and_wait
from audiosocket_cli.net.listen import BACKLOG, Listener, ListeningSockets, bind
from audiosocket_cli.net.loop import run
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Server
from support.fakes import OPENING, KeepingTap


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host:1234", ("host", 1234)),
        ("host", ("host", 9092)),
        (":1234", ("", 1234)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:1234", ("::1", 1234)),
        ("[::1]", ("::1", 9092)),
        ("::1", ("::1", 9092)),
        ("fe80::1%eth0", ("fe80::1%eth0", 9092)),
    ],
)
def test_an_address_is_read_as_written(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == Address(*address)


@pytest.mark.parametrize("text", ["", "host:", "host:x", "host:65536", "host:-1", "9092", "[::1", "a]:1", "[::1]x:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse_address(text)
    except UsageError:
        return
    assert 0 <= address.port <= 65535
    assert parse_address(str(address)) == address or not address.host


def test_an_ipv4_peer_on_an_ipv6_socket_has_its_ipv4_name() -> None:
    assert peer_name(("::ffff:192.0.2.1", 5, 0, 0)) == "192.0.2.1:5"
    assert peer_name(("2001:db8::1", 5, 0, 0)) == "[2001:db8::1]:5"


def test_dialling_tries_each_address_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind(Address("127.0.0.1", 0))[0] as listener:
        port = listener.getsockname()[1]

        async def two_addresses(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]

        async def main() -> str:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
            with await dial(Address("two.example", port)) as connection:
                return peer_name(connection.getpeername())

        assert asyncio.run(main()) == f"127.0.0.1:{port}"


def test_dialling_without_an_event_loop_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind(Address("127.0.0.1", 0))[0] as listener:
        port = listener.getsockname()[1]
        two_addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: two_addresses)
        with dial_and_wait(Address("two.example", port)) as connection:
            assert peer_name(connection.getpeername()) == f"127.0.0.1:{port}"
            assert not connection.getblocking()
    monkeypatch.undo()
    with pytest.raises(NetworkError, match="is the host name right"):
        dial_and_wait(Address("no such host", 9092))


def test_dialling_gives_an_address_two_seconds() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with pytest.raises(NetworkError, match="no answer within 2 s"):
            asyncio.run(dial(Address(*full.getsockname())))
        with pytest.raises(NetworkError, match="no answer within 2 s") as failed:
            dial_and_wait(Address(*full.getsockname()))
        assert isinstance(failed.value.__cause__, TimeoutError)
        for filler in fillers:
            filler.close()


def test_a_listener_without_descriptors_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[str] = []
    accepted: list[str] = []

    class Starved(socket.socket):
        starved = True

        def accept(self) -> tuple[socket.socket, object]:
            if Starved.starved:
                Starved.starved = False
                raise OSError(24, "Too many open files")
            return super().accept()

    async def main() -> None:
        with Starved() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)

            def accept(connection: socket.socket, peer: str) -> None:
                accepted.append(peer)
                connection.close()

            listening = Listener(ListeningSockets([listener]), accept, complaints.append)
            with socket.create_connection(listener.getsockname()):
                for _ in range(40):
                    await asyncio.sleep(0.05)
                    if accepted:
                        break
            listening.close()
            listening.close()

    asyncio.run(main())
    assert complaints == ["cannot accept calls for 0.5 s: too many open files (see `ulimit -n`)"]
    assert len(accepted) == 1


def accepted_in(listening: int, *, is_ahead: Callable[[], bool] = lambda: False) -> list[int]:
    """Connect so many times, then listen; return how many were accepted in each turn of the loop that accepted any."""
    turns: list[int] = []

    async def main() -> None:
        now = 0

        def accept(connection: socket.socket, peer: object) -> None:
            nonlocal now
            now += 1
            connection.close()

        with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as server, contextlib.ExitStack() as peers:
            server.setblocking(False)
            for _ in range(listening):
                peers.enter_context(socket.create_connection(server.getsockname()))
            listener = Listener(ListeningSockets([server]), accept, print, is_ahead)
            async with asyncio.timeout(30):
                while sum(turns) < listening:
                    await asyncio.sleep(0)
                    turns.append(now)
                    now = 0
            listener.close()

    asyncio.run(main())
    return [count for count in turns if count]


def test_a_burst_of_connections_is_accepted_some_at_a_time() -> None:
    """Calls have their turn in between."""
    turns = accepted_in(300)
    assert sum(turns) == 300
    assert max(turns) <= 64


def test_who_is_ahead_leaves_a_burst_to_nobody_for_long() -> None:
    """Another process may stand still: whoever steps back for it again and again takes more each time."""
    turns = accepted_in(64, is_ahead=lambda: True)
    assert sum(turns) == 64
    assert turns[0] == 1
    assert len(turns) <= 12


def pair() -> tuple[socket.socket, SocketWire]:
    """A TCP connection: a peer's end and a wire over ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.settimeout(5)
    return peer, SocketWire(ours)


@pytest.mark.parametrize("runner", [asyncio.run, run], ids=["asyncio", "uvloop"])
def test_a_driven_session_talks_and_ends_on_either_loop(runner: Callable[..., None]) -> None:
    peer, wire = pair()
    tap = KeepingTap()

    async def main() -> None:
        session = AnsweredSession(wire, "peer", source=Silence(), taps=[tap])
        driving = asyncio.create_task(Driver().drive(session, wire))
        peer.sendall(OPENING + encode(Frame(Kind.SLIN, bytes(320))))
        await asyncio.sleep(0.3)
        session.hang_up("enough")
        decoder, frames = FrameDecoder(), []
        while data := await asyncio.to_thread(peer.recv, 65536):
            frames += decoder.feed(data)
        peer.close()
        await driving
        assert frames[-1] == Frame(Kind.HANGUP)
        assert 13 <= len(frames) - 1 <= 17

    runner(main())
    assert [timed.frame.kind for timed in tap.heard] == [Kind.SLIN]
    assert wire.fileno() == -1


def test_a_fault_of_ours_ends_that_call_alone_and_reaches_who_awaits_it() -> None:
    peer, wire = pair()

    class Broken(KeepingTap):
        def digit(self, at_s: float, digit: str) -> None:
            raise RuntimeError("a bug")

    async def main() -> None:
        session = AnsweredSession(wire, "peer", source=Silence(), taps=[Broken()])
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
    peer, wire = pair()
    ticks: list[int] = []

    class Late(AnsweredSession):
        def tick(self) -> None:
            ticks.append(1)
            self.wake_s = 0.0 if len(ticks) < 10_000 else math.inf  # or this would never end

    async def main() -> None:
        session = Late(wire, "peer", source=Silence())
        driving = asyncio.create_task(Driver().drive(session, wire))
        await asyncio.sleep(0)
        session.wake_s = 0.0
        peer.sendall(OPENING)
        await asyncio.sleep(0.1)
        assert 1 < len(ticks) <= 60  # one in each slot of 2 ms
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)

    with peer:
        asyncio.run(main())


def test_a_peer_that_does_not_read_gets_whole_frames_later() -> None:
    peer, wire = pair()
    data = encode(Frame(Kind.SLIN192, bytes(range(256)) * 30))
    sent = 0
    while not wire.blocked and sent < 10_000:
        sent += wire.send(data)
    assert wire.blocked
    assert not wire.send(data)
    decoder, frames = FrameDecoder(), []
    while len(frames) < sent:
        frames += decoder.feed(peer.recv(65536))
        wire.flush()
    assert frames == [Frame(Kind.SLIN192, bytes(range(256)) * 30)] * sent
    decoder.finish()
    peer.close()
    wire.close()
    wire.close()


def test_a_goodbye_waits_behind_the_frame_that_the_peer_has_not_read_yet() -> None:
    peer, wire = pair()
    data = encode(Frame(Kind.SLIN192, bytes(7680)))
    sent = 0
    while not wire.blocked and sent < 10_000:
        sent += wire.send(data)
    wire.end_sending(encode(Frame(Kind.HANGUP)))
    wire.end_sending()
    assert not wire.send(data)
    assert wire.undelivered > 0
    decoder, frames = FrameDecoder(), []
    while received := peer.recv(65536):
        frames += decoder.feed(received)
        if wire.blocked:
            wire.flush()
    decoder.finish()
    assert len(frames) == sent + 1
    assert frames[-1] == Frame(Kind.HANGUP)
    peer.close()
    wire.close()


def test_a_fault_of_ours_is_counted_and_costs_neither_the_recording_nor_another_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    complaints: list[str] = []

    def broken(self: CallStats, *_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(CallStats, "frames", broken)
    options = ServeOptions(Address("127.0.0.1", 0), CallOptions(Silence, FileOutput.in_folder(tmp_path)))
    server = Server(options, events.append, complaints.append)

    async def main() -> None:
        running = asyncio.create_task(server.run())
        while not events:
            await asyncio.sleep(0.01)
        assert isinstance(events[0], Listening)
        with socket.create_connection(("127.0.0.1", events[0].port)) as peer:
            peer.sendall(OPENING + encode(Frame(Kind.SLIN, b"ab" * 160)))
            while not complaints:
                await asyncio.sleep(0.02)
        server.stop()
        await running

    asyncio.run(main())
    assert len(complaints) == 1
    assert complaints[0].endswith("RuntimeError('a bug')")
    assert server.summary.faults == 1
    (wav,) = tmp_path.glob("*.wav")
    assert soundfile.read(wav, dtype="int16")[0][:160].tobytes() == b"ab" * 160
