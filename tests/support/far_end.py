"""Servers that are sockets of the test itself, behind a proxy, and calls through it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

from support.peers import FRAME, connected
from support.running import Serving


class Server:
    """A server of the test's: a listening socket. The proxy tries it at its start, by a connection without a byte."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accept(self) -> socket.socket:
        """Return the next connection that is a call, not a trial."""
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(60)
            if not (select.select([connection], [], [], 0.3)[0] and not connection.recv(1, socket.MSG_PEEK)):
                return connection
            connection.close()

    def answer_all(self) -> None:
        """Take every connection from now on, in the background, and close it once its peer has."""

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=drain, args=(self.listener.accept()[0],), daemon=True).start()

        def drain(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while connection.recv(65536):
                    pass

        self.listener.settimeout(None)
        threading.Thread(target=take, daemon=True).start()

    def again(self) -> None:
        """Listen again on the same port."""
        self.listener = socket.create_server(("127.0.0.1", self.listener_port))
        self.listener.settimeout(60)

    def stop(self) -> None:
        self.listener_port = self.port
        self.listener.close()


@contextlib.contextmanager
def through(serving: Serving, server: Server, *first: bytes) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A call through the proxy: the caller's socket and the server's."""
    with connected(serving, *first) as caller, server.accept() as far:
        yield caller, far


def exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := peer.recv(size - len(data))):
        data += more
    return data


def send_for(seconds: float, peer: socket.socket) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        peer.sendall(FRAME)
        time.sleep(0.01)


def is_reset(peer: socket.socket) -> bool:
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False
