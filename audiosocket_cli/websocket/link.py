"""One WebSocket to a bot, over a non-blocking socket: its messages, its pings, its end.

To open it needs an event loop. After it nothing here waits or calls back: the owner, who has a tick every 20 ms
anyway, sends what waits and asks for what has come. So a call costs one `send` and one `recv` a frame, and no task.

This file and that of the handshake need the websockets library, of which they use the protocol without its input and
output: import them on demand.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from typing import Any, Final, NamedTuple

from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]  # C, where that was built
from websockets.protocol import State

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.libraries import first_line
from audiosocket_cli.text import printable
from audiosocket_cli.websocket.connecting import WOULD_BLOCK, open_connection, why_of
from audiosocket_cli.websocket.handshake import MAX_MESSAGE_BYTES, Opening, break_cycles, shake_hands
from audiosocket_cli.websocket.messages import Message
from audiosocket_cli.websocket.outbox import Outbox
from audiosocket_cli.websocket.url import Url

PING_S: Final = 20.0
"""Seconds between pings. A bot that sends nothing for so long after one has stalled. Servers find the same of us after
40 to 50 s (uvicorn, websockets), or never."""

_READ_BYTES: Final = 65536
"""The most that is read in one turn, or a little more where it is encrypted."""

_READ_FRAMES: Final = 250
"""The most frames of a WebSocket that are taken in one turn. A bot that sends short ones without end takes some
milliseconds a turn then, and has to wait for its next; five seconds of audio in messages of 20 ms are one turn."""

_MAX_REST_BYTES: Final = 1 << 18
"""The most that waits to be sent, beside the outbox: answers to pings of a bot that does not read them, mostly."""

_IN_ORDER: Final = (1000, 1001, 1005)
"""The codes of a close that is no fault: done, going away, none given."""


_TEXT: Final = 0x81
_BINARY: Final = 0x82
"""The first byte of a message in one frame."""

_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
"""What the second byte of a frame says: that it is masked, or how its length follows."""

_WRONG: Final = 1 << 64
"""The length of a frame that is masked, which no server may send."""


class Closed(NamedTuple):
    """How the connection ended."""

    code: int
    """1006 where no close was said."""
    reason: str
    problem: str | None
    """What the bot did wrong, as the rest of a sentence that begins with it; None: it has closed in order."""


async def connect(url: Url, opening: Opening) -> Link:
    """Return an open connection. Raises `NetworkError`, and `RefusedError` where to try again is of no use."""
    try:
        async with asyncio.timeout(opening.timeout_s):
            connection = await open_connection(url, opening.tls, opening.timeout_s)
            try:
                protocol, rest = await shake_hands(connection, url, opening)
            except BaseException:
                connection.close()
                raise
    except TimeoutError as error:
        raise NetworkError(
            f"cannot connect to {url}: no answer within {opening.timeout_s:g} s; does the bot hang?"
        ) from error
    link = Link(connection, protocol, opening.max_bytes)
    link.begin_with(rest)
    return link


class _Masks:
    """Masks that nobody can guess, a thousand at once: to ask the system for each costs more than to use it."""

    def __init__(self) -> None:
        self._bytes, self._at = b"", 0

    def next(self) -> bytes:
        """Return four bytes that were not used before."""
        if self._at == len(self._bytes):
            self._bytes, self._at = os.urandom(4096), 0
        self._at += 4
        return self._bytes[self._at - 4 : self._at]


_next_mask: Final = _Masks().next


def _masked(first: int, data: bytes) -> bytes:
    """Return a frame as clients send it. The library takes 6 µs for it, this 2."""
    size, mask = len(data), _next_mask()
    if size < _LENGTH_16:
        header = bytes((first, _MASKED | size))
    elif size < 1 << 16:
        header = struct.pack("!BBH", first, _MASKED | _LENGTH_16, size)
    else:
        header = struct.pack("!BBQ", first, _MASKED | _LENGTH_64, size)
    return header + mask + apply_mask(data, mask)


class Link:
    """An open connection to a bot."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        """Take a connection after its handshake, and what the protocol may have got with it."""
        self.closed: Closed | None = None
        """How it ended, once it has."""
        self.is_drained = False
        """Whether the last `receive` found nothing more to read."""
        self._socket = connection
        self._protocol = protocol
        self._max_bytes = max_bytes
        self._is_secure = isinstance(connection, ssl.SSLSocket)
        self._rest = b""
        """What was begun to be sent."""
        self._early = b""
        """What came with the handshake, until the first `receive`."""
        self._begun = b""
        """What was read and is not taken yet: the beginning of a frame whose rest has not come, or too much for one
        turn."""
        self._has_more = False
        """Whether it is the latter."""
        self._parts: list[bytes] = []
        self._parts_are_text = False
        """The parts of a message so far."""
        self._has_heard = True
        """Whether anything came since the last ping."""
        self._is_closing = False

    def begin_with(self, data: bytes) -> None:
        """Take what came with the handshake."""
        self._early = data

    def fileno(self) -> int:
        """Return the descriptor of its socket, for a poll."""
        return self._socket.fileno()

    def addresses(self) -> tuple[Any, Any]:
        """Return our address and the bot's, as sockets have them; ours for both where the bot has closed already."""
        ours = self._socket.getsockname()
        try:
            return ours, self._socket.getpeername()
        except OSError:
            return ours, ours

    @property
    def is_blocked(self) -> bool:
        """Whether the bot does not read: part of a message waits."""
        return bool(self._rest)

    # Sending.

    def send(self, outbox: Outbox) -> None:
        """Send what waits there, as far as the bot takes it."""
        while outbox and (not self._rest or self._flush()):
            if self.closed is not None or self._is_closing:
                return
            self._put(b"".join([_masked(_TEXT if is_text else _BINARY, data) for data, is_text, _ in outbox.take()]))

    def ping(self) -> bool:
        """Send a ping; to be called every `PING_S` seconds. False where nothing came since the last time."""
        if not self._has_heard:
            return False
        self._has_heard = False
        if self.closed is None:
            self._protocol.send_ping(b"")
            self._put_what_the_protocol_says()
        return True

    def close(self) -> None:
        """Say goodbye; the bot then closes. Safe to call twice."""
        if self.closed is None and not self._is_closing:
            self._is_closing = True
            self._protocol.send_close(1000)
            self._put_what_the_protocol_says()

    def shut(self) -> None:
        """Close the socket, now; whoever watches it has to stop before. Safe to call twice."""
        if self.closed is None:
            self.closed = Closed(1006, "", None)
        self._rest = b""
        break_cycles(self._protocol)
        self._socket.close()

    def flush(self) -> None:
        """Try again to send what was begun."""
        if self._rest:
            self._flush()

    def _put_what_the_protocol_says(self) -> None:
        self._put(b"".join(self._protocol.data_to_send()))

    def _put(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
        else:
            self._rest = data
            self._flush()

    def _flush(self) -> bool:
        try:
            while self._rest:
                sent = self._socket.send(self._rest)
                if sent == len(self._rest):
                    self._rest = b""
                    return True
                self._rest = self._rest[sent:]
                if not self._is_secure:
                    return False
        except WOULD_BLOCK:
            return False
        except OSError:
            # The reading side will tell how it ended, after the last of what the bot sent.
            self._rest = b""
        return True

    # Receiving.

    def receive(self) -> list[Message]:
        """Return the messages that have come, within bounds; then see `closed`."""
        messages = list[Message]()
        if self.closed is not None:
            return messages
        self.is_drained = False
        if self._has_more or self._early:
            early, self._early = self._early, b""
            self._take(early, messages)
        size = 0
        while not self._has_more:
            try:
                data = self._socket.recv(_READ_BYTES)
            except WOULD_BLOCK:
                self.is_drained = True
                break
            except OSError as error:
                self.closed = Closed(1006, "", f"is gone: {why_of(error)}")
                break
            if not data:
                self._protocol.receive_data(self._begun)
                self._protocol.receive_eof()
                self._collect(messages)
                break
            self._has_heard = True
            self._take(data, messages)
            size += len(data)
            if not self._is_secure or size >= _READ_BYTES:
                break
        if self._protocol.writes:
            self._put_what_the_protocol_says()  # pongs, and the answer to a close
        if len(self._rest) > _MAX_REST_BYTES and self.closed is None:
            self.closed = Closed(1006, "", "does not read what it is sent")
        if self._protocol.state is not State.OPEN and self.closed is None:
            self._see_how_it_ended()
        return messages

    def _take(self, data: bytes, messages: list[Message]) -> None:
        """Take what was read: whole messages in one frame, as nearly all are, here, and all else through the protocol.

        The library takes 5 µs for a frame, this 1. It gets whole frames only, so that it never waits for the rest of
        one; and all that comes after what is wrong, or is the end.
        """
        if self._begun:
            data = self._begun + data
        at, size = 0, len(data)
        frames = _READ_FRAMES - len(messages)
        self._has_more = False
        while size - at >= 2:
            if frames <= 0:
                self._has_more = True
                break
            frames -= 1
            first, length = data[at], data[at + 1]
            begin = at + 2
            if length >= _LENGTH_16:
                begin += 2 if length == _LENGTH_16 else 8
                if begin > size and length <= _LENGTH_64:
                    break
                length = int.from_bytes(data[at + 2 : begin], "big") if length <= _LENGTH_64 else _WRONG
            is_too_long = length > self._max_bytes
            end = size if is_too_long else begin + length
            if end > size:
                break
            is_whole = first in (_TEXT, _BINARY) and not self._parts and not is_too_long
            if is_whole and self._protocol.state is State.OPEN:
                messages.append(Message(data[begin:end], first == _TEXT))
            else:
                self._protocol.receive_data(data[at:end])
                self._collect(messages)
            at = end
        self._begun = data[at:]

    def _collect(self, messages: list[Message]) -> None:
        """Take what the protocol has understood."""
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            if frame.opcode is not Opcode.CONT:
                self._parts_are_text = frame.opcode is Opcode.TEXT
            if frame.data or not self._parts:  # of empty ones there may be any number
                self._parts.append(bytes(frame.data))
            if frame.fin:
                messages.append(Message(b"".join(self._parts), self._parts_are_text))
                self._parts.clear()

    def _see_how_it_ended(self) -> None:
        protocol = self._protocol
        said = protocol.close_rcvd
        if said is not None:
            reason = printable(said.reason)
            about = f" ({reason})" if reason else ""
            problem = None if said.code in _IN_ORDER else f"has closed the connection with code {said.code}{about}"
            self.closed = Closed(said.code, reason, problem)
        elif isinstance(protocol.parser_exc, PayloadTooBig):
            self.closed = Closed(1009, "", f"has sent a message of more than {self._max_bytes} bytes")
        elif isinstance(protocol.parser_exc, EOFError):
            self.closed = Closed(1006, "", "is gone: the connection ended without a close")
        elif protocol.parser_exc is not None:
            code = 1002 if protocol.close_sent is None else protocol.close_sent.code
            self.closed = Closed(code, "", f"has broken the WebSocket protocol: {first_line(protocol.parser_exc)}")
        elif protocol.state is State.CLOSED:
            self.closed = Closed(
                1006, "", None if self._is_closing else "is gone: the connection ended without a close"
            )
