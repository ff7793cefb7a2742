"""A real NATS server with JetStream for tests: on a free port, its streams in a temporary folder, ended by its pid."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.js import JetStreamContext

from support.peers import free_port
from support.server_process import ServerProcess

Result = TypeVar("Result")


class NatsServer(ServerProcess):
    """A server with its streams in `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        program = Path(sys.executable).with_name("nats-server")
        super().__init__(
            folder, [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder / "js", *options], port
        )

    @property
    def url(self) -> str:
        """Its address, for a client."""
        return f"nats://127.0.0.1:{self.port}"

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
