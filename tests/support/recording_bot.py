"""A bot behind a WebSocket that keeps all that it gets, and says what its script tells it to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


@dataclass(frozen=True)
class Turn:
    """When the bot has got a text that has these words in it, it says this."""

    after: str
    say: Sequence[str | bytes]


@dataclass
class Heard:
    """What a bot has got in one call."""

    texts: list[str] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    subprotocol: str | None = None
    extensions: list[str] = field(default_factory=list)
    closed: int | None = None
    """The close code."""
    over: threading.Event = field(default_factory=threading.Event)


class RecordingBot:
    """Takes one call."""

    def __init__(self, script: Sequence[Turn]) -> None:
        self._turns = list(script)
        self.heard = Heard()

    def answer(self, connection: ServerConnection) -> None:
        """Take part in a call until it is over."""
        heard, request = self.heard, connection.request
        heard.subprotocol = connection.subprotocol
        heard.extensions = request.headers.get_all("Sec-WebSocket-Extensions") if request else []
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = connection.recv(timeout=30)
                if isinstance(message, bytes):
                    heard.media.append(message)
                    continue
                heard.texts.append(message)
                if self._turns and self._turns[0].after in message:
                    for each in self._turns.pop(0).say:
                        connection.send(each)
        heard.closed = connection.close_code
        heard.over.set()


@contextlib.contextmanager
def recording_bot(script: Sequence[Turn]) -> Iterator[tuple[RecordingBot, str]]:
    """Run a bot for one call; with its URL."""
    bot = RecordingBot(script)
    with serve(bot.answer, "127.0.0.1", 0, subprotocols=["media"], compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield bot, f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join(10)
