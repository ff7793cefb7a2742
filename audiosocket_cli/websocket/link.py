"""One WebSocket to a bot, over a non-blocking socket: its opening handshake, its messages, its pings, its end.

The handshake needs an event loop. After it nothing here waits or calls back: the owner, who has a tick every 20 ms
anyway, sends what waits and asks for what has come. So a call costs one `send` and one `recv` a frame, and no task.

Only this file needs the websockets library, of which it uses the protocol without its input and output: import it on
demand.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, NegotiationError, PayloadTooBig
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]  # C, where that was built
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.libraries import first_line
from audiosocket_cli.text import printable
from audiosocket_cli.websocket.connecting import WOULD_BLOCK, RefusedError, open_connection, receive, send_all
from audiosocket_cli.websocket.messages import Message
from audiosocket_cli.websocket.outbox import Outbox
from audiosocket_cli.websocket.url import Url

MAX_MESSAGE_BYTES: Final = 1 << 20

PING_S: Final = 20.0
"""Seconds between pings. A bot that sends nothing for so long after one has stalled. Servers find the same of us after
40 to 50 s (uvicorn, websockets), or never."""

_READ_BYTES: Final = 65536
"""The most that is read in one turn, or a little more where it is encrypted."""

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

_MAX_LINE_BYTES: Final = 16384
"""Of an answer to the handshake: more than the library takes."""


class Opening(NamedTuple):
    """How a connection is opened."""

    headers: Sequence[tuple[str, str]] = ()
    subprotocol: str | None = None
    tls: ssl.SSLContext | None = None
    """None: with the system's authorities, where the URL asks for TLS."""
    timeout_s: float = 10.0
    """For all of it: name, addresses, TLS, handshake."""
    max_bytes: int = MAX_MESSAGE_BYTES
    """Of a message of the bot; a longer one ends the connection, with code 1009."""
    user_agent: str = "audiosocket-cli"


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
                return await _shake_hands(connection, url, opening)
            except BaseException:
                connection.close()
                raise
    except TimeoutError as error:
        raise NetworkError(
            f"cannot connect to {url}: no answer within {opening.timeout_s:g} s; does the bot hang?"
        ) from error


async def _shake_hands(connection: socket.socket, url: Url, opening: Opening) -> Link:
    subprotocols = None if opening.subprotocol is None else [Subprotocol(opening.subprotocol)]
    protocol = ClientProtocol(parse_uri(url.whole), subprotocols=subprotocols, max_size=opening.max_bytes)
    request = protocol.connect()
    request.headers["User-Agent"] = opening.user_agent
    for name, value in opening.headers:
        if name.lower() in ("authorization", "user-agent", "host"):  # ours, or that of the URL, gives way
            request.headers.pop(name, None)
        request.headers[name] = value
    protocol.send_request(request)
    rest = b""
    try:
        await send_all(connection, b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING:
            data = await receive(connection)
            if data:
                rest = _feed(protocol, rest + data)
            else:
                protocol.receive_data(rest)
                protocol.receive_eof()
            if protocol.handshake_exc is not None:
                raise _why_not(url, protocol.handshake_exc)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise NetworkError(f"cannot connect to {url}: {reason} during the handshake") from error
    link = Link(connection, protocol, opening.max_bytes)
    link.begin_with(rest)
    return link


def _feed(protocol: ClientProtocol, data: bytes) -> bytes:
    """Give the protocol the lines of an answer that are whole, and return the rest: after the last line of a good one,
    frames may follow."""
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        line, end, rest = data.partition(b"\n")
        if not end and len(data) < _MAX_LINE_BYTES:
            break
        protocol.receive_data(line + end)
        data = rest
    return data


def _why_not(url: Url, error: Exception) -> NetworkError:
    if isinstance(error, InvalidStatus):
        code = error.response.status_code
        phrase = printable(error.response.reason_phrase)[:60]
        if 300 <= code < 400:
            to = printable(error.response.headers.get("Location", "nowhere"))[:200]
            return RefusedError(f"{url} redirects to {to}, which is not followed: give that URL, if it is right")
        kind = RefusedError if 400 <= code < 500 and code not in (408, 429) else NetworkError
        return kind(f"{url} refuses the connection: HTTP {code} {phrase}".rstrip())
    if isinstance(error, NegotiationError):
        return RefusedError(f"{url} requires something that we do not offer: {first_line(error)}")
    if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError):
        return RefusedError(f"{url} is not a WebSocket server: {first_line(error)}")
    return NetworkError(f"cannot connect to {url}: it closed the connection during the handshake")


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
        """The beginning of a frame whose rest has not come."""
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
        if self._early:
            early, self._early = self._early, b""
            self._take(early, messages)
        self.is_drained = False
        size = 0
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except WOULD_BLOCK:
                self.is_drained = True
                break
            except OSError as error:
                self.closed = Closed(1006, "", f"is gone: {os.strerror(error.errno or 0).lower()}")
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
        while size - at >= 2:
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
