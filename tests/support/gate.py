"""A gate before an HTTP server: it passes what comes, and closes for good after so many requests."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_REQUEST = re.compile(rb"^(?:GET|HEAD|PUT|POST|DELETE) (\S+)", re.MULTILINE)


class Gate:
    """Passes requests to a port of this machine; of those whose target has `counted` in it, `passes` in all."""

    def __init__(self, port: int, counted: bytes, passes: int | None = None) -> None:
        self._port, self._counted, self.passes = port, counted, passes
        self.requests: list[bytes] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                with self._lock:
                    self._open |= {client, server}
                for pair in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=pair))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._may_pass(data):
                    self.close()
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _may_pass(self, data: bytes) -> bool:
        with self._lock:
            self.requests += [found for found in _REQUEST.findall(data) if self._counted in found]
            return self.passes is None or len(self.requests) <= self.passes

    def close(self) -> None:
        """Refuse connections from now on, and end those that are there."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close it, and wait for its threads."""
        self.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        for each in self._open:
            each.close()


@contextmanager
def gate(url: str, counted: bytes, passes: int | None = None) -> Iterator[Gate]:
    """Open a gate before the server at a URL of this machine."""
    opened = Gate(int(url.rpartition(":")[2]), counted, passes)
    try:
        yield opened
    finally:
        opened.end()
