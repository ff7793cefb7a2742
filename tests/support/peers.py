"""Peers of a server that are sockets of the test itself."""

from __future__ import annotations

import http.client
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from free_port import free_port as free_port  # for tests

from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode, uuid_frame
from support.running import Serving

FRAME = encode(Frame(Kind.SLIN, bytes(range(160)) * 2))
"""20 ms of audio."""


def in_time(count: int, every_s: float = 0.02) -> Iterator[int]:
    """Count so many frames, each when it is due; who was held up makes up for it, so the rate is right in the end."""
    begun_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun_s + number * every_s - time.monotonic()))
        yield number


@contextmanager
def connected(serving: Serving, *first: bytes, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection((host, serving.port), timeout=60) as peer:
        if first:
            peer.sendall(b"".join(first))
        yield peer


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def read_to_end(peer: socket.socket) -> list[Frame]:
    decoder, frames = FrameDecoder(), []
    while data := peer.recv(65536):
        frames += decoder.feed(data)
    decoder.finish()
    return frames


def opening(number: int = 1) -> tuple[str, bytes]:
    call = uuid.UUID(int=number)
    return str(call), encode(uuid_frame(call))


def get(
    port: int, path: str = "/healthz", method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def wire_and_peer() -> tuple[socket.socket, SocketWire]:
    """A TCP connection: a peer's end and a wire over ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.settimeout(60)
    return peer, SocketWire(ours)
