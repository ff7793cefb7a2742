"""The HTTP server: each request has its answer, and nobody is kept out."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress

import pytest

from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_server import TIMEOUT_S, Answer, HttpServer
from audiosocket_cli.net.listen import bind


@pytest.fixture
def port() -> int:
    (listener,) = bind(Address("127.0.0.1", 0))
    broken: dict[str, object] = {}
    HttpServer([listener], {"/healthz": lambda _: Answer(200, b"well\n"),
                            "/broken": lambda _: broken["not there"]})  # type: ignore[dict-item,return-value]  # fmt: skip
    return int(listener.getsockname()[1])


def ask(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(pause_s)
        answer = b""
        with suppress(ConnectionResetError):
            while data := peer.recv(65536):
                answer += data
    return answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"GET /healthz?full HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"OPTIONS /healthz HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET /else HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /broken HTTP/1.1\r\n\r\n", b"500 Internal Server Error"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405 Method Not Allowed"),
        (b"\x16\x03\x01\r\n\r\n", b"400 Bad Request"),
        (b"GET /healthz\r\n\r\n", b"400 Bad Request"),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"431 Request Header Fields Too Large"),
    ],
)
def test_each_request_has_its_answer(port: int, request_bytes: bytes, status: bytes) -> None:
    answer = ask(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Connection: close" in head


def test_a_request_in_pieces_and_several_at_once_have_one_answer(port: int) -> None:
    request = b"GET /healthz HTTP/1.1\r\n\r\n"
    assert ask(port, request[:5], request[5:20], request[20:], pause_s=0.05).count(b"HTTP/1.1 200") == 1
    assert ask(port, request * 20).count(b"HTTP/1.1 200") == 1


def test_who_finishes_no_request_keeps_nobody_out(port: int) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(250)]
        for peer in peers:
            with suppress(OSError):
                peer.sendall(b"GET /healthz HTTP/1.1\r\n")
        begun_s = time.monotonic()
        assert ask(port, b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun_s < TIMEOUT_S
        for peer in peers:  # none is kept for ever, however slowly it goes on
            with suppress(OSError):
                while peer.recv(100):
                    pass
        assert time.monotonic() - begun_s < 4 * TIMEOUT_S


def test_who_sends_byte_by_byte_has_no_more_time(port: int) -> None:
    begun_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer, suppress(OSError):
        while time.monotonic() < begun_s + 4 * TIMEOUT_S:
            peer.sendall(b"x")
            time.sleep(0.2)
    assert time.monotonic() - begun_s < 4 * TIMEOUT_S
