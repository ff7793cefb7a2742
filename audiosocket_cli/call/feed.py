"""What a mirror hears: a copy of what a caller sends, in memory, with a bound.

`FeedingWire` is the connection of the caller: what is read of it goes into a `Feed` as well. To the relay of the
mirror, the feed is the wire of its caller. Nothing here waits, and nothing that the mirror does affects the call: what
the mirror does not take in time is lost for the mirror only.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Final

from audiosocket_cli.call.wire import READ_BYTES, SocketWire, Wire
from audiosocket_cli.capture.trace import Trace

MAX_WAITING_BYTES: Final = 256 << 10
"""The most that waits for a mirror, in addition to what its system has taken: 16 s of audio at 8 kHz."""

FELL_BEHIND: Final = f"it fell {MAX_WAITING_BYTES >> 10} KiB behind the caller"

MAX_AHEAD_BYTES: Final = 4 << 20
ANSWER_BYTES_S: Final = 512 << 10
"""How much a mirror may send at once, and how much per second after that: four minutes of slin, and more than audio at
192 kHz needs. Reading a flood takes time that calls need."""

FLOODS: Final = f"it sent {MAX_AHEAD_BYTES >> 20} MiB more than {ANSWER_BYTES_S >> 10} KiB a second"


class Feed:
    """The bytes of one caller that a mirror has not yet got; read as a wire, whose answers are dropped."""

    __slots__ = ("_is_over", "_is_reset", "_is_told", "_tell", "_waiting", "blocked", "drained", "failure", "refused")

    def __init__(self) -> None:
        self.blocked = self.refused = False
        self.drained = True
        self.failure: str | None = None
        """Why the mirror is to be closed: nothing more is kept for it."""
        self._waiting = bytearray()
        self._is_over = self._is_reset = False
        """Whether the caller's stream has ended, and whether by a reset."""
        self._tell: Callable[[], object] | None = None
        self._is_told = False

    # Filled by the call.

    def put(self, data: bytes) -> None:
        """The caller has sent this."""
        if self.failure is not None or self._is_over:
            return
        if len(self._waiting) + len(data) > MAX_WAITING_BYTES:
            self.give_up(FELL_BEHIND)
        else:
            self._waiting += data
            self.drained = False
            self.tell()

    def end(self, *, is_reset: bool = False) -> None:
        """The caller sends no more. Safe to call twice."""
        if not self._is_over:
            self._is_over, self._is_reset = True, is_reset
            self.tell()

    def give_up(self, reason: str) -> None:
        """The mirror is to hear nothing more."""
        self.failure = self.failure or reason
        self._waiting.clear()
        self.tell()

    # Emptied for the mirror.

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to be read, an end, or a failure."""
        return bool(self._waiting) or self._is_over or self.failure is not None

    @property
    def has_bytes(self) -> bool:
        """Whether some of what the caller sent has not been read."""
        return bool(self._waiting)

    def attach(self, tell: Callable[[], object]) -> None:
        """Call this when there is something to be read; then not again before `untold`."""
        self._tell = tell
        if self.is_waiting:
            self.tell()

    def tell(self) -> None:
        """Announce that there is something to read, if that has not been announced yet."""
        if self._tell is not None and not self._is_told:
            self._is_told = True
            self._tell()

    def untold(self) -> None:
        """It is being read now."""
        self._is_told = False

    # The wire of a relay.

    @property
    def undelivered(self) -> int:
        return 0

    @property
    def waiting(self) -> int:
        return 0

    def receive(self) -> bytes | None:
        if self._waiting:
            data = bytes(self._waiting[:READ_BYTES])
            del self._waiting[:READ_BYTES]
            self.drained = not self._waiting
            return data
        if self._is_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return b"" if self._is_over else None

    def pass_on(self, sink: Wire) -> bytes | None:
        data = self.receive()
        if data:
            sink.send(data)
        return data

    def send(self, data: bytes) -> bool:
        return True

    def flush(self) -> None:
        pass

    def end_sending(self, last: bytes = b"") -> None:
        pass

    def reset(self) -> None:
        self.close()

    def close(self) -> None:
        self._tell = None  # no longer a reference cycle
        self._waiting.clear()
        self._is_over = True


class FeedingWire(SocketWire):
    """The connection of a caller whom a mirror hears as well."""

    __slots__ = ("_feed",)

    def __init__(self, connection: socket.socket, trace: Trace | None, feed: Feed) -> None:
        super().__init__(connection, trace)
        self._feed = feed

    def _read(self) -> bytes | None:
        try:
            data = super()._read()
        except OSError:
            self._feed.end(is_reset=True)
            raise
        if data:
            self._feed.put(data)
        elif data is not None:
            self._feed.end()
        return data


class MirrorWire(SocketWire):
    """The connection to a mirror: its answers are read, and not passed on. One that floods fails."""

    __slots__ = ("_credit_bytes", "_credited_s", "_feed")

    def __init__(self, connection: socket.socket, trace: Trace | None, feed: Feed) -> None:
        super().__init__(connection, trace)
        self._feed = feed
        self._credit_bytes = float(MAX_AHEAD_BYTES)
        self._credited_s = time.monotonic()

    def pass_on(self, sink: Wire) -> bytes | None:
        data = self.receive()
        if data:
            now_s = time.monotonic()
            credit = self._credit_bytes + (now_s - self._credited_s) * ANSWER_BYTES_S
            self._credit_bytes = min(float(MAX_AHEAD_BYTES), credit) - len(data)
            self._credited_s = now_s
            if self._credit_bytes < 0:
                self._feed.give_up(FLOODS)
        return data
