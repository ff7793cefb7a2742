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
from collections.abc import Sequence
from typing import Final, NamedTuple

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, NegotiationError, PayloadTooBig
from websockets.frames import Frame, Opcode
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
    except TimeoutError:
        raise NetworkError(
            f"cannot connect to {url}: no answer within {opening.timeout_s:g} s; does the bot hang?"
        ) from None


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
    try:
        await send_all(connection, b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING:
            data = await receive(connection)
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
            if protocol.handshake_exc is not None:
                raise _why_not(url, protocol.handshake_exc)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise NetworkError(f"cannot connect to {url}: {reason} during the handshake") from None
    return Link(connection, protocol, opening.max_bytes)


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
        return RefusedError(f"{url} wants what we do not offer: {first_line(error)}")
    if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError):
        return RefusedError(f"{url} is not a WebSocket server: {first_line(error)}")
    return NetworkError(f"cannot connect to {url}: it closed the connection during the handshake")


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
        self._parts: list[bytes] = []
        self._parts_are_text = False
        """The parts of a message so far."""
        self._has_heard = True
        """Whether anything came since the last ping."""
        self._is_closing = False

    def fileno(self) -> int:
        """Return the descriptor of its socket, for a poll."""
        return self._socket.fileno()

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
            protocol = self._protocol
            for message in outbox.take():
                (protocol.send_text if message.is_text else protocol.send_binary)(message.data)
            self._put()

    def ping(self) -> bool:
        """Send a ping; to be called every `PING_S` seconds. False where nothing came since the last time."""
        if not self._has_heard:
            return False
        self._has_heard = False
        if self.closed is None:
            self._protocol.send_ping(b"")
            self._put()
        return True

    def close(self) -> None:
        """Say goodbye; the bot then closes. Safe to call twice."""
        if self.closed is None and not self._is_closing:
            self._is_closing = True
            self._protocol.send_close(1000)
            self._put()

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

    def _put(self) -> None:
        data = b"".join(self._protocol.data_to_send())
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
        if self.closed is not None:
            return []
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
                self._protocol.receive_eof()
                break
            self._has_heard = True
            self._protocol.receive_data(data)
            size += len(data)
            if not self._is_secure or size >= _READ_BYTES:
                break
        messages = self._messages()
        if self._protocol.writes:
            self._put()  # pongs, and the answer to a close
        if self._protocol.state is not State.OPEN and self.closed is None:
            self._see_how_it_ended()
        return messages

    def _messages(self) -> list[Message]:
        messages = list[Message]()
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            data = bytes(frame.data)
            if frame.opcode is not Opcode.CONT:
                self._parts_are_text = frame.opcode is Opcode.TEXT
                if frame.fin:
                    messages.append(Message(data, self._parts_are_text))
                    continue
            self._parts.append(data)
            if frame.fin:
                messages.append(Message(b"".join(self._parts), self._parts_are_text))
                self._parts.clear()
        return messages

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
