"""What is answered over HTTP: health checks, and an HTTP server that nobody can hold up."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from audiosocket_cli.codec import Kind
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_server import MAX_CONNECTIONS, TIMEOUT_S, Answer, HttpServer
from audiosocket_cli.net.listen import bind
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.readiness import Readiness
from support.faults import descriptors, needs_proc
from support.peers import FRAME, connected, free_port, opening, read_to_end
from support.running import COMMAND, Serve, run

WAYS = pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])


def get(port: int, path: str = "/healthz", method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@WAYS
@pytest.mark.parametrize("option", ["--health", "--metrics"])
def test_health_is_ready_until_it_drains(serve: Serve, more: tuple[str, ...], option: str) -> None:
    port = free_port()
    serving = serve(option, f"127.0.0.1:{port}", "--drain", "60", *more)
    for method in ("GET", "OPTIONS"):
        assert get(port, method=method) == (200, "ready\n")
    assert get(port, method="HEAD") == (200, "")
    with connected(serving, opening()[1], FRAME) as peer:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.stderr is not None
        told = serving.process.stderr.readline()
        while "draining" not in told:
            told = serving.process.stderr.readline()
        assert get(port) == (503, "draining\n")
        assert get(port, method="HEAD") == (503, "")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[0] == 143


def test_health_needs_no_library(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"health checks on http://127\.0\.0\.1:(\d+)/healthz\n", line)
        assert found, line
        process.stderr.readline()
        until_s = time.monotonic() + 20
        while get(int(found[1])) != (200, "ready\n"):
            assert time.monotonic() < until_s
        status, text = get(int(found[1]), "/metrics")
        assert (status, text) == (404, "not found: there is /healthz\n")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_a_server_that_stands_still_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness()
    assert readiness.health() == (503, "starting")
    readiness.ready()
    assert readiness.health() == (200, "ready")
    now_s = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now_s + 60)
    status, text = readiness.health()
    assert (status, text.startswith("hangs: nothing done for 60 s")) == (503, True)


@pytest.mark.parametrize("option", ["--health", "--metrics"])
def test_a_port_in_use_names_the_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("serve", "--listen", "127.0.0.1:0", option, f"127.0.0.1:{other.getsockname()[1]}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith(f"or choose another port with {option}")


# The HTTP server.


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


def test_250_unfinished_requests_take_few_descriptors_and_no_call_waits(serve: Serve) -> None:
    needs_proc()
    port = free_port()
    serving = serve("--metrics", f"127.0.0.1:{port}", on=["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'])
    before = descriptors(serving.process.pid)
    with ExitStack() as stack:
        for _ in range(250):
            with suppress(OSError):
                peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                peer.sendall(b"GET / HT")
        assert descriptors(serving.process.pid) <= before + 2 * MAX_CONNECTIONS
        begun_s = time.monotonic()
        with connected(serving, opening()[1]) as caller:
            assert caller.recv(1) == bytes([Kind.SLIN])
        assert time.monotonic() - begun_s < 5
        assert get(port)[0] == 200
    _, lines, err = serving.end()
    assert "cannot accept" not in err
    assert len(lines) == 2


def test_its_descriptors_are_in_the_budget() -> None:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.sources.basic import Silence

    address = Address("127.0.0.1", 0)
    plain = ServeOptions(address, CallOptions(Silence), max_calls=10)
    watched = ServeOptions(address, CallOptions(Silence), max_calls=10, metrics=address)
    assert watched.descriptors - plain.descriptors >= 2 * MAX_CONNECTIONS
    assert plain.has_descriptors(50, 10, 0)
    assert not watched.has_descriptors(50, 10, 0)
