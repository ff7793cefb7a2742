"""A proxy for HTTP with faults: in front of a store, or of what gets events.

A fault is drawn for each request, by the mode that is set at the time. Requests that are passed on reach the other side
as they came, but for their `Connection` header: each has a connection of its own there.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

MODES = {
    "up": {"pass": 1},
    "refused": {"pass": 1},  # nobody listens
    "silent": {"silent": 1},
    "slow": {"slow": 1},
    "503": {"503": 3, "pass": 1},
    "500": {"500": 3, "pass": 1},
    "429": {"429": 3, "pass": 1},
    "cut": {"cut": 3, "pass": 1},
    "answer lost": {"answer lost": 3, "pass": 1},
    "answer cut": {"answer cut": 3, "pass": 1},
    "mixed": {"pass": 4, "slow": 1, "503": 1, "500": 1, "cut": 2, "answer lost": 2, "answer cut": 1},
}  # fmt: skip
"""What may happen to a request in each mode, and how often beside the others."""

ERRORS = {
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "500": ("500 Internal Server Error", "InternalError", "The store has failed. Please try again."),
    "429": ("429 Too Many Requests", "TooManyRequests", "Please wait."),
}

PIECE_BYTES = 1 << 12
SLOW_PIECE_S, SLOW_ANSWER_S = 0.02, 0.3
RETRY_AFTER_S = 1
MAX_HEAD_BYTES = 1 << 16
TIMEOUT_S = 120.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""


@dataclass(frozen=True)
class Request:
    """A request as it came, but for its body."""

    head: bytes
    length: int

    @property
    def passed_on(self) -> bytes:
        """Its head, for a connection that is used once."""
        lines = [line for line in self.head.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*lines, b"Connection: close", b"", b""])

    @classmethod
    def read(cls, reader: BufferedReader) -> Request | None:
        """Read the head of the next request; None where there is no other."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline(MAX_HEAD_BYTES)
            if not line or len(head) > MAX_HEAD_BYTES:
                return None
            head += line
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        return cls(head, int(length[1]) if length else 0)


class FaultyProxy:
    """Listens on a free port of its own, and passes requests to a port, unless a fault is due."""

    def __init__(self, target_port: int, seed: int) -> None:
        self.target_port = target_port
        self.counts: Counter[str] = Counter()
        """What happened to requests, and how often."""
        self._mode = "up"
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._start()

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        """Have another kind of faults from now on. Requests under way are silent no more, and cut where all ends."""
        if mode not in MODES:
            raise ValueError(mode)
        was, self._mode = self._mode, mode
        if mode == "refused" and was != "refused":
            self._stop_listening()
        elif was == "refused" and mode != "refused":
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self._start()
        if was == "silent":
            self._cut_all()

    def close(self) -> None:
        self._stop_listening()

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or its thread waits in accept for ever
        self._listener.close()
        self._cut_all()

    def _cut_all(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _draw(self) -> tuple[str, float]:
        """Return what happens to the next request, and where in it, as a share."""
        with self._lock:
            chances = MODES[self._mode]
            fault = self._random.choices(list(chances), list(chances.values()))[0]
            self.counts[fault] += 1
            return fault, self._random.random()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(TIMEOUT_S)
        with self._lock:
            self._open.add(client)
        try:
            with client, client.makefile("rb") as reader:
                while (request := Request.read(reader)) is not None:
                    if not self._answer(client, reader, request):
                        return
        except OSError:
            return  # either side has gone: as it is with real networks
        finally:
            with self._lock:
                self._open.discard(client)

    def _answer(self, client: socket.socket, reader: BufferedReader, request: Request) -> bool:
        """Answer one request, or let it fail; returns whether another may come on this connection."""
        fault, where = self._draw()
        if fault == "silent":
            while self._mode == "silent":
                time.sleep(0.05)
            return False
        if fault in ERRORS:
            return self._refuse(client, reader, request, fault, is_early=where < 0.5)
        answer = self._pass_on(reader, request, fault, where)
        if answer is None or fault == "answer lost":
            self._part(client, is_reset=where < 0.5)
            return False
        if fault == "slow":
            time.sleep(SLOW_ANSWER_S)
        client.sendall(answer[: int(where * len(answer))] if fault == "answer cut" else answer)
        return False  # the other side has closed: its answer says so

    def _refuse(
        self, client: socket.socket, reader: BufferedReader, request: Request, fault: str, *, is_early: bool
    ) -> bool:
        """Answer with an error: before the body has come, as busy stores do, or after it."""
        if not is_early:
            for _ in pieces_of(reader, request.length):
                pass
        status, code, message = ERRORS[fault]
        body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        wait = f"Retry-After: {RETRY_AFTER_S}\r\n" if fault == "429" else ""
        client.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n{wait}Content-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{'' if request.head.startswith(b'HEAD') else body}".encode()
        )
        return False

    def _pass_on(self, reader: BufferedReader, request: Request, fault: str, where: float) -> bytes | None:
        """Return the other side's whole answer; None where the request was cut."""
        most = int(where * request.length) if fault == "cut" else request.length
        with socket.create_connection(("127.0.0.1", self.target_port), timeout=TIMEOUT_S) as server:
            if fault != "cut" or request.length:
                server.sendall(request.passed_on)
            for piece in pieces_of(reader, most):
                server.sendall(piece)
                if fault == "slow":
                    time.sleep(SLOW_PIECE_S)
            if fault == "cut":
                self._part(server, is_reset=where < 0.5)
                return None
            answer = b""
            while data := server.recv(PIECE_BYTES):
                answer += data
            return answer or None

    @staticmethod
    def _part(connection: socket.socket, *, is_reset: bool) -> None:
        if is_reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()


def pieces_of(reader: BufferedReader, length: int) -> Iterator[bytes]:
    """Yield so many bytes of a body, as they come. Raises `ConnectionError` where there are fewer."""
    while length:
        piece = reader.read1(min(length, PIECE_BYTES))
        if not piece:
            raise ConnectionResetError("the request was cut by its own side")
        length -= len(piece)
        yield piece
