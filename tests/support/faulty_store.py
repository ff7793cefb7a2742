"""A proxy before an object store that does to requests what networks and busy stores do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

Fault = str
"""What befalls a request:

409, 500, 503   that is the answer, and nothing reaches the store
cut             closed in the middle of the body
lost, reset     the store has done it, and the answer is lost by a close, or by a reset
stall           the store has done it, and no answer ever comes
swap            another content of the same length reaches the store
"""

ANSWERS = {"409": "Conditional Request Conflict", "500": "Internal Server Error", "503": "Slow Down"}


@dataclass
class Request:
    """One that came in: what it asks for, and its body."""

    method: str
    path: str
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)
    fault: Fault | None = None


class FaultyStore:
    """Passes requests on, except those that `fault_of` names a fault for. It keeps what came: `requests`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.requests: deque[Request] = deque(maxlen=100_000)
        self.fault_of: Callable[[Request], Fault | None] = lambda request: None
        self._stalled = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._accepting = self._run(self._accept)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def once(self, method: str, part: str, *faults: Fault) -> None:
        """The next requests of a method whose path has a part in it suffer from these faults, one each."""
        left = list(faults)

        def fault_of(request: Request) -> Fault | None:
            return left.pop(0) if left and request.method == method and part in request.path else None

        self.fault_of = fault_of

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method came whose path has a part in it."""
        return sum(request.method == method and part in request.path for request in list(self.requests))

    def close(self) -> None:
        self._stalled.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()  # what it accepts until then is open
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *args: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._open.add(client)
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as asked, contextlib.suppress(OSError):
            while request := self._read(client, asked):
                if not self._answer(client, request):
                    break
        self._open.discard(client)

    def _read(self, client: socket.socket, asked: BinaryIO) -> Request | None:
        head = _read_head(asked)
        if not head:
            return None
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        request = Request(method, path, head, b"")
        length = _length(head)
        request.fault = self.fault_of(request)
        if b"100-continue" in head.lower():
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        wanted = length // 2 if request.fault == "cut" else length
        request.body = asked.read(wanted)
        if len(request.body) < wanted:  # the client has given it up; the store would wait for the rest for ever
            return None
        self.requests.append(request)
        return request

    def _answer(self, client: socket.socket, request: Request) -> bool:
        """Do what is asked for, or the fault; returns whether the connection goes on."""
        fault = request.fault
        if fault == "cut":
            return False
        if fault in ANSWERS:
            body = f"<Error><Code>{ANSWERS[fault].replace(' ', '')}</Code><Message>for a test</Message></Error>"
            client.sendall(f"HTTP/1.1 {fault} {ANSWERS[fault]}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            return True
        if fault == "swap":
            request.body = bytes(len(request.body))
        answer = self._ask(request)
        if fault == "lost":
            return False
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fault == "stall":
            self._stalled.wait()
            return False
        client.sendall(answer)
        return b"connection: close" not in answer.partition(b"\r\n\r\n")[0].lower()

    def _ask(self, request: Request) -> bytes:
        """Return the store's whole answer."""
        with (
            socket.create_connection(("127.0.0.1", self._target)) as store,
            store.makefile("rb") as said,
        ):
            store.sendall(request.head + request.body)
            head = _read_head(said)
            while head.startswith(b"HTTP/1.1 100"):
                head = _read_head(said)
            if request.method == "HEAD":
                return head
            if b"transfer-encoding: chunked" in head.lower():
                body = bytearray()
                while size := int(line := said.readline(), 16):
                    body += line + said.read(size + 2)
                return head + bytes(body) + b"0\r\n\r\n"
            return head + said.read(_length(head))


def _read_head(stream: BinaryIO) -> bytes:
    head = bytearray()
    while line := stream.readline():
        head += line
        if line == b"\r\n":
            return bytes(head)
    return b""


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@contextmanager
def faulty_store(port: int) -> Iterator[FaultyStore]:
    """A proxy to a port for the time of a test."""
    proxy = FaultyStore(port)
    try:
        yield proxy
    finally:
        proxy.close()
