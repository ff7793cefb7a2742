"""Connecting as Asterisk does, with an event loop and without."""

from __future__ import annotations

import asyncio
import socket

import pytest

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address, peer_name
from audiosocket_cli.net.dial import dial, dial_and_wait
from audiosocket_cli.net.listen import bind


def test_dialling_tries_each_address_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind(Address("127.0.0.1", 0))[0] as listener:
        port = listener.getsockname()[1]

        two_addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: two_addresses)

        async def main() -> str:
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
