"""Connections: a bounded number, and a bounded time for each, whoever connects; calls go on."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from support.faults import descriptors, needs_proc
from support.peers import FRAME, read_to_end
from support.web import Web, calling, running


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with running("--echo") as started:
        yield started


def answered(web: Web) -> int:
    return web.ask("/healthz").status


def test_a_thousand_connections_are_bounded_and_keep_out_nobody(web: Web) -> None:
    needs_proc()
    before = descriptors(web.serving.process.pid)
    with calling(web) as peer, contextlib.ExitStack() as stack:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                stack.enter_context(web.raw())
        assert answered(web) == 200
        assert descriptors(web.serving.process.pid) - before < 128 + 40
        peer.sendall(FRAME * 5)
        peer.shutdown(socket.SHUT_WR)
        assert sum(len(frame.payload) for frame in read_to_end(peer)) >= 320 * 5
    until_s = time.monotonic() + 60
    while descriptors(web.serving.process.pid) > before + 20:
        assert time.monotonic() < until_s
        time.sleep(0.1)


def test_who_sends_no_request_or_half_of_one_is_closed(web: Web) -> None:
    with web.raw() as silent, web.raw() as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for peer in (silent, slow):
            peer.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""
    assert answered(web) == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
     (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 900_000, b"400"),
     (b"nonsense\r\n\r\n", b"400"), (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
     (b"GET / HTTP/1.1\r\n\r\n", b"400"), (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
     (b"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", b"405"),
     (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"200")],
    ids=["headers too large", "headers without end", "nonsense", "TLS", "no host", "not ASCII", "method", "upgrade"],
)  # fmt: skip
def test_odd_requests_are_answered_or_refused(web: Web, request_: bytes, status: bytes) -> None:
    with web.raw() as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(request_)
        with contextlib.suppress(ConnectionError):
            assert peer.recv(65536).split()[1] == status
    assert answered(web) == 200


def test_requests_one_after_another_on_one_connection_are_answered_in_order(web: Web) -> None:
    with web.raw() as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        data = b""
        while data.count(b"ready\n") < 20:
            piece = peer.recv(65536)
            assert piece
            data += piece
        assert data.count(b"HTTP/1.1 200") == 20


def test_who_never_sends_the_rest_of_a_request_keeps_nobody_out(web: Web) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(200):
            with contextlib.suppress(OSError):
                peer = stack.enter_context(web.raw())
                method = b"POST /login" if number % 2 else b"GET /api/events"
                peer.sendall(method + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\npassword=")
        assert answered(web) == 200


def test_two_lengths_of_one_request_are_refused(web: Web) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for lengths in (b"Content-Length: 4\r\nContent-Length: 5\r\n", b"Content-Length: +4\r\n",
                    b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding : chunked\r\n"):  # fmt: skip
        with web.raw() as peer:
            peer.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lengths + b"\r\n0\r\n\r\n" + smuggled)
            peer.shutdown(socket.SHUT_WR)
            told = peer.makefile("rb").read()
            assert told.split()[1] in (b"400", b"501"), lengths
            assert told.count(b"HTTP/1.1") == 1
