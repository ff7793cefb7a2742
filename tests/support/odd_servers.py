"""AudioSocket servers that do one thing wrong each, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

SILENCE: Final = b"\x10\x01\x40" + bytes(320)
TONE: Final = b"\x10\x01\x40" + b"\x00\x10\x00\xf0" * 80

Behaviour = Callable[[socket.socket], None]
"""Serves one connection, from the beginning to its end."""


def _drain(call: socket.socket) -> threading.Thread:
    """Read all that comes, on a thread of its own, which ends with the connection."""

    def read() -> None:
        with contextlib.suppress(OSError):
            while call.recv(65536):
                pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _pace(call: socket.socket, frame: bytes = SILENCE, every_s: float = 0.02) -> None:
    """Send a frame each 20 ms until the caller has gone."""
    reading, due_s = _drain(call), time.monotonic()
    while reading.is_alive():
        call.sendall(frame)
        due_s += every_s
        time.sleep(max(0.0, due_s - time.monotonic()))


def healthy(call: socket.socket) -> None:
    _pace(call)


def waits(call: socket.socket) -> None:
    """Echo: what it says comes after what the caller says."""
    call.recv(19)
    while data := call.recv(65536):
        call.sendall(data)


def silent(call: socket.socket) -> None:
    _drain(call).join()


def bursts(call: socket.socket) -> None:
    _pace(call, TONE * 50, 1.0)


def splits(call: socket.socket) -> None:
    reading = _drain(call)
    call.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while reading.is_alive():
        call.sendall(TONE[:3])
        time.sleep(0.03)
        call.sendall(TONE[3:])


def splits_headers(call: socket.socket) -> None:
    reading = _drain(call)
    call.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while reading.is_alive():
        call.sendall(TONE[:1])
        time.sleep(0.02)
        call.sendall(TONE[1:])


def then(frame: bytes) -> Behaviour:
    """Return a server that is healthy for half a second, and then sends something."""

    def serve(call: socket.socket) -> None:
        reading = _drain(call)
        for _ in range(25):
            call.sendall(SILENCE)
            time.sleep(0.02)
        call.sendall(frame)
        while reading.is_alive():
            call.sendall(SILENCE)
            time.sleep(0.02)

    return serve


def dies_in_frame(call: socket.socket) -> None:
    reading = _drain(call)
    call.sendall(SILENCE)
    time.sleep(1.2)
    call.sendall(b"\x10\x01\x40" + bytes(100))
    call.shutdown(socket.SHUT_WR)
    reading.join()  # closing with something unread is a reset


def closes_unread(call: socket.socket) -> None:
    """Close with the caller's audio unread, which is a reset."""
    call.recv(19)
    for _ in range(60):
        call.sendall(SILENCE)
        time.sleep(0.02)
    call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stalls(call: socket.socket) -> None:
    """Read nothing after the UUID."""
    call.recv(19)
    with contextlib.suppress(OSError):
        for _ in range(1000):
            call.sendall(SILENCE)
            time.sleep(0.02)


def stalls_later(call: socket.socket) -> None:
    """Read a frame in 20 ms for a second, and then no more."""
    with contextlib.suppress(OSError):
        call.recv(19)
        for n in range(1000):
            call.sendall(SILENCE)
            if n < 50:
                call.recv(len(SILENCE))
            time.sleep(0.02)


def paced(frame: bytes, every_s: float = 0.02) -> Behaviour:
    """Return a server that sends the same each 20 ms, or as often as said."""
    return lambda call: _pace(call, frame, every_s)


def too_slow(call: socket.socket) -> None:
    _pace(call, TONE, 0.026)


def greets_and_is_silent(call: socket.socket) -> None:
    reading = _drain(call)
    for _ in range(50):
        call.sendall(TONE)
        time.sleep(0.02)
    reading.join()


def closes_without_hangup(call: socket.socket) -> None:
    """Send no more in the middle of the call, and read on."""
    reading = _drain(call)
    for _ in range(50):
        call.sendall(TONE)
        time.sleep(0.02)
    call.shutdown(socket.SHUT_WR)
    reading.join()


def hangs_up(call: socket.socket) -> None:
    reading = _drain(call)
    for _ in range(50):
        call.sendall(TONE)
        time.sleep(0.02)
    call.sendall(b"\0\0\0")
    call.shutdown(socket.SHUT_WR)
    reading.join()


def telnet(call: socket.socket) -> None:
    call.sendall(b"\xff\xfd\x18\xff\xfd\x20")
    _drain(call).join()


def accepts_and_closes(call: socket.socket) -> None:
    call.close()


def never_closes(call: socket.socket) -> None:
    """Speak on for a while after the caller's end, and keep the connection."""
    for _ in range(500):
        call.sendall(SILENCE)
        call.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            call.recv(65536)
        call.setblocking(True)
        time.sleep(0.02)


def http(call: socket.socket) -> None:
    call.recv(65536)
    call.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def ssh(call: socket.socket) -> None:
    call.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    call.recv(64)


@contextlib.contextmanager
def odd_server(behaviour: Behaviour, host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Serve all calls so; yields the port."""
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)

    def serve(call: socket.socket) -> None:
        with call, contextlib.suppress(OSError):
            behaviour(call)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
