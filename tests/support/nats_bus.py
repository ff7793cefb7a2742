"""A real NATS server with JetStream for tests: on a free port, its streams in a temporary folder, ended by its pid."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.js import JetStreamContext

Result = TypeVar("Result")

START_S = 60.0


class NatsServer:
    """One server. Its port stays the same when it is stopped and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Its address, for a client."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "nats.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        program = Path(sys.executable).with_name("nats-server")
        words = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.folder / "js", *self.options]
        with open(self.folder / "nats.log", "ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < until, self.log
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End it, at once if not told otherwise."""
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, signal.SIGCONT)
            process.send_signal(how)
            process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it stand still: it takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            threads = Path(f"/proc/{self._process.pid}/task")
            while any("State:\tT" not in (thread / "status").read_text() for thread in threads.iterdir()):
                time.sleep(0.01)
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def add_stream(self, name: str, subjects: Sequence[str], **settings: Any) -> None:
        """Make a stream."""

        async def add(stream: JetStreamContext) -> None:
            await stream.add_stream(name=name, subjects=list(subjects), **settings)

        self.ask(add)

    def delete_stream(self, name: str) -> None:
        """Remove a stream with all that is in it."""
        self.ask(lambda stream: stream.delete_stream(name))

    def messages(self, name: str) -> list[tuple[str, dict[str, Any], str]]:
        """Return all that a stream has, in order: the subject, the object, and the id of each."""

        async def read(stream: JetStreamContext) -> list[tuple[str, dict[str, Any], str]]:
            state = (await stream.stream_info(name)).state
            found = []
            for number in range(state.first_seq, state.last_seq + 1):
                message = await stream.get_msg(name, number)
                assert message.subject
                assert message.headers
                assert message.data is not None
                found.append((message.subject, json.loads(message.data), message.headers["Nats-Msg-Id"]))
            return found

        return self.ask(read)

    def ask(self, what: Callable[[JetStreamContext], Awaitable[Result]]) -> Result:
        """Do something with its streams, over a connection of its own."""

        async def do() -> Result:
            client = await nats.connect(self.url, connect_timeout=30, max_reconnect_attempts=60)
            try:
                return await what(client.jetstream(timeout=30))
            finally:
                await client.close()

        return asyncio.run(do())


@contextmanager
def nats_server(folder: Path, *options: str) -> Iterator[NatsServer]:
    """Run a server with its files in `folder`."""
    server = NatsServer(folder, *options)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
