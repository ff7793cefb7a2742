"""The wire of a call: a non-blocking socket, one `send` per frame, and reads that never wait for writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from audiosocket_cli.capture.trace import Trace

READ_BYTES: Final = 16384
"""The most that is read at once."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""`struct linger`: closing resets, and waits for nothing."""

_buffer: Final = memoryview(bytearray(READ_BYTES))
"""What all wires of a process read into, one after the other: what is kept is then as long as what has come."""


class Through(Protocol):
    """What a call passes through on its way, inside this process, if anything: it has a life of its own."""

    async def finish(self) -> Sequence[str]:
        """Wait until it is over, after the call; returns what was odd, a line each."""

    def kill(self) -> None:
        """End it now; `finish` still has to be awaited."""

    def facts(self) -> dict[str, Any]:
        """Return what came of it as JSON values for the call's result; after `finish`."""


class Link(NamedTuple):
    """A connected socket, and who is at its ends."""

    socket: socket.socket
    peer: str
    """Who is at the other end, as people write it."""
    theirs: Any
    """The peer's address, as sockets have it."""
    ours: Any = None
    """Ours, where a proxy has told both; that of the socket when None."""
    through: Through | None = None
    """What is between the socket and the peer."""


class Wire(Protocol):
    """What a session needs of a connection; the tests have one in memory."""

    drained: bool
    """The last `receive` took all that there was."""
    blocked: bool
    """Part of a frame still waits for the peer to read: nothing more can be sent before `flush` got it out."""

    @property
    def undelivered(self) -> int:
        """Bytes that were sent and that the peer's system has not confirmed, what is left of a frame included."""

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and may stay where they are until they are read; 0 where that is not known, or where
        they are to be read at once."""

    def receive(self) -> bytes | None:
        """Return what has arrived, b"" at the end of the stream, None when there is nothing now.

        Raises `ConnectionError` or `OSError` when the connection was reset or lost.
        """

    def send(self, data: bytes) -> bool:
        """Send one whole frame, or keep what did not go out for `flush`. False, with nothing of it kept, while a frame
        waits already, or once the peer is gone."""

    def flush(self) -> None:
        """Try again to send the rest of a frame."""

    def end_sending(self, last: bytes = b"") -> None:
        """Half-close, after the rest of a frame and a last frame: the peer reads up to there, and may go on sending."""

    def close(self) -> None:
        """Close both ways. Safe to call twice."""


class SocketWire:
    """A wire over a TCP socket.

    A raw socket rather than a transport: a transport that fails to write drops what is still to be read, and those are
    the caller's last words.
    """

    __slots__ = (
        "_ending", "_held", "_holds", "_is_reset", "_rest", "_socket", "_trace", "_writable", "ahead", "blocked",
        "drained", "is_tcp", "refused",
    )  # fmt: skip

    def __init__(self, connection: socket.socket, trace: Trace | None = None) -> None:
        """Take a connected socket; `trace` captures what passes."""
        connection.setblocking(False)
        # Header and payload arrive together or Asterisk ends the call: never let Nagle hold back the end of a frame.
        with contextlib.suppress(OSError):  # macOS refuses it once the peer has reset the connection
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_tcp = connection.family != socket.AF_UNIX
        self._socket = connection
        self._trace = trace
        self._rest = b""
        self.ahead: bytes | OSError | None = None
        """What was read ahead, or why that failed."""
        self._holds = False
        """Whether frames are kept to be sent with those of other wires, and what is kept: `_held`."""
        self._held = b""
        self._writable = True
        self._ending = False
        """Half-closed: only the queued rest may still be sent."""
        self.blocked = False
        self.drained = True
        self.refused = False
        """Whether sending has failed: the peer is gone."""
        self._is_reset = False
        """Whether sending has found that the peer has reset the connection. Linux says so once: then reading finds no
        more than an end, behind what came before."""

    def fileno(self) -> int:
        """The socket's descriptor, -1 once closed."""
        return self._socket.fileno()

    @property
    def undelivered(self) -> int:
        # Of a socket pair, the system counts what it takes in memory; its other end is in this process, and reads.
        on_way = _ask(self.fileno(), termios.TIOCOUTQ) if self.is_tcp else 0
        # The end of the stream counts as a byte.
        return len(self._rest) + len(self._held) + max(0, on_way - self._ending)

    @property
    def waiting(self) -> int:
        # A capture has the time of each read.
        return _ask(self._socket.fileno(), termios.FIONREAD) if self._trace is None else 0

    def read_ahead(self) -> None:
        """Read now what `receive` is to return next, and hold frames until `release`.

        So many wires can be read one after the other, then heard, and then written: each of these finds its code and
        that of the system in the CPU's caches.
        """
        self._holds = True
        if self.ahead is None:
            try:
                self.ahead = self._read()
            except OSError as error:
                self.ahead = error

    def echo(self) -> None:
        """Send what was read ahead straight back."""
        data = self.take_ahead()
        if self._writable:
            self._put(data)

    def take_ahead(self) -> bytes:
        """Return the bytes that were read ahead, and hold no frames."""
        data, self.ahead = self.ahead, None
        self._holds = False
        assert isinstance(data, bytes)
        return data

    def hold(self) -> None:
        """Hold frames until `release`."""
        self._holds = True

    def release(self) -> None:
        """Send the frames that were held."""
        self._holds = False
        held = self._held
        if held:
            self._held = b""
            self._put(held)

    def receive(self) -> bytes | None:
        ahead, self.ahead = self.ahead, None
        if ahead is None:
            return self._read()
        if isinstance(ahead, OSError):
            try:
                raise ahead
            finally:
                del ahead  # or the error, this frame and so the call would keep each other
        return ahead

    def pass_on(self, sink: SocketWire) -> bytes | None:
        """Return what `receive` does, once it was sent on to `sink`, which does not wait for its peer to read: whether
        it does now, or is `refused`, is to be looked at afterwards."""
        data = self._read()
        if data:
            sent = sink._send(data)
            if sent != len(data):
                sink._rest = data[sent:]
                sink.blocked = sink._writable
        return data

    def receive_judged(self, judge: Callable[[bytes], Iterable[str]]) -> bytes | None:
        """Return what `receive` does; what `judge` says of it is a comment on its packet in the capture."""
        trace, self._trace = self._trace, None  # which gets the comments first
        try:
            data = self._read()
        except OSError:
            if trace is not None:
                trace.was_reset()
            raise
        finally:
            self._trace = trace
        remarks = judge(data) if data else ()
        if trace is not None and data is not None:
            for text in remarks:
                trace.remark(text)
            if data:
                trace.received(data)
            else:
                trace.ended(sent=False)
        return data

    def remark(self, text: str) -> None:
        """Put a comment on the next packet of the capture, where there is one."""
        if self._trace is not None:
            self._trace.remark(text)

    def _read(self) -> bytes | None:
        try:
            size = self._socket.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            self.drained = True
            return None
        except OSError:
            if self._trace is not None:
                self._trace.was_reset()
            raise
        if self._is_reset and not size:
            if self._trace is not None:
                self._trace.was_reset()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        data = bytes(_buffer[:size])
        self.drained = size < READ_BYTES  # an end, or a reset, behind it is told next time
        if self._trace is not None:
            if data:
                self._trace.received(data)
            else:
                self._trace.ended(sent=False)
        return data

    def send(self, data: bytes) -> bool:
        if self.blocked or self._ending or not self._writable:
            return False
        if self._holds:
            self._held += data
            return True
        self._put(data)
        return self._writable

    def _put(self, data: bytes) -> None:
        sent = self._send(data)
        if sent != len(data):
            self._rest = data[sent:]
            self.blocked = self._writable

    def flush(self) -> None:
        if self._rest:
            self._rest = self._rest[self._send(self._rest) :]
        self.blocked = bool(self._rest) and self._writable
        if self._ending and not self.blocked:
            self._shut()

    def end_sending(self, last: bytes = b"") -> None:
        if self._ending:
            return
        self.release()
        self._ending = True
        self._rest += last
        self.flush()

    def close(self) -> None:
        if self._held and not self.blocked:
            self.release()
        self._writable = self.blocked = False
        self._socket.close()
        if self._trace is not None:
            self._trace.close()
            self._trace = None

    def reset(self) -> None:
        """Reset the connection: what was sent and has not arrived is lost. `close` still has to be called."""
        self._writable = self.blocked = False
        if self._trace is not None:
            self._trace.was_reset(sent=True)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket.close()

    def _shut(self) -> None:
        self._writable = False
        if self._trace is not None:
            self._trace.ended(sent=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _send(self, data: bytes) -> int:
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            # The reading side will tell how it ended, after the last of what the peer sent.
            self._writable = False
            self.refused = True
            self._is_reset = error.errno == errno.ECONNRESET
            return 0
        if self._trace is not None:
            self._trace.sent(data[:sent] if sent < len(data) else data)
        return sent


def queues(descriptor: int) -> tuple[int, int]:
    """Return how many received bytes of a TCP socket are unread, and how many sent ones the peer's system has not
    confirmed.

    0 for what the system does not say, and for a socket that is closed.
    """
    return _ask(descriptor, termios.FIONREAD), _ask(descriptor, termios.TIOCOUTQ)


def _ask(descriptor: int, request: int) -> int:
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, request, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0
