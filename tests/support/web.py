"""A server with pages, as `serve --web` shows them, and those who ask it: by HTTP, and by raw bytes."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.peers import FRAME, connected, free_port, opening, read_to_end
from support.running import COMMAND, Serve, Serving

TOKEN = "correct horse"


@dataclass
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Web:
    """A running server, and its pages."""

    serving: Serving
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, path: str, method: str = "GET", body: str | bytes | None = None, **headers: str) -> Answer:
        """Ask for something; a `_` in the name of a header stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()

    def until(self, path: str, is_so: Callable[[Any], object], **headers: str) -> Any:
        """Ask until the answer is so, and return it."""
        until_s = time.monotonic() + 60
        while True:
            answer = self.ask(path, **headers)
            if answer.status == 200 and is_so(answer.json):
                return answer.json
            assert time.monotonic() < until_s, answer
            time.sleep(0.05)

    def raw(self) -> socket.socket:
        """Connect, and say nothing yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def begin(serve: Serve, *options: str | Path) -> Web:
    """Start `audiosocket serve` with pages."""
    port = free_port()
    return Web(serve("--web", f"127.0.0.1:{port}", *options), port)


@contextmanager
def running(*options: str | Path, command: Sequence[str] = ("serve",), **environment: str) -> Iterator[Web]:
    """A server with pages, for all tests of a module."""
    port = free_port()
    words = [*command, "--listen", "127.0.0.1:0", "--web", f"127.0.0.1:{port}", *map(str, options)]
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            told = []
            for line in process.stderr:
                told.append(line)
                if found := re.match(r"listening on .*?:(\d+)", line):
                    break
            else:
                raise AssertionError(told)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield Web(Serving(process, int(found[1]), line), port)
        finally:
            process.kill()


@contextmanager
def calling(
    web: Web, number: int = 1, digits: str = "", *, uuid_of: uuid.UUID | None = None
) -> Iterator[socket.socket]:
    """A call with a frame of audio, and digits."""
    first = opening(number)[1] if uuid_of is None else b"\x01\x00\x10" + uuid_of.bytes
    keys = b"".join(b"\x03\x00\x01" + each.encode() for each in digits)
    with connected(web.serving, first, keys, FRAME) as peer:
        yield peer


def recorded(web: Web, number: int = 1, digits: str = "", frames: int = 50) -> str:
    """Make a call that is recorded and has ended, and return its UUID."""
    with calling(web, number, digits) as peer:
        peer.sendall(FRAME * frames)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    call = opening(number)[0]
    web.until("/api/ended", lambda told: any(row["uuid"] == call for row in told["calls"]))
    return call


class Stream:
    """A reader of server-sent events."""

    def __init__(self, web: Web, **headers: str) -> None:
        self.peer = web.raw()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.peer.sendall(f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n{lines}\r\n".encode())
        self._file = self.peer.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        """By their names in lower case."""
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.peer.close()

    def next(self, *names: str) -> tuple[str, Any]:
        """Return the next event with one of these names, or of any name."""
        name = ""
        for line in self._file:
            if line.startswith(b"event: "):
                name = line[7:].decode().strip()
            elif line.startswith(b"data: ") and (not names or name in names):
                return name, json.loads(line[6:])
        raise AssertionError(f"the stream ended without {names}")
