"""`--listen NAME` listens on all addresses of the name, with one port, wherever there is a --listen."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import BACKLOG, Listener, ListeningSockets, bind
from support.peers import free_port, opening
from support.running import COMMAND, missing

BOTH = (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET))


def resolves_to(*addresses: tuple[str, int]) -> Callable[..., list[tuple[object, ...]]]:
    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0) if family == socket.AF_INET6 else (address, port))
            for address, family in addresses
        ]

    return getaddrinfo


@pytest.fixture
def _needs_both() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        missing("this machine has no ::1")


def listen_on(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int], port: int = 0) -> list[tuple[str, int]]:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(*addresses))
    listeners = bind(Address("name.example", port))
    try:
        return [listener.getsockname()[:2] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.usefixtures("_needs_both")
def test_each_address_is_listened_on_with_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        (first, port), (second, other_port) = listen_on(monkeypatch, *BOTH)
        assert (first, second) == ("::1", "127.0.0.1")
        assert port == other_port != 0


@pytest.mark.usefixtures("_needs_both")
def test_an_address_that_is_named_twice_is_listened_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(listen_on(monkeypatch, *BOTH, *BOTH)) == 2


@pytest.mark.usefixtures("_needs_both")
def test_an_address_that_this_machine_lacks_is_left_out_while_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = ("2001:db8::1", socket.AF_INET6)
    assert [host for host, _ in listen_on(monkeypatch, lacking, BOTH[1])] == ["127.0.0.1"]
    assert [host for host, _ in listen_on(monkeypatch, BOTH[1], lacking)] == ["127.0.0.1"]
    with pytest.raises(NetworkError, match="does not have that address"):
        listen_on(monkeypatch, lacking)


@pytest.mark.usefixtures("_needs_both")
def test_a_family_that_this_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    create_server = socket.create_server

    def without_ipv6(address: tuple[str, int], *, family: int, **more: bool) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create_server(address, family=family, **more)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    assert [host for host, _ in listen_on(monkeypatch, *BOTH)] == ["127.0.0.1"]


@pytest.mark.usefixtures("_needs_both")
@pytest.mark.parametrize(("host", "family"), BOTH, ids=["ipv6", "ipv4"])
def test_a_port_that_another_program_has_on_one_of_them_is_in_use(
    monkeypatch: pytest.MonkeyPatch, host: str, family: int
) -> None:
    port = free_port()
    in_use = rf"cannot listen on name.example:{port}: the port is in use"
    with socket.create_server((host, port), family=family), pytest.raises(NetworkError, match=in_use):
        listen_on(monkeypatch, *BOTH, port=port)
    assert len(listen_on(monkeypatch, *BOTH, port=port)) == 2, "half of it was left open"


@pytest.mark.usefixtures("_needs_both")
def test_a_free_port_is_looked_for_again_where_it_is_taken_on_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    create_server, failures = socket.create_server, [OSError(errno.EADDRINUSE, "Address already in use")] * 3

    def in_use_at_first(address: tuple[str, int], *, family: int, **more: bool) -> socket.socket:
        if family == socket.AF_INET and failures:
            raise failures.pop()
        return create_server(address, family=family, **more)

    monkeypatch.setattr(socket, "create_server", in_use_at_first)
    assert len(listen_on(monkeypatch, *BOTH)) == 2
    failures[:] = [OSError(errno.EADDRINUSE, "Address already in use")] * 100
    with pytest.raises(NetworkError, match="in use"):
        listen_on(monkeypatch, *BOTH)


LOCALHOST = """
import socket
real = socket.getaddrinfo
def getaddrinfo(host, port, *args, **more):
    if host != "localhost":
        return real(host, port, *args, **more)
    stream = (socket.SOCK_STREAM, 6, "")
    return [(socket.AF_INET6, *stream, ("::1", port, 0, 0)), (socket.AF_INET, *stream, ("127.0.0.1", port))]
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.usefixtures("_needs_both")
@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--json"),
        ("serve", "--json", "--workers", "2"),
        ("record", "calls/", "--calls", "2", "--json"),
        ("play", "hello.wav", "--json"),
        ("inject-dtmf", "1", "--json"),
    ],
    ids=["serve", "workers", "record", "play", "inject-dtmf"],
)
def test_callers_of_either_family_are_answered(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOCALHOST)
    soundfile.write(tmp_path / "hello.wav", tone(440, 8000, 0.5), 8000)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*COMMAND, words[0], *words[1:], "--listen", "localhost:0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        line = process.stderr.readline()
        while not line.startswith("listening on") and process.poll() is None:
            line = process.stderr.readline()
        found = re.match(
            r"listening on localhost:(\d+) \(\[::1\] and 127\.0\.0\.1; this machine only; --listen :\1 opens it", line
        )
        assert found, line
        listening = json.loads(process.stdout.readline())
        assert listening["addresses"] == [f"[::1]:{found[1]}", f"127.0.0.1:{found[1]}"]
        assert (listening["host"], listening["port"]) == ("::1", int(found[1]))
        for number, host in enumerate(("::1", "127.0.0.1") if words[0] in ("serve", "record") else ("127.0.0.1",)):
            with socket.create_connection((host, int(found[1])), timeout=20) as peer:
                peer.sendall(opening(number)[1])
                assert peer.recv(1) == bytes([Kind.SLIN])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


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
                for _ in range(600):
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
