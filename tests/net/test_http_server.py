"""The HTTP server: each request has its answer, and nobody is kept out."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_routes import Answer, Request
from audiosocket_cli.net.http_server import MAX_BODY_BYTES, TIMEOUT_S, HttpServer
from audiosocket_cli.net.listen import bind


@pytest.fixture
def port() -> int:
    (listener,) = bind(Address("127.0.0.1", 0))
    broken: dict[str, object] = {}

    async def later(request: Request) -> Answer:
        await asyncio.sleep(0.5)
        return Answer(200, b"later\n")

    HttpServer([listener], {
        "/healthz": lambda _: Answer(200, b"well\n"),
        "/broken": lambda _: broken["not there"],  # type: ignore[dict-item,return-value]
        "/later": {"GET": later},
        "/nothing": {"GET": lambda _: Answer(204, b"")},
        "/back/{what}": {"POST": lambda request: Answer(200, request.parts["what"].encode() + b" " + request.body)},
    }, connections=8)  # fmt: skip
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
        (b"POST /back/a HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"200 OK"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: 8192\r\n\r\n" + bytes(8192), b"200 OK"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: 8193\r\n\r\n" + bytes(8193), b"413 Request Entity Too Large"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"400 Bad Request"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400 Bad Request"),
        (b"POST /back/a HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400 Bad Request"),
        (b"POST /back/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411 Length Required"),
        (b"POST /back/ HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /back/a/b HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /back/a HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"DELETE /later HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"431 Request Header Fields Too Large"),
    ],
)
def test_each_request_has_its_answer(port: int, request_bytes: bytes, status: bytes) -> None:
    answer = ask(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Connection: close" in head


def test_a_body_comes_to_its_handler_whole_and_with_the_part_of_the_path(port: int) -> None:
    head = b"POST /back/sales HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
    assert ask(port, head, b"abc", b"def", pause_s=0.05).endswith(b"\r\n\r\nsales abcdef")
    assert ask(port, head + b"abcdefgh").endswith(b"\r\n\r\nsales abcdef")


def test_a_body_that_never_comes_is_not_waited_for_for_ever(port: int) -> None:
    begun_s = time.monotonic()
    assert ask(port, b"POST /back/a HTTP/1.1\r\nContent-Length: %d\r\n\r\nabc" % MAX_BODY_BYTES) == b""
    assert time.monotonic() - begun_s < 4 * TIMEOUT_S


def test_an_answer_without_content_has_no_length_and_head_has_no_body(port: int) -> None:
    assert b"Content-Length" not in ask(port, b"GET /nothing HTTP/1.1\r\n\r\n")
    answer = ask(port, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_request_that_waits_for_its_answer_keeps_its_place_before_those_that_have_theirs(port: int) -> None:
    with ExitStack() as stack:
        waiting = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        waiting.sendall(b"GET /later HTTP/1.1\r\n\r\n")
        for _ in range(20):  # who has an answer, and does not close
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            peer.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.1 200")
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")


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
