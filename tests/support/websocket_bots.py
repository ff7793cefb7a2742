"""Bots that speak WebSocket: real servers of the websockets library, on a port of this machine, and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from support.running import need

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def websocket_bot(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Answer WebSockets on this loop; yields the URL."""
    tls = options.get("ssl")
    async with serve(handler, "127.0.0.1", 0, **{"compression": None, "close_timeout": 0.5, **options}) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/"


@contextlib.contextmanager
def threaded_bot(handler: Handler, **options: Any) -> Iterator[str]:
    """Answer WebSockets in a thread of its own, for tests that run the command; yields the URL."""
    urls: list[str] = []
    begun, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with websocket_bot(handler, **options) as url:
            urls.append(url)
            begun.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert begun.wait(10)
        yield urls[0]
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(20)
        assert not thread.is_alive()


class Diary:
    """A bot that keeps all that it is told, and says what a script says."""

    def __init__(self, script: Callable[[ServerConnection], Awaitable[None]] | None = None) -> None:
        self.messages: list[str | bytes] = []
        self.headers: dict[str, str] = {}
        self.path = ""
        self.closed: tuple[int | None, str | None] | None = None
        """The code and the reason with which it was closed, as the bot saw it."""
        self._script = script

    async def __call__(self, connection: ServerConnection) -> None:
        """Be the handler of one connection."""
        assert connection.request is not None
        self.headers = dict(connection.request.headers.raw_items())
        self.path = connection.request.path
        saying = None if self._script is None else asyncio.ensure_future(self._script(connection))
        with contextlib.suppress(Exception):
            async for message in connection:
                self.messages.append(message)
        if saying is not None:
            saying.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await saying
        self.closed = (connection.close_code, connection.close_reason)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The texts that are JSON."""
        return [json.loads(message) for message in self.messages if isinstance(message, str)]

    @property
    def audio(self) -> bytes:
        """What came in binary messages."""
        return b"".join(message for message in self.messages if isinstance(message, bytes))

    def named(self, event: str) -> list[dict[str, Any]]:
        """The events of this name."""
        return [told for told in self.events if told["event"] == event]


_AUTHORITY = """
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
subjectAltName = {}
"""


def certificate(
    folder: Path, *, name: str = "IP:127.0.0.1", valid: tuple[str, str] | None = None
) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for this name, `valid` between two times or for a month; return its file, which is its own
    authority's, and a server's context."""
    key, file = folder / "bot.key", folder / "bot.crt"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bot", "-keyout", str(key)]
    if valid is None:
        _openssl(folder, "req", "-x509", "-days", "30", "-addext", f"subjectAltName={name}", *words, "-out", str(file))
    else:
        (folder / "own.conf").write_text(_AUTHORITY.format(name))
        (folder / "index.txt").touch()
        _openssl(folder, "req", "-new", *words, "-out", "bot.csr")
        words = ["-batch", "-selfsign", "-rand_serial", "-notext", "-config", "own.conf", "-keyfile", str(key)]
        _openssl(
            folder, "ca", *words, "-startdate", valid[0], "-enddate", valid[1], "-in", "bot.csr", "-out", str(file)
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run([need("openssl"), *words], check=True, capture_output=True, timeout=30, cwd=folder)
