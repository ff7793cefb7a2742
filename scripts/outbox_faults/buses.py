"""Where events go: webhooks, to a receiver behind a proxy that fails, or NATS JetStream, stopped and killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from free_port import free_port

from outbox_faults.faulty import FaultyProxy
from outbox_faults.receiver import SECRET, Received, Receiver
from outbox_faults.stores import PROGRAMS, START_TIMEOUT_S, StoreProcessError

STREAM, PREFIX = "CALLS", "calls"


class Bus(Protocol):
    """Where events go, and how it fails."""

    phases: tuple[str, ...]
    """The faults that it has."""
    counts: Counter[str]
    """What happened to it, and how often."""
    faults: list[str]
    """What was wrong with what came."""

    def options(self) -> list[str]:
        """Return what the server is told of it."""

    def enter(self, phase: str) -> None:
        """Have this fault from now on, and no other."""

    def received(self) -> list[Received]:
        """Return all that came, in order."""

    def close(self) -> None:
        """End it."""


class WebhookBus:
    """A receiver of webhooks behind a proxy that fails."""

    phases: tuple[str, ...] = ("up", "refused", "silent", "slow", "503", "429", "cut", "answer lost", "mixed")

    def __init__(self, folder: Path, seed: int) -> None:
        self._receiver = Receiver()
        self._proxy = FaultyProxy(self._receiver.port, seed)
        self.counts = self._proxy.counts
        self.faults = self._receiver.faults
        self._secret = folder / "secret"
        self._secret.write_text(SECRET + "\n")
        self._secret.chmod(0o600)

    def options(self) -> list[str]:
        """Return its URL and the file of its secret."""
        return ["--events", f"http://127.0.0.1:{self._proxy.port}/events", "--events-secret-file", str(self._secret)]

    def enter(self, phase: str) -> None:
        """Have the proxy fail in this way."""
        self._proxy.mode = phase

    def received(self) -> list[Received]:
        """Return all webhooks that came."""
        return self._receiver.received

    def close(self) -> None:
        """End the proxy and the receiver."""
        self._proxy.close()
        self._receiver.close()


class NatsBus:
    """A NATS server with one stream, on disk."""

    phases: tuple[str, ...] = ("up", "frozen", "killed")

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._folder = folder
        self._port = free_port()
        self._process = self._start()
        asyncio.run(self._add_stream())

    def _start(self) -> subprocess.Popen[bytes]:
        words = [PROGRAMS / "nats-server", "-a", "127.0.0.1", "-p", self._port, "-js", "-sd", self._folder / "nats"]
        with (self._folder / "nats.log").open("ab") as log:
            process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up_s and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return process
            time.sleep(0.05)
        process.kill()
        raise StoreProcessError(f"nats-server does not listen (see {self._folder / 'nats.log'})")

    async def _add_stream(self) -> None:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        await client.jetstream().add_stream(name=STREAM, subjects=[f"{PREFIX}.>"])
        await client.close()

    def options(self) -> list[str]:
        """Return its URL."""
        return ["--events", f"nats://127.0.0.1:{self._port}/{PREFIX}"]

    def enter(self, phase: str) -> None:
        """Stop the process, kill it, or have it run."""
        self.counts[phase] += 1
        if self._process.poll() is not None:
            self._process = self._start()
        self._process.send_signal(signal.SIGCONT)
        if phase == "frozen":
            self._process.send_signal(signal.SIGSTOP)
        elif phase == "killed":
            self._process.kill()
            self._process.wait()

    def received(self) -> list[Received]:
        """Read the whole stream."""
        return asyncio.run(self._read())

    async def _read(self) -> list[Received]:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        stream = client.jetstream()
        found = []
        for number in range(1, (await stream.stream_info(STREAM)).state.last_seq + 1):
            message = await stream.get_msg(STREAM, number)
            body, name = message.data or b"", (message.headers or {}).get("Nats-Msg-Id", "")
            event = json.loads(body)
            if event.get("id") != name or message.subject != f"{PREFIX}.{event.get('event')}":
                self.faults.append(f"event {event.get('id')} came under the id {name} and on {message.subject}")
            found.append(Received(name, event.get("uuid"), str(event.get("event")), body))
        await client.close()
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running_bus(kind: str, folder: Path, seed: int) -> Iterator[Bus]:
    """Run a bus, `webhook` or `nats`, which is ended when the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    bus: Bus = WebhookBus(folder, seed) if kind == "webhook" else NatsBus(folder)
    try:
        yield bus
    finally:
        bus.close()
